# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam on this machine: what is looked at, what is changed, and what each says where it fails."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host import another, atomic, files, lock
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

NOBODY = 65534
# Of a file system that keeps neither attributes nor flags.
PROC = "/proc/self/status"


def refuse(*_arguments: Any, **_named: Any) -> Any:
    raise OSError(95, "Operation not permitted for this test")


def test_a_tool_that_is_found_can_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH without /usr/sbin, as su(1) leaves a user's."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Host().which("ldconfig") is not None
    assert Host().run(["ldconfig", "--version"]).rc == 0


def opened(path: object, look: Callable[[Any], Any]) -> Any:
    with Host().open_regular(str(path)) as file:
        return look(file)


@pytest.mark.parametrize(
    ("look", "answer"),
    [
        (lambda host: host.account("root").pw_uid, 0),
        (lambda host: host.account("0").pw_name, "root"),
        (lambda host: host.account("0\n"), None),
        (lambda host: host.account("4294967296"), None),
        (lambda host: host.group("root").gr_gid, 0),
        (lambda host: host.group("0").gr_name, "root"),
        (lambda host: host.group("no such"), None),
        (lambda host: host.groups_of("root", gid=0), (0,)),
        (lambda host: (host.user_name(0), host.user_name(3000000000)), ("root", "3000000000")),
        (lambda host: (host.group_name(0), host.group_name(3000000000)), ("root", "3000000000")),
        (lambda host: host.which("sh") is not None, True),
        (lambda host: host.which("no-such-program"), None),
        (lambda host: host.machine(), os.uname().machine),
        (lambda host: host.kernel_release(), os.uname().release),
        (lambda host: (type(host.nosuid("/")), type(host.noexec("/"))), (bool, bool)),
        (lambda host: (host.nosuid("/no/such"), host.noexec("/no/such")), (None, None)),
        (lambda host: host.capability("/no/such"), None),
        (lambda host: host.security_label("/no/such"), ""),
        (lambda host: host.acl("/no/such"), HostError),
        (lambda host: host.acl("/"), None),
        (lambda host: host.names_in("/no/such"), ()),
        (lambda host: host.link_target("/proc/self/exe") is not None, True),
        (
            lambda host: opened(PROC, lambda it: (it.keeps_capability(), it.capability(), it.flags())),
            (False, None, None),
        ),
        (lambda host: opened(PROC, lambda it: type(it.nosuid())), bool),
        (lambda host: opened("/no/such", lambda it: it), HostError),
        (lambda host: opened("/proc", lambda it: it), HostError),
    ],
)
def test_a_look(look: Callable[[Host], Any], answer: Any) -> None:
    if answer is HostError:
        with pytest.raises(HostError) as told:
            look(Host())
        assert "\n" not in str(told.value)
    else:
        assert look(Host()) == answer


def test_flags_and_attributes_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert opened(path, lambda it: (it.keeps_capability(), it.read_only(), type(it.flags()))) == (True, False, int)


@pytest.mark.parametrize(
    ("path", "answer"), [("answers", "the answer"), ("../x", HostError), ("silent", HostError)], ids=str
)
def test_selinux_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, answer: Any) -> None:
    monkeypatch.setattr(files, "_ASKED", f"{tmp_path}/")
    (tmp_path / "answers").write_text("question: the answer")
    with contextlib.ExitStack() as stack:
        if answer is HostError:
            stack.enter_context(pytest.raises(HostError, match="does not answer to 'question: '"))
        assert Host().ask(f"{tmp_path}/{path}", "question: ") == answer


def test_a_setting_of_the_kernel(tmp_path: Path) -> None:
    Host().set_kernel(str(tmp_path / "setting"), "80")
    assert (tmp_path / "setting").read_text() == "80"
    with pytest.raises(HostError, match=r"/no/such/setting cannot be set to 80: No such file or directory"):
        Host().set_kernel("/no/such/setting", "80")


def test_a_folder_with_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "a/b"
    Host().make_folder(str(path))
    Host().set_owner(str(path), uid=NOBODY, gid=NOBODY, mode=0o700)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (NOBODY, NOBODY, 0o700)
    Host().remove_folder_if_empty(str(path.parent))
    assert path.is_dir()
    Host().remove_folder_if_empty(str(path))
    assert not path.exists()
    with pytest.raises(HostError, match="cannot be given its owner and mode"):
        Host().set_owner(str(path), uid=0, gid=0, mode=0o700)


@pytest.mark.parametrize(
    ("call", "failing", "sentence"),
    [
        (lambda path: atomic.link(f"{path}/link", target="x"), "symlink", "link cannot be made a link: "),
        (lambda path: atomic.discard([f"{path}/file"]), "unlink", "file cannot be removed: "),
        (lambda path: atomic.sync_folder(str(path)), "fsync", "cannot be brought to disk: "),
    ],
    ids=["a link", "a temporary file", "a folder"],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Path], None], failing: str, sentence: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, failing, refuse)
    with pytest.raises(HostError, match=f"{sentence}Operation not permitted"):
        call(tmp_path)
    assert os.listdir(tmp_path) == ["file"]


def test_whether_somebody_holds_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOCK", str(tmp_path / "lock"))
    assert Host().lock_is_free()
    with Host().locked(needed=True):
        assert not Host().lock_is_free()
    assert Host().lock_is_free()


# --- Somebody else


def test_a_child_that_ended_is_started_anew() -> None:
    paths = ["bin/sh", "etc/passwd"]
    tried = {"uid": NOBODY, "gids": (NOBODY,), "folder": "/"}
    assert another.may_execute(paths, **tried) == (True, False)
    (child,) = (it for who, it in another._children.items() if who[:3] == (NOBODY, (NOBODY,), "/"))
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert another.may_execute(paths, **tried) is None
    assert another.may_execute(paths, **tried) == (True, False)


def test_no_more_children_than_a_look_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(another, "_MOST", 2)
    another.dismiss()
    for uid in range(NOBODY - 5, NOBODY):
        assert another.may_execute(["bin/sh"], uid=uid, gids=(uid,), folder="/") == (True,)
        assert len(another._children) <= 2
    another.dismiss()
    assert another._children == {}


def test_who_is_not_root_cannot_try_as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    assert Host().may_execute(["/bin/sh"], uid=NOBODY, gids=(NOBODY,)) is None
    assert Host().bind_as_stranger(80, protocol="tcp", family="ipv4", own_uid=-1) is None
