# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts of the collection's own come, change and go on a machine in memory that systemd does not run."""

from __future__ import annotations

import re
import subprocess
from typing import Any, List, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import managed, own_units, undo
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import SCRIPT_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, Entry
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.undo import FORMAT, Before
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.process.sockets import parse_ss
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe
from ansible_collections.netbind.privport.plugins.modules import privport_forward
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    PID,
    FakeHost,
    fixture,
    proc_status,
    process_files,
    socket_links,
)

NAME = "privport-forward-web-80"
SCRIPT, LINK, PID_FILE = f"/etc/init.d/{NAME}", f"/etc/rc2.d/S03{NAME}", f"/run/{NAME}.pid"
SS = fixture("ss-iproute2-6.1.txt")
HELD = {
    "links": socket_links([found.inode for found in parse_ss(SS) if found.port == 80]),
    "sockets": SS,
}


class Machine(FakeHost):
    """A sysv-rc whose daemons have the same process; failing is the verb of the command that fails."""

    failing = ""
    failures = 1

    def __init__(self, **fields: Any) -> None:
        files = {"/etc/init.d/rc": "", "/proc/1/comm": "init\n", "/usr/bin/socat": "", **fields.pop("files", {})}
        super().__init__(files=files, programs=("socat", "ss"), **fields)
        del self.files["/run/systemd/system/"]

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        if argv[0] == "ss":
            return self._said(argv, self.ss)
        self.ran.append(tuple(argv))
        if argv[-1] == self.failing and self.failures:
            self.failures -= 1
            return Completed(argv=tuple(argv), rc=1, stdout="", stderr=f"{self.failing} fails")
        if argv[-1] == "defaults":
            self.links[LINK] = f"../init.d/{NAME}"
        elif argv[-1] == "remove":
            self.links.pop(LINK, None)
        elif argv[-1] == "start" and argv[0] in self.files:
            self.files[PID_FILE] = f"{PID}\n"
            self.files[f"/proc/{PID}/status"] = re.sub("^Name:.*", "Name:\tsocat", proc_status())
        elif argv[-1] == "stop":
            self.files.pop(PID_FILE, None)
        return self._said(argv, "")

    @property
    def did(self) -> List[str]:
        return [" ".join(argv) for argv in self.ran]

    @property
    def made(self) -> List[str]:
        return sorted(path for path in (*self.files, *self.links) if NAME[:-3] in path)


