# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against real files with real extended attributes; runs as root."""

from __future__ import annotations

import array
import errno
import fcntl
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.netbind.privport.plugins.action import privport_setcap as action
from ansible_collections.netbind.privport.plugins.module_utils._apply import file_capability
from ansible_collections.netbind.privport.plugins.module_utils._apply.file_capability import (
    Outcome,
    carry_out,
    understand,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    PrivportError,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host, OpenFile
from ansible_collections.netbind.privport.plugins.modules import privport_setcap, privport_setcap_once
from ansible_collections.netbind.privport.tests.unit.acl import (
    ACL_XATTR,
    GROUP_ENTRY,
    GROUP_OBJ_ENTRY,
    USER_ENTRY,
    Entry,
    acl_attribute,
)

XATTR = "security.capability"
BINDS = bytes.fromhex("0100000200040000000000000000000000000000")
EMPTY = bytes.fromhex("0000000200000000000000000000000000000000")
FOREIGN = bytes.fromhex("0100000300040000000000000000000000000000e8030000")
RAW_PERMITTED = bytes.fromhex("0000000200200000000000000000000000000000")
NOBODY = 65534


def parameters(path: object, **options: Any) -> dict[str, Any]:
    defaults = {"capabilities": None, "state": "present", "merge": False, "allow_interpreter": False, "keep": None}
    return {"path": str(path), **defaults, **options}


def run(path: object, *, check_mode: bool = False, **options: Any) -> Outcome:
    return carry_out(request=understand(params=parameters(path, **options)), host=Host(), check_mode=check_mode)


def stored(path: Path) -> bytes | None:
    return os.getxattr(path, XATTR) if XATTR in os.listxattr(path) else None


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "server"
    shutil.copy("/bin/true", file)
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    "text",
    [
        None,
        "cap_net_bind_service+ep",
        "cap_net_bind_service=ep",
        "cap_net_bind_service=pe",
        "cap_net_bind_service=+ep",
        "CAP_NET_BIND_SERVICE=ep",
        "10=ep",
        "cap_net_raw,cap_net_bind_service=ep cap_net_raw=",
        "cap_net_bind_service=p\ncap_net_bind_service+e",
    ],
)
def test_every_spelling_changes_once(program: Path, text: str | None) -> None:
    foreseen = run(program, capabilities=text, check_mode=True)
    assert stored(program) is None
    first = run(program, capabilities=text)
    assert foreseen == first == Outcome(str(program), "", "cap_net_bind_service=ep", changed=True)
    assert stored(program) == BINDS
    for check_mode in (True, False):
        second = run(program, capabilities=text, check_mode=check_mode)
        assert second == Outcome(str(program), first.after, first.after, changed=False)


@pytest.mark.parametrize(
    ("mode", "entry", "refused"),
    [
        (0o775, (USER_ENTRY, 7, NOBODY), True),
        (0o755, (USER_ENTRY, 7, NOBODY), False),
        (0o775, (USER_ENTRY, 5, NOBODY), False),
        (0o775, (USER_ENTRY, 7, 0), False),
        (0o775, (GROUP_ENTRY, 7, pwd.getpwnam("nobody").pw_gid), True),
    ],
    ids=["a user", "masked", "may not write", "root", "a group with members"],
)
@pytest.mark.parametrize("of_folder", [False, True])
def test_an_access_control_list(program: Path, of_folder: bool, mode: int, entry: Entry, refused: bool) -> None:
    subject = program.parent if of_folder else program
    # What its own group may do is not what the mode shows.
    os.setxattr(subject, ACL_XATTR, acl_attribute(mode, (GROUP_OBJ_ENTRY, 5, 0), entry))
    if refused:
        with pytest.raises(Refused, match=r"nobody can write .* by its access control list"):
            run(program)
        assert stored(program) is None
    else:
        assert run(program).warnings == ()


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cap_net_bind_service+p", "does not bind"),
        ("cap_net_bind_service+e", "does not bind"),
        ("cap_net_bind_service+i", "does not bind"),
        ("=ep", "all capabilities"),
        ("all=ep", "all capabilities"),
        ("cap_net_bind_service=ep cap_net_raw=p", "one effective flag"),
        ("99+ep", "not a capability"),
        ("cap_bogus=ep", "not a capability"),
        ("net_bind_service=ep", "not a capability"),
        ("cap_net_bind_service", "not NAMES=FLAGS.*cap_from_text"),
        ("cap_net_bind_service+EP", "not NAMES=FLAGS.*cap_from_text"),
        ("", "names no capability"),
        (" ", "names no capability"),
    ],
)
def test_refused_texts_leave_the_file_alone(program: Path, text: str, reason: str, check_mode: bool) -> None:
    os.setxattr(program, XATTR, RAW_PERMITTED)
    with pytest.raises(PrivportError, match=reason):
        run(program, capabilities=text, check_mode=check_mode)
    assert stored(program) == RAW_PERMITTED


