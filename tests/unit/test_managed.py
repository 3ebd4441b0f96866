# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one engine on a real file system: what it brings, what it reads back, and what it takes back."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import managed, undo
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.changes import as_desired
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    FOLDER,
    Attribute,
    Desired,
    Entry,
    KernelSetting,
    State,
    file,
    gone,
    link,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.undo import Before, Held
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, Refused
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost

BINDS = "0100000200040000000000000000000000000000"
EMPTY = "0000000200000000000000000000000000000000"
# What there is before each change, and what is wanted; {} stands for the test's own folder.
ROWS: Dict[str, Tuple[Callable[[Path], object], Callable[[str], Desired]]] = {
    "a file": (lambda at: None, lambda at: Desired(entries=(file(f"{at}/a", "new", mode=0o640, uid=1, gid=2),))),
    "another text": (lambda at: (at / "a").write_text("old"), lambda at: Desired(entries=(file(f"{at}/a", "new"),))),
    "no text": (lambda at: (at / "a").write_bytes(b"\xff"), lambda at: Desired(entries=(file(f"{at}/a", "\udcfe"),))),
    "a link": (lambda at: None, lambda at: Desired(entries=(link(f"{at}/b/a", "/x"),))),
    "another link": (lambda at: (at / "a").symlink_to("/y"), lambda at: Desired(entries=(link(f"{at}/a", "/x"),))),
    "a link that goes": (lambda at: (at / "a").symlink_to("/y"), lambda at: Desired(entries=(gone(f"{at}/a"),))),
    "a file that goes": (lambda at: (at / "a").write_text("old"), lambda at: Desired(entries=(gone(f"{at}/a"),))),
    "a folder": (lambda at: None, lambda at: Desired(entries=(Entry(f"{at}/a", kind=FOLDER, mode=0o710),))),
    "a folder that goes": (lambda at: (at / "a").mkdir(), lambda at: Desired(entries=(gone(f"{at}/a"),))),
    "an attribute": (lambda at: (at / "a").touch(), lambda at: Desired(attributes=(Attribute(f"{at}/a", BINDS),))),
    "a setting": (
        lambda at: (at / "a").write_text("1024"),
        lambda at: Desired(settings=(KernelSetting(f"{at}/a", "80"),)),
    ),
    "nothing": (
        lambda at: None,
        lambda at: Desired(entries=(gone(f"{at}/a"),), settings=(KernelSetting(f"{at}/b", "80"),)),
    ),
}


def bring(wanted: Desired, *, undoing: bool = False) -> managed.Attempts:
    attempts = managed.Attempts(undoing=undoing)
    host = Host()
    managed.bring(host, managed.Way(managed.look(host, [wanted]), wanted), attempts=attempts)
    return attempts


def shape(folder: Path) -> List[Tuple[Any, ...]]:
    """Everything in a folder."""
    return [
        (str(path), os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes(), path.lstat()[0:1])
        + ((path.lstat().st_uid, os.listxattr(path, follow_symlinks=False)) if path.is_file() else ())
        for path in sorted(folder.rglob("*"))
    ]


@pytest.mark.parametrize(("before", "wanted"), ROWS.values(), ids=ROWS)
def test_it_is_brought_and_taken_back(tmp_path: Path, before: Callable[[Path], object], wanted: Any) -> None:
    before(tmp_path)
    desired, shaped = wanted(str(tmp_path)), shape(tmp_path)
    was = managed.look(Host(), [desired])
    foreseen = [it.text for it in managed.Way(was, desired).changes]
    done = bring(desired)
    assert (done.done, done.failed, managed.differing(managed.look(Host(), [desired]), desired)) == (foreseen, [], ())
    assert managed.Way(managed.look(Host(), [desired]), desired).changes == ()
    bring(as_desired(was))
    assert [it for it in shape(tmp_path) if it[0] != f"{tmp_path}/b"] == shaped
    assert bool(foreseen) or not shaped


def test_an_empty_attribute_is_no_attribute_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.setxattr(tmp_path / "a", "security.capability", bytes.fromhex(EMPTY))
    wanted = Desired(attributes=(Attribute(f"{tmp_path}/a", None),))
    assert managed.differing(managed.look(Host(), [wanted]), wanted) == (f"{tmp_path}/a",)
    assert bring(wanted).done == [f"took an empty attribute from {tmp_path}/a"]
    assert managed.differing(managed.look(Host(), [wanted]), wanted) == ()


def test_a_folder_stays_where_somebody_else_has_a_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/theirs").touch()
    wanted = Desired(entries=(gone(f"{tmp_path}/a"),))
    bring(wanted)
    assert ((tmp_path / "a/theirs").exists(), managed.differing(managed.look(Host(), [wanted]), wanted)) == (True, ())


def test_what_is_neither_a_file_nor_a_link_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    wanted = Desired(entries=(file(f"{tmp_path}/a", "new"),))
    with pytest.raises(Refused, match=r"/a was not written by this collection and is left as it is"):
        managed.way(Host(), wanted)
    assert bring(wanted, undoing=True).failed
    assert stat.S_ISFIFO((tmp_path / "a").stat().st_mode)


def test_a_step_that_fails_ends_all_but_an_undo(tmp_path: Path) -> None:
    gone_since = Attribute(f"{tmp_path}/none", BINDS)
    wanted = Desired(entries=(file(f"{tmp_path}/a", "new"),), attributes=(gone_since,))
    with pytest.raises(HostError, match="/none") as told:
        bring(wanted)
    (tmp_path / "a").unlink()
    done = bring(wanted, undoing=True)
    assert (done.done, done.failed) == ([f"put {tmp_path}/a back"], [str(told.value)])
    assert managed.differing(managed.look(Host(), [wanted]), wanted) == (f"{tmp_path}/none",)


def test_an_attribute_that_a_file_system_does_not_keep() -> None:
    wanted = Desired(attributes=(Attribute("/proc/self/status", BINDS),))
    assert bring(wanted, undoing=True).failed[0].startswith("/proc/self/status is on a file system without extended")


def test_an_undo_waits_for_who_listened(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks, looks = iter(range(100)), iter(["", "", "tcp LISTEN 0 1 0.0.0.0:80 0.0.0.0:* ino:7 sk:1 <->\n"])
    monkeypatch.setattr(undo.time, "monotonic", lambda: next(ticks))
    monkeypatch.setattr(undo.time, "sleep", lambda seconds: None)

    class Slow(FakeHost):
        def run(self, argv: Any, *, seconds: float = 0) -> Any:
            self.ss = next(looks) if argv[0] == "ss" else ""
            return super().run(argv)

    before = Before(format=1, state=State(), units=(), held=(Held("web", "web.service", "80"),))
    host = Slow(uid=1000)
    done = undo.restore(host, before, seconds=60)
    assert (done.done, done.left) == (("web listens on port 80 as before",), ())