def run(host: FakeHost, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    plain = {"name": "web", "ports": [80], "backend_ports": {80: 8080}, "families": [], "with": None}
    more = {"unit": "", "restart": False, "state": "present"}
    return privport_forward.run({**plain, **more, **options}, host=host, check_mode=check_mode)


def installed() -> Machine:
    host = Machine()
    run(host)
    host.ran.clear()
    return host


COME = [f"update-rc.d {NAME} defaults", f"{SCRIPT} start"]
GO = [f"{SCRIPT} stop", f"update-rc.d -f {NAME} remove"]


def test_there_and_back() -> None:
    host = Machine()
    foreseen = run(host, check_mode=True)
    assert (host.made, host.did) == ([], [])
    done = run(host)
    assert done == foreseen
    assert (done["changed"], done["with"], done["units"], done["paths"]) == (True, "socat", [NAME], [SCRIPT])
    assert (host.made, host.modes[SCRIPT]) == ([SCRIPT, LINK, PID_FILE], 0o755)
    assert host.did == COME
    again = run(host)
    assert (again["changed"], again["diff"]) == (False, [])
    host.ran.clear()
    run(host, state="absent", ports=[])
    assert (host.made, host.did) == ([], GO)
    assert run(host, state="absent")["changed"] is False


def test_the_script_is_right_for_every_shell() -> None:
    host = Machine()
    run(host, backend_ports={80: "[::1]:8080"})
    subprocess.run(["shellcheck", "--shell=sh", "-"], input=host.files[SCRIPT], text=True, check=True)


@pytest.mark.parametrize(
    ("lost", "did"),
    [(SCRIPT, COME), (LINK, COME), (PID_FILE, COME), ("mode", [GO[0], *COME])],
)
def test_what_is_incomplete_is_made_whole(lost: str, did: List[str]) -> None:
    host = installed()
    host.files.pop(lost, None)
    host.links.pop(lost, None)
    if lost == "mode":
        host.modes[SCRIPT] = 0o644
    assert run(host)["changed"] is True
    assert host.did == did
    assert run(host)["changed"] is False


@pytest.mark.parametrize("lost", [LINK, PID_FILE])
def test_what_is_half_there_goes(lost: str) -> None:
    host = installed()
    host.files.pop(lost, None)
    host.links.pop(lost, None)
    assert run(host, state="absent")["changed"] is True
    assert host.made == []


@pytest.mark.parametrize("failing", ["defaults", "start"])
def test_what_fails_leaves_nothing(failing: str) -> None:
    host = Machine()
    host.failing = failing
    with pytest.raises(HostError, match=f"{failing} fails"):
        run(host)
    assert host.made == []


def test_a_daemon_that_is_gone_at_once_is_told() -> None:
    class Silent(Machine):
        def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
            return self._said(argv, "")

    host = Silent()
    with pytest.raises(HostError, match=f"{NAME} does not run; see what it wrote to the system log"):
        run(host)
    assert host.made == []


def test_a_number_that_another_process_has_since_is_no_daemon() -> None:
    host = installed()
    host.files[f"/proc/{PID}/status"] = proc_status()
    assert own_units.daemons(host, [NAME]) == ()
    host.files[PID_FILE] = "x"
    assert own_units.daemons(host, [NAME]) == ()


def test_a_port_that_its_daemon_holds_is_there_already() -> None:
    there = installed()
    host = Machine(**HELD)
    host.files.update({**process_files(unit=""), **there.files})
    host.links.update(there.links)
    again = run(host)
    assert (again["changed"], again["restart_required"]) == (False, False)


def test_a_port_that_somebody_else_holds_is_refused() -> None:
    host = Machine(files=process_files(unit=""), **HELD)
    with pytest.raises(Refused, match=r"port 80 is held by pid 105 .*; stop that first$"):
        run(host)
    assert host.made == []


@pytest.mark.parametrize("lacking", ["/etc/init.d/rc", "/proc/1/comm"])
def test_where_no_boot_would_run_the_script(lacking: str) -> None:
    host = Machine()
    host.files[lacking] = "sshd\n"
    if lacking == "/etc/init.d/rc":
        del host.files[lacking]
    with pytest.raises(Refused, match="neither systemd nor sysv-rc runs this host"):
        run(host)
    assert run(host, state="absent")["changed"] is False


RUNIT = {"/proc/1/comm": "runit\n", "/lib/runit/run_sysv_scripts": ""}


def test_runit_starts_such_scripts_as_well() -> None:
    host = Machine(files=RUNIT)
    assert own_units.runs_scripts(host)
    host.files["/etc/runit/no.emulate.sysv"] = ""
    assert not own_units.runs_scripts(host)


SERVICES = parse_services(
    [{"name": "web", "ports": [80], "executable": "/usr/bin/python3", "user": "web", "backend_ports": {80: 8080}}]
)


@pytest.mark.parametrize("before", ["nothing", "the script"])
def test_an_undo_brings_back_what_was_there(before: str) -> None:
    host = Machine() if before == "nothing" else installed()
    was = list(host.made)
    held = Desired(entries=(Entry(f"{SCRIPT_FOLDER}/{NAME}"),), running=(NAME,))
    taken = Before(format=FORMAT, state=managed.look(host, [held]), units=(), held=())
    run(host, state="present" if before == "nothing" else "absent")
    assert host.made != was
    restored = undo.restore(host, taken, seconds=0)
    assert (restored.left, host.made) == ((), was)
    assert f"{'stopped' if before == 'nothing' else 'started'} {NAME}" in restored.done


def test_it_is_observed() -> None:
    (facts,) = observe(installed(), SERVICES).services
    found = facts.installed["forward"]
    assert (found.units, found.active, found.daemons) == ((NAME,), (NAME,), (int(PID),))