def test_exact_and_merged(program: Path) -> None:
    os.setxattr(program, XATTR, RAW_PERMITTED)
    foreseen = run(program, merge=True, check_mode=True)
    merged = run(program, merge=True)
    assert foreseen == merged
    assert merged.before == "cap_net_raw=p"
    assert merged.after == "cap_net_bind_service,cap_net_raw=ep"
    assert "cap_net_raw is now effective too" in merged.warnings[0]
    assert not run(program, merge=True).changed
    assert run(program).after == "cap_net_bind_service=ep"
    assert stored(program) == BINDS


def test_absent_removes_the_attribute(program: Path) -> None:
    os.setxattr(program, XATTR, BINDS)
    assert run(program, state="absent", check_mode=True).changed
    assert stored(program) == BINDS
    assert run(program, state="absent") == Outcome(str(program), "cap_net_bind_service=ep", "", changed=True)
    assert stored(program) is None
    assert run(program, state="absent") == Outcome(str(program), "", "", changed=False)


def test_absent_removes_just_the_named(program: Path) -> None:
    run(program, capabilities="cap_net_bind_service,cap_net_raw=ep")
    assert run(program, capabilities="10=ep", state="absent").after == "cap_net_raw=ep"
    assert not run(program, capabilities="10=ep", state="absent").changed
    assert run(program, capabilities="cap_net_raw+p", state="absent").after == ""
    assert stored(program) is None


@pytest.mark.parametrize("text", [None, "10=ep"])
def test_absent_removes_an_attribute_that_grants_nothing(program: Path, text: str | None) -> None:
    os.setxattr(program, XATTR, EMPTY)
    assert run(program, capabilities=text, state="absent") == Outcome(str(program), "=", "", changed=True)
    assert stored(program) is None


def test_an_attribute_of_another_namespace_is_replaced(program: Path) -> None:
    os.setxattr(program, XATTR, FOREIGN)
    with pytest.raises(InvalidInput, match="another user namespace"):
        run(program, merge=True)
    assert run(program).before == "cap_net_bind_service=ep [rootid=1000]"
    assert stored(program) == BINDS


@pytest.mark.parametrize("name", ["with blank", "new\nline", "ümlaut", "{brace}", "-r", "quo'te"])
def test_any_name_works(program: Path, name: str) -> None:
    file = program.rename(program.with_name(name))
    assert run(file).changed
    assert stored(file) == BINDS


def test_links_lead_to_the_file(program: Path) -> None:
    link = program.with_name("link")
    link.symlink_to(program.name)
    assert run(link).real_path == str(program)
    assert stored(program) == BINDS


