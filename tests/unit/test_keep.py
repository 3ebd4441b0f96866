# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units that give a file capability back: their text, the program in them, and how they come and go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import keep as keeping
from ansible_collections.netbind.privport.plugins.module_utils._apply import task
from ansible_collections.netbind.privport.plugins.module_utils._core.capability import keep
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import Executable
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import Inode, ProgramFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import format_xattr, parse_text
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_unit_file
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import temporaries
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost

VALUE = format_xattr(parse_text("cap_net_bind_service=ep"))
PATH = "/usr/bin/my-web"
UNITS = keep.render(path=PATH, value=VALUE, python=sys.executable)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        # As systemd-escape --path prints them.
        ("/usr/bin/caddy", "privport-keep-usr-bin-caddy"),
        ("/usr/bin/my-web", r"privport-keep-usr-bin-my\x2dweb"),
        ("/opt/a+b/x@1", r"privport-keep-opt-a\x2bb-x\x401"),
    ],
)
def test_names(path: str, name: str) -> None:
    assert keep.base_name(path) == name
    assert keep.paths(path)[0] == f"/etc/systemd/system/{name}.service"


@pytest.mark.parametrize(
    "path", ["/opt/a b", "/opt/100%", "/opt/$x", "/opt/'x'", "/opt/a\nb", "relative", "/" + "a" * 250]
)
def test_paths_that_a_unit_cannot_hold(path: str) -> None:
    with pytest.raises(Refused, match="choose a plainer path"):
        keep.render(path=path, value=VALUE, python="/usr/bin/python3")
    assert keep.paths(path) == ()


def test_the_units_hold_what_systemd_reads() -> None:
    service = {(it.section, it.key): it.value for it in parse_unit_file(UNITS.service)}
    watch = {(it.section, it.key): it.value for it in parse_unit_file(UNITS.watch)}
    assert service["Service", "ExecStart"].endswith(f" {PATH} {VALUE.hex()}")
    # Specifiers, variables and escapes would be replaced (systemd.service(5)).
    assert not set(service["Service", "ExecStart"]) & set("%$\\")
    assert (watch["Path", "PathChanged"], watch["Unit", "Wants"]) == (PATH, r"privport-keep-usr-bin-my\x2dweb.service")
    assert UNITS.watch_name == r"privport-keep-usr-bin-my\x2dweb.path"
    assert keep.kept_value(UNITS.service) == VALUE


@pytest.mark.parametrize("text", ["", "[Service]\n", keep.MARK + "\nExecStart=x y\n", keep.MARK + " 00\n"])
def test_texts_that_keep_nothing(text: str) -> None:
    assert keep.kept_value(text) is None


def program(path: str, value: bytes = VALUE) -> subprocess.CompletedProcess[str]:
    """Run what the service runs."""
    (command,) = [it.value for it in parse_unit_file(UNITS.service) if it.key == "ExecStart"]
    script = command.split("'")[1]
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, path, value.hex()], capture_output=True, text=True, check=False
    )


