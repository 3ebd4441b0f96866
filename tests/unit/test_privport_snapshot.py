# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of real files, and its restoration: with a systemctl that only writes down what it is asked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import snapshot as snapshots
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.snapshot import (
    Held,
    Scope,
    Snapshot,
    UnitState,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl.setting import LIVE
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed, Host
from ansible_collections.netbind.privport.plugins.modules import privport_snapshot

EP = bytes.fromhex("0100000200040000000000000000000000000000")
SERVICES = [{"name": "web", "ports": [80], "executable": "/nowhere", "user": "nobody"}]
NOTHING_HELD: Tuple[Held, ...] = ()


class Machine(Host):
    """This machine's files, and units that are what the test says."""

    def __init__(self, **units: str) -> None:
        self.units = units
        self.ran: List[str] = []
        self.failing: Tuple[str, ...] = ()

    def run(self, argv: Sequence[str], *, seconds: float = 30) -> Completed:
        if argv[0] != "systemctl":
            return super().run(argv, seconds=seconds)
        if argv[1] == "show":
            names = argv[argv.index("--") + 1 :]
            states = (f"Id={name}\nActiveState={self.units[name[:-8]]}\nInvocationID=now\n" for name in names)
            return Completed(argv=tuple(argv), rc=0, stdout="\n".join(states), stderr="")
        self.ran.append(" ".join(argv[1:]))
        return Completed(argv=tuple(argv), rc=int(argv[1] in self.failing), stdout="", stderr="no")


def look(host: Host, *paths: Path, program: str = "", units: Sequence[str] = ()) -> Snapshot:
    scope = Scope(
        paths=tuple(map(str, paths)), programs=(program,) if program else (), units=tuple(units), own_units=()
    )
    return snapshots._look(host, scope, held=NOTHING_HELD)


def restore(host: Host, before: Snapshot, **fields: Any) -> snapshots.Restored:
    plain = {"services": parse_services(SERVICES), "seconds": 0.0, "check_mode": False}
    return snapshots.restore(host, before, **{**plain, **fields})


def tree(folder: Path) -> Dict[str, Any]:
    """Every path with what it is, whom it belongs to and what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        held = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, held)
    return found


@pytest.fixture
def paths(tmp_path: Path) -> List[Path]:
    """A file that stays away, one that is there, a link, a folder that is there and one with a file that are not."""
    folder = tmp_path / "etc"
    (folder / "kept").mkdir(parents=True)
    (folder / "kept").chmod(0o750)
    (folder / "file").write_bytes(b"\xff\n{{ not a template }}")
    (folder / "file").chmod(0o500)
    (folder / "link").symlink_to("file")
    return [folder / name for name in ("absent", "file", "link", "kept", "new", "new/file")]


def spoil(paths: List[Path]) -> None:
    absent, file, link, kept, new, inside = paths
    absent.write_text("x")
    file.write_text("other") if os.access(file, os.W_OK) else file.unlink()
    link.unlink()
    link.write_text("no link")
    kept.rmdir()
    new.mkdir()
    inside.write_text("x")


def test_everything_comes_back(paths: List[Path]) -> None:
    host = Machine()
    before, shown = look(host, *paths), tree(paths[0].parent)
    spoil(paths)
    foreseen = restore(host, before, check_mode=True)
    assert tree(paths[0].parent) != shown
    done = restore(host, before)
    assert tree(paths[0].parent) == shown
    assert (done.changed, done.left, len(done.diff)) == (True, (), 6)
    assert (foreseen.done, foreseen.diff) == (done.done, done.diff)
    again = restore(host, before)
    assert (again.changed, again.done, again.diff) == (False, (), ())


def test_a_folder_with_somebody_elses_file_stays(paths: List[Path]) -> None:
    host = Machine()
    before = look(host, *paths)
    spoil(paths)
    foreign = paths[4] / "foreign"
    foreign.write_text("x")
    assert restore(host, before).left == ()
    assert foreign.exists()


def test_what_fails_is_told_and_the_rest_is_done(paths: List[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    host = Machine()
    before = look(host, *paths)
    spoil(paths)

    def refuse(path: str) -> None:
        raise HostError(f"{path} cannot be removed: Read-only file system")

    monkeypatch.setattr(host, "remove", refuse)
    done = restore(host, before)
    assert done.left == tuple(f"{path} cannot be removed: Read-only file system" for path in (paths[0], paths[5]))
    assert paths[1].read_bytes().startswith(b"\xff")


def test_what_does_not_read_back_is_told(paths: List[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    host = Machine()
    before = look(host, *paths)
    spoil(paths)
    monkeypatch.setattr(host, "remove", lambda path: None)
    assert f"{paths[0]} is not what it was before" in restore(host, before).left


def test_a_program_gets_its_capability_back(tmp_path: Path) -> None:
    host, program = Machine(), tmp_path / "server"
    program.write_text("x")
    os.setxattr(program, "security.capability", EP)
    before = look(host, program=str(program))
    # As an upgrade does it: another file of that name.
    program.unlink()
    program.write_text("y")
    assert restore(host, before).done == (f"gave {program} its cap_net_bind_service=ep back",)
    assert os.getxattr(program, "security.capability") == EP
    os.removexattr(program, "security.capability")
    without = look(host, program=str(program))
    os.setxattr(program, "security.capability", EP)
    assert restore(host, without).done == (f"took cap_net_bind_service=ep from {program}",)
    program.unlink()
    assert "is gone or was replaced" in restore(host, before).left[0]


def test_a_program_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, program = Machine(), tmp_path / "server"
    program.write_text("x")
    before = look(host, program=str(program))
    os.setxattr(program, "security.capability", EP)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "removexattr", refuse)
    assert len(restore(host, before).left) == 1


@pytest.mark.parametrize(
    ("was", "now", "ran"),
    [
        pytest.param("active", "failed", ["reset-failed -- web.service", "restart -- web.service"], id="restarted"),
        pytest.param("inactive", "active", ["reset-failed -- web.service", "stop -- web.service"], id="stopped"),
        pytest.param("inactive", "failed", ["reset-failed -- web.service"], id="reset"),
        pytest.param("failed", "failed", [], id="left alone"),
    ],
)
def test_units_are_brought_back(was: str, now: str, ran: List[str]) -> None:
    host = Machine(web=now)
    before = look(Machine())._replace(units=(UnitState("web.service", was, "then"),))
    assert restore(host, before, check_mode=True).changed is bool(ran)
    assert host.ran == []
    assert restore(host, before).changed is bool(ran)
    assert host.ran == ran


@pytest.mark.parametrize(
    ("was", "now", "ran"),
    [
        pytest.param("inactive", "active", ["stop -- privport-x.service"], id="gone before its files go"),
        pytest.param(
            "active",
            "inactive",
            [
                "stop -- web.service",
                "stop -- privport-x.service",
                *["reset-failed -- privport-x.service", "restart -- privport-x.service"],
                *["reset-failed -- web.service", "restart -- web.service"],
            ],
            id="back before the service, which lets go of what it holds",
        ),
    ],
)
def test_own_units_are_brought_back(was: str, now: str, ran: List[str]) -> None:
    host = Machine(**{"privport-x": now, "web": "active"})
    running = UnitState("web.service", "active", "then" if was == "active" else "now")
    own = UnitState("privport-x.service", was, "then")
    before = look(Machine())._replace(units=(running,), own_units=(own,))
    restore(host, before)
    assert host.ran[: len(ran)] == ran


@pytest.mark.parametrize(("was", "left"), [("active", 1), ("activating", 0)])
def test_a_unit_that_does_not_start_is_told_if_it_ran(was: str, left: int) -> None:
    host = Machine(web="failed")
    host.failing = ("restart",)
    before = look(Machine())._replace(units=(UnitState("web.service", was, "then"),))
    assert len(restore(host, before).left) == left


def test_systemd_reads_what_was_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots.core, "UNIT_FOLDER", str(tmp_path))
    host, dropin = Machine(), tmp_path / "50-privport.conf"
    before = look(host, dropin)
    dropin.write_text("# Managed by netbind.privport (ambient); state=absent removes this file.\n")
    restore(host, before)
    assert (dropin.exists(), host.ran) == (False, ["daemon-reload"])


class Tuned(Machine):
    """Its first unprivileged port is what was written last."""

    start = "1024"

    def read(self, path: str) -> Optional[str]:
        return f"{self.start}\n" if path == LIVE else super().read(path)

    def set_kernel(self, path: str, value: str) -> None:
        assert path == LIVE
        self.start = value


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_kernel_setting_comes_back(check_mode: bool) -> None:
    host = Tuned()
    before = look(host)
    assert restore(host, before).changed is False
    host.start = "80"
    done = restore(host, before, check_mode=check_mode)
    assert (done.done, host.start) == ((f"set {LIVE} back to 1024",), "80" if check_mode else "1024")


def test_a_service_that_does_not_listen_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots.time, "sleep", lambda seconds: None)
    before = look(Machine())._replace(held=(Held("web", "80"),))
    assert restore(Machine(), before, seconds=0.01).left == ("web listened on port 80 before and does not now",)
    monkeypatch.setattr(snapshots.core, "held_ports", lambda *_: (Held("web", "80"),))
    assert restore(Machine(), before).done == ("web listens on port 80 as before",)


def test_the_module() -> None:
    def run(restored: Any, check_mode: bool = False) -> Dict[str, Any]:
        params = {"services": SERVICES, "restore": restored, "timeout": 0}
        return privport_snapshot.run(params, host=Host(), check_mode=check_mode)

    taken = run(None)
    assert taken["changed"] is False
    assert (
        json.loads(json.dumps(taken["snapshot"]))
        == taken["snapshot"]
        == dump(snapshots.take(Host(), parse_services(SERVICES)))
    )
    assert taken["snapshot"]["programs"] == []
    assert "/etc/authbind/byport/80" in [it["path"] for it in taken["snapshot"]["entries"]]
    done = run(taken["snapshot"])
    assert (done["changed"], done["restored"], done["left"], done["diff"]) == (False, [], [], [])
    with pytest.raises(InvalidInput, match=r"^restore is "):
        run({"format": 1})