def test_what_cannot_be_a_program(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    for name, reason in (
        ("missing", "/missing does not exist"),
        ("dangling", "/dangling leads to .*/nowhere, which does not exist"),
        ("file/below", "/file/below does not exist"),
        ("loop", "is a symbolic link"),
        ("", "is a directory, not a regular file"),
        ("fifo", "is a FIFO, not a regular file"),
    ):
        for check_mode in (True, False):
            with pytest.raises(HostError, match=reason):
                run(tmp_path / name, check_mode=check_mode)


@pytest.mark.parametrize("path", ["server", "", "./server", "/a\0b"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="is not an absolute path"):
        run(path)


def test_nothing_is_absent_from_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert run(tmp_path / "gone", state="absent") == Outcome(str(tmp_path / "gone"), "", "", changed=False)


def script(program: Path) -> str:
    program.write_bytes(b"#!/usr/bin/env python3\n")
    return "a script run by /usr/bin/env python3"


def open_to_all(program: Path) -> str:
    program.chmod(0o757)
    return "every user can write"


def open_folder(program: Path) -> str:
    program.parent.chmod(0o777)
    return "every user can write in the folder"


def foreign_folder(program: Path) -> str:
    os.chown(program.parent, NOBODY, -1)
    return "nobody owns the folder"


def group_of_another(program: Path) -> str:
    os.chown(program, -1, NOBODY)
    program.chmod(0o775)
    return "nobody can write .* as group nogroup"


HAZARDS = (script, open_to_all, open_folder, foreign_folder, group_of_another)


@pytest.mark.parametrize("hazard", HAZARDS)
def test_hazards_are_refused_told_and_never_block_removal(program: Path, hazard: Any) -> None:
    reason = hazard(program)
    for check_mode in (True, False):
        with pytest.raises(Refused, match=reason):
            run(program, check_mode=check_mode)
    assert stored(program) is None
    os.setxattr(program, XATTR, BINDS)
    held = run(program)
    assert not held.changed
    assert any(re.search(reason, warning) for warning in held.warnings)
    assert run(program, state="absent").changed
    assert stored(program) is None


def test_interpreters(program: Path) -> None:
    shared = program.rename(program.with_name("python3.11"))
    with pytest.raises(Refused, match="allow_interpreter: true"):
        run(shared)
    assert run(shared, allow_interpreter=True, check_mode=True).changed
    shared.chmod(0o750)
    assert run(shared) == Outcome(str(shared), "", "cap_net_bind_service=ep", changed=True)


def test_warnings(program: Path) -> None:
    os.chown(program, NOBODY, 0)
    program.chmod(0o4775)
    assert [warning.split(str(program))[1].split()[0] for warning in run(program).warnings] == ["is", "belongs", "has"]
    assert stored(program) == BINDS


@pytest.fixture
def immutable(program: Path) -> Iterator[Path]:
    set_flags(program, 0x10)
    yield program
    set_flags(program, 0)


def set_flags(path: Path, flags: int) -> None:
    """FS_IOC_SETFLAGS of ioctl_iflags(2)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, 0x40086602, array.array("L", [flags]))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("check_mode", [True, False])
def test_immutable(immutable: Path, check_mode: bool) -> None:
    with pytest.raises(HostError, match=r"is immutable .* chattr -i"):
        run(immutable, check_mode=check_mode)
    assert not run(immutable, state="absent").changed


DRIVER = Path(__file__).with_name("setcap_driver.py")


def elsewhere(command: list[str], **options: Any) -> dict[str, Any]:
    """The module's answer when it is started by a command that ends in "$@"."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    driver = [sys.executable, str(DRIVER), json.dumps(options)]
    done = subprocess.run([*command, *driver], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def mounted(folder: Path, *, kind: str, then: str = ":") -> list[str]:
    steps = f'mount -t {kind} none "$0"; cp /bin/true "$0/server"; chmod 755 "$0" "$0/server"; {then}; exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", steps, str(folder)]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("kind", "then", "reason"),
    [
        ("ramfs", ":", "on a file system without extended attributes"),
        ("tmpfs", 'mount -o remount,ro "$0"', "on a read-only file system"),
        ("tmpfs", 'mount -o remount,nosuid "$0"', "on a mount with the option nosuid"),
    ],
)
def test_mounts(tmp_path: Path, kind: str, then: str, reason: str, check_mode: bool) -> None:
    command = mounted(tmp_path, kind=kind, then=then)
    answer = elsewhere(command, check_mode=check_mode, **parameters(tmp_path / "server"))
    assert reason in answer["msg"]


@pytest.mark.parametrize(("known", "refused"), [("nowhere.so.1", True), ("libc.so.6", False)])
def test_a_library_that_is_found_beside_the_program_alone(tmp_path: Path, known: str, refused: bool) -> None:
    server, library = tmp_path / "bin/server", tmp_path / "lib" / known
    for path in (server, library):
        path.parent.mkdir()
        shutil.copy("/bin/true", path)
    subprocess.run(["patchelf", "--set-rpath", "$ORIGIN/../lib", "--add-needed", known, str(server)], check=True)
    if refused:
        with pytest.raises(Refused, match=rf"finds {library} beside itself"):
            run(server)
    else:
        assert run(server).changed


def test_a_nosuid_mount_does_not_block_removal(tmp_path: Path) -> None:
    then = 'setcap cap_net_bind_service=ep "$0/server"; mount -o remount,nosuid "$0"'
    answer = elsewhere(
        mounted(tmp_path, kind="tmpfs", then=then), check_mode=False, **parameters(tmp_path / "server", state="absent")
    )
    assert (answer["before"], answer["after"], answer["changed"]) == ("cap_net_bind_service=ep", "", True)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_process_without_the_privilege(program: Path, check_mode: bool) -> None:
    answer = elsewhere(["setpriv", "--bounding-set=-setfcap"], check_mode=check_mode, **parameters(program))
    assert "needs CAP_SETFCAP, which this process lacks" in answer["msg"]
    assert stored(program) is None


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EROFS, "read-only"),
        (errno.ENOSPC, "file system is full; free some space"),
        (errno.EOPNOTSUPP, "without extended attributes"),
        (errno.EPERM, "CAP_SETFCAP"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_an_unforeseen_failure_is_told(
    program: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def fail(_file: OpenFile, _value: bytes) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(OpenFile, "set_capability", fail)
    with pytest.raises(HostError, match=reason):
        run(program)


def test_what_is_written_is_read_back(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenFile, "set_capability", lambda _file, _value: None)
    with pytest.raises(HostError, match="read back as none"):
        run(program)


def test_an_unreadable_attribute_can_be_removed_and_replaced(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.setxattr(program, XATTR, RAW_PERMITTED)
    read = OpenFile.capability
    answers = iter((b"\1", b"\1"))
    monkeypatch.setattr(OpenFile, "capability", lambda file: next(answers, None) or read(file))
    for options in ({"merge": True}, {"state": "absent", "capabilities": "10=ep"}):
        with pytest.raises(HostError, match=r"cannot be read .* state: absent"):
            run(program, **options)
    answers = iter((b"\1",))
    assert run(program).before == "unreadable"
    answers = iter((b"\1",))
    assert run(program, state="absent") == Outcome(str(program), "unreadable", "", changed=True)
    assert stored(program) is None


def answer_of_main(capsys: pytest.CaptureFixture[str], module: Any = privport_setcap, **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        module.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_main(program: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    basic._ANSIBLE_ARGS = None
    warned: list[str] = []
    # Where ansible's controller half is imported too, warnings go to its display and not into the result.
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _module, text: warned.append(text))
    os.chown(program, NOBODY, -1)
    done = answer_of_main(capsys, path=str(program), capability="10=ep")
    assert (done["changed"], done["path"], done["real_path"]) == (True, str(program), str(program))
    assert (done["before"], done["after"]) == ("", "cap_net_bind_service=ep")
    assert done["diff"] == {
        "before_header": str(program),
        "after_header": str(program),
        "before": "",
        "after": "cap_net_bind_service=ep\n",
    }
    assert "belongs to nobody" in warned[0]
    refused = answer_of_main(capsys, path=str(program), capability="10=p", _ansible_check_mode=True)
    assert refused["failed"]
    assert "does not bind" in refused["msg"]


@pytest.mark.parametrize(
    ("options", "module"),
    [
        ({"path": "/x"}, "privport_setcap_once"),
        ({"path": "/x", "state": "present", "merge": True, "capability": "10=ep"}, "privport_setcap_once"),
        ({"path": "/x", "keep": None}, "privport_setcap_once"),
        ({"path": "/x", "keep": False}, "privport_setcap"),
        ({"path": "/x", "keep": "true"}, "privport_setcap"),
        # Units that keep the capabilities would give them back.
        ({"path": "/x", "state": "absent"}, "privport_setcap"),
        ({"path": "/x", "colour": "red"}, "privport_setcap"),
    ],
)
def test_no_more_is_sent_than_the_task_needs(options: dict[str, Any], module: str) -> None:
    task = SimpleNamespace(args=options, async_val=0, check_mode=False, action="privport_setcap")
    plugin = action.ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp")), None, None, None)
    executed: list[tuple[str, Any]] = []
    plugin._execute_module = lambda **called: executed.append((called["module_name"], called["module_args"])) or {}
    plugin.run(task_vars={})
    given = {name: value for name, value in options.items() if value is not None}
    assert executed == [(f"netbind.privport.{module}", given)]


def test_the_options_of_the_file_are_those_that_its_module_takes() -> None:
    aliases = {alias for option in file_capability.OF_FILE.values() for alias in option.get("aliases", ())}
    assert {*file_capability.OF_FILE, *aliases} == action.OF_FILE


def test_the_small_module_does_the_same(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    basic._ANSIBLE_ARGS = None
    options = {"path": str(program), "_ansible_check_mode": True}
    done = [answer_of_main(capsys, module, **options) for module in (privport_setcap, privport_setcap_once)]
    assert done[0].pop("invocation") != done[1].pop("invocation")
    assert done[0] == done[1]
    assert (done[0]["changed"], done[0]["after"]) == (True, "cap_net_bind_service=ep")