def test_a_program_that_is_gone_is_no_failure(tmp_path: Path) -> None:
    done = program(str(tmp_path / "gone"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["a file in a folder of everybody", "a link", "a FIFO", "a folder"])
def test_what_is_not_roots_alone_gets_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "server"
    make = {
        "a link": lambda: path.symlink_to(tmp_path / "other"),
        "a FIFO": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
    }
    (tmp_path / "other").write_bytes(b"\x7fELF")
    make.get(kind, lambda: path.write_bytes(b"\x7fELF"))()
    tmp_path.chmod(0o777)
    done = program(str(path))
    assert (done.returncode, os.listxattr(path)) == (1, [])
    assert "is not for root alone to write: no capability" in done.stderr
    assert len(done.stderr.splitlines()) == 1


ROOTS = Inode(path=PATH, mode=0o755, uid=0, owner="root", group="root", members=())


@pytest.mark.parametrize(
    ("fields", "folder", "refused"),
    [
        ({}, {}, False),
        ({"uid": 33, "owner": "www-data"}, {}, True),
        ({"mode": 0o775}, {}, True),
        ({}, {"mode": 0o1777}, True),
        ({}, {"mode": 0o2775}, True),
    ],
)
def test_files_that_are_not_roots_alone_are_refused(fields: Any, folder: Any, refused: bool) -> None:
    found = ProgramFile(
        inode=ROOTS._replace(**fields),
        folders=(ROOTS._replace(path="/usr/bin", **folder),),
        executable=Executable(form="elf-dynamic"),
        nosuid=False,
    )
    assert ("is not for root alone" in keep.refusal(found)) is refused


class Keeper(FakeHost):
    """A machine with a systemd that knows the path unit, and starts it unless it is told not to."""

    starts = True
    active = False

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        if argv[1] == "show":
            state = "active" if self.active else "inactive"
            names = argv[argv.index("--") + 1 :]
            return self._said(argv, "\n".join(f"Id={name}\nActiveState={state}\n" for name in names))
        if argv[1] == "start":
            self.active = self.starts
        elif argv[1] == "stop":
            self.active = False
        elif argv[1] != "daemon-reload":
            return super().run(argv, seconds=seconds)
        return self._said(argv, "")


def apply(host: FakeHost, wanted: Desired) -> task.Applied:
    foreseen = task.apply(host, wanted, check_mode=True)
    assert task.apply(host, wanted, check_mode=False) == foreseen
    assert not task.apply(host, wanted, check_mode=True).changed
    return foreseen


def wanted(host: FakeHost) -> Desired:
    return keeping.kept(host, PATH, value=VALUE)


def kept() -> Keeper:
    host = Keeper()
    apply(host, wanted(host))
    return host


def test_units_come_and_go() -> None:
    host = Keeper()
    before = dict(host.files), dict(host.links)
    assert keeping.observe(host, PATH) == "no"
    assert len(apply(host, wanted(host)).diffs) == 3
    assert (host.active, keeping.observe(host, PATH)) == (True, "yes")
    assert apply(host, keep.unkept(PATH)).changed
    assert (host.active, keeping.observe(host, PATH)) == (False, "no")
    assert (host.files, host.links) == before


@pytest.mark.parametrize("lost", [UNITS.service_path, UNITS.watch_path, UNITS.link_path, "active", "value", "text"])
def test_units_that_do_not_work(lost: str) -> None:
    host = kept()
    host.files.pop(lost, None)
    host.links.pop(lost, None)
    if lost == "active":
        host.active = False
    elif lost == "value":
        host.files[UNITS.service_path] = UNITS.service.replace(VALUE.hex(), "00")
    elif lost == "text":
        host.files[UNITS.watch_path] += "\n"
    assert keeping.observe(host, PATH) == "in part"
    assert task.apply(host, keep.unkept(PATH), check_mode=True).changed
    assert apply(host, wanted(host)).changed


def test_what_a_killed_run_left_of_the_units() -> None:
    host = kept()
    host.files[temporaries(UNITS.watch_path)[0]] = "half"
    assert keeping.observe(host, PATH) == "in part"
    assert apply(host, wanted(host)).changed
    assert keeping.observe(host, PATH) == "yes"


def test_units_that_do_not_start_are_taken_back() -> None:
    host = Keeper()
    host.starts = False
    before = dict(host.files), dict(host.links)
    with pytest.raises(HostError, match="does not run; see systemctl status"):
        task.apply(host, wanted(host), check_mode=False)
    assert (host.files, host.links) == before


def test_where_nothing_can_be_kept() -> None:
    with pytest.raises(Refused, match="systemd does not run this host"):
        keeping.kept(FakeHost(programs=()), PATH, value=VALUE)
    with pytest.raises(Refused, match="plainer path"):
        keeping.kept(FakeHost(), "/opt/a b", value=VALUE)
    assert keep.unkept("/opt/a b") == Desired()
    with pytest.raises(Refused, match="was not written by this collection"):
        keeping.kept(FakeHost(files={UNITS.watch_path: "[Path]\n"}), PATH, value=VALUE)
