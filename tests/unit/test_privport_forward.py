# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What privport_forward does to a machine in memory, and how it takes back what fails."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import MARK
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    PrivportError,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.process.sockets import parse_ss
from ansible_collections.netbind.privport.plugins.module_utils._host import atomic
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.modules import privport_forward
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    PID,
    FakeHost,
    fixture,
    process_files,
    socket_links,
)

UNITS = "/etc/systemd/system"
PROXYD = "/usr/lib/systemd/systemd-socket-proxyd"
NAME = "privport-forward-web-80"
LINK = f"{UNITS}/plain.service.wants/{NAME}.service"
SS = fixture("ss-iproute2-6.1.txt")
INODES = [found.inode for found in parse_ss(SS) if found.port == 80]


class Machine(FakeHost):
    """A systemd that runs what has a file; failing begins the commands that fail, as often as failures says."""

    failing: Tuple[str, ...] = ()
    failures = 2

    def __init__(self, **fields: Any) -> None:
        files = {PROXYD: "", "/proc/net/if_inet6": "", "/usr/bin/haproxy": "", "/usr/bin/nginx": ""}
        programs = ("systemctl", "ss", "haproxy", "nginx")
        super().__init__(**{"programs": programs, **fields, "files": {**files, **fields.get("files", {})}})
        self.active: List[str] = []

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        if argv[0] == "ss" or argv[1] == "--version":
            return super().run(argv)
        if argv[1] == "show":
            names = argv[argv.index("--") + 1 :]
            states = {name: "active" if name in self.active else "inactive" for name in names}
            return self._said(
                argv,
                "\n".join(f"Id={name}\nActiveState={state}\nNeedDaemonReload=no\n" for name, state in states.items()),
            )
        self.ran.append(tuple(argv))
        if self.failing and argv[: len(self.failing)] == list(self.failing) and self.failures:
            self.failures -= 1
            return Completed(argv=tuple(argv), rc=1, stdout="", stderr="that fails")
        names = argv[argv.index("--") + 1 :] if "--" in argv else []
        if argv[1] == "start":
            self.active += [name for name in names if f"{UNITS}/{name}" in self.files]
        if argv[1] == "stop":
            self.active = [name for name in self.active if name not in names]
        return self._said(argv, "")

    @property
    def done(self) -> List[str]:
        return [" ".join(argv[1:]) for argv in self.ran if argv[0] == "systemctl" and argv[1] != "--version"]

    @property
    def made(self) -> List[str]:
        return sorted(path for path in (*self.files, *self.links) if "privport" in path and not path.endswith("/"))


def run(host: FakeHost, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    plain = {"name": "web", "ports": [80], "backend_ports": {80: 8080}, "families": [], "with": "proxyd"}
    more = {"unit": "plain.service", "restart": False, "state": "present"}
    return privport_forward.run({**plain, **more, **options}, host=host, check_mode=check_mode)


def installed(**options: Any) -> Machine:
    host = Machine()
    run(host, **options)
    host.ran.clear()
    return host


def test_a_text_that_ansible_split_at_its_commas_means_the_same() -> None:
    written = {"ports": ["80", " 81"], "backend_ports": {"80": "8080", "81": "8081"}, "families": ["ipv4", " ipv6"]}
    meant = {"ports": [80, 81], "backend_ports": {80: 8080, 81: 8081}, "families": ["ipv4", "ipv6"]}
    assert run(Machine(), check_mode=True, **written) == run(Machine(), check_mode=True, **meant)


def test_there_and_back() -> None:
    host = Machine()
    foreseen = run(host, check_mode=True)
    assert (host.made, host.done) == ([], [])
    done = run(host)
    assert done == foreseen
    assert (done["changed"], done["with"], done["restart_required"]) == (True, "proxyd", False)
    assert done["units"] == host.active == [f"{NAME}.socket", f"{NAME}.service"]
    assert sorted(done["paths"]) == host.made == [LINK, f"{UNITS}/{NAME}.service", f"{UNITS}/{NAME}.socket"]
    assert [it["after_header"] for it in done["diff"]] == done["paths"]
    again = run(host)
    assert (again["changed"], again["diff"]) == (False, [])
    gone = run(host, state="absent", ports=[])
    assert (gone["changed"], gone["with"], sorted(gone["paths"])) == (True, "", sorted(done["paths"]))
    assert (host.made, host.active) == ([], [])
    assert run(host, state="absent")["changed"] is False


def test_what_is_not_named_any_more_goes() -> None:
    host = installed(ports=[80, 81], backend_ports={80: 8080, 81: 8081})
    assert len(host.active) == 4
    run(host, ports=[81], backend_ports={81: 8081}, unit="")
    assert host.active == [f"{NAME[:-2]}81.socket", f"{NAME[:-2]}81.service"]
    assert host.made == [
        f"{UNITS}/multi-user.target.wants/{NAME[:-2]}81.service",
        f"{UNITS}/{NAME[:-2]}81.service",
        f"{UNITS}/{NAME[:-2]}81.socket",
    ]


def test_what_a_killed_run_left_of_a_first_file_goes() -> None:
    host = Machine()
    left = atomic.temporaries(f"{UNITS}/{NAME}.service")[0]
    host.files[left] = "half"
    assert run(host, state="absent", check_mode=True)["changed"] is True
    assert run(host, state="absent")["changed"] is True
    assert left not in host.files
    assert run(host, state="absent")["changed"] is False


def test_another_services_forwarder_stays() -> None:
    host = installed(name="web-80")
    run(host)
    run(host, state="absent", name="web-80")
    assert host.active == [f"{NAME}.socket", f"{NAME}.service"]


@pytest.mark.parametrize(
    ("program", "judged"),
    [
        ("haproxy", ("/usr/bin/haproxy", "-c", "-q", "-f", "/run/netbind.privport/trial/haproxy")),
        ("nginx", ("/usr/bin/nginx", "-t", "-q", "-c", "/run/netbind.privport/trial/nginx")),
    ],
)
def test_a_configuration_is_judged_before_it_is_put_in_force(program: str, judged: Tuple[str, ...]) -> None:
    host = installed()
    run(host, **{"with": program})
    commands = [argv for argv in host.ran if argv[1] != "--version"]
    assert commands.index(judged) < [argv[1] for argv in commands].index("stop")
    assert not [path for path in host.files if path.startswith("/run/netbind.privport/") and not path.endswith("/")]
    host.ran.clear()
    assert run(host, **{"with": program})["changed"] is False
    assert run(host, unit="other.service", **{"with": program})["changed"] is True
    assert judged not in host.ran


def test_a_configuration_that_is_refused_changes_nothing() -> None:
    host = installed()
    before, active = dict(host.files), list(host.active)
    host.failing = ("/usr/bin/haproxy",)
    with pytest.raises(Refused, match="haproxy refuses the configuration that it would get: that fails"):
        run(host, **{"with": "haproxy"})
    host.files.pop("/run/netbind.privport/trial/", None)
    assert (host.files, host.active) == (before, active)


@pytest.mark.parametrize("failing", ["daemon-reload", "start"])
def test_what_fails_leaves_nothing(failing: str) -> None:
    host = Machine()
    host.failing, host.failures = ("systemctl", failing), 1
    with pytest.raises(HostError, match="that fails"):
        run(host)
    assert (host.made, host.active) == ([], [])


HOLDING = {
    "files": process_files(pid=PID, unit="plain.service"),
    "links": socket_links(INODES),
    "sockets": SS,
}


def test_a_port_that_the_service_holds_is_taken_over_with_its_restart() -> None:
    host = Machine(**HOLDING)
    foreseen = run(host, check_mode=True)
    done = run(host)
    assert done == foreseen
    assert (done["restart_required"], done["units"], host.active) == (True, [], [])
    assert LINK in host.links
    assert run(host)["changed"] is False


def held_by_systemd(**fields: Any) -> Machine:
    """systemd holds the port for a socket unit, and nobody has taken the socket yet."""
    held = {"files": process_files(pid="1", uid=0, unit="init.scope"), "links": socket_links(INODES, pid="1")}
    return Machine(**held, sockets=SS, **fields)


def test_a_port_that_systemd_holds_for_the_service_is_taken_over_with_its_restart() -> None:
    assert run(held_by_systemd())["restart_required"] is True
    with pytest.raises(Refused, match="port 80 is held by pid 1 "):
        run(held_by_systemd(), unit="")


def test_a_port_that_systemd_holds_for_the_forwarder_is_there_already() -> None:
    host = held_by_systemd()
    there = installed()
    host.files.update(there.files)
    host.links.update(there.links)
    host.modes.update(there.modes)
    host.active = there.active
    again = run(host)
    assert (again["changed"], again["restart_required"]) == (False, False)


@pytest.mark.parametrize("unit", ["", "other.service"])
def test_a_port_that_somebody_else_holds_is_refused(unit: str) -> None:
    host = Machine(**HOLDING)
    with pytest.raises(
        Refused, match=r"port 80 is held by pid 105 .*plain\.service\); stop that first, or name its unit"
    ):
        run(host, unit=unit)
    assert host.made == []


def test_the_service_takes_the_port_back_with_one_restart() -> None:
    host = installed()
    run(host, state="absent", restart=True)
    stops = [f"stop -- {NAME}.{it}" for it in ("socket", "service")]
    assert host.done[:4] == ["daemon-reload", *stops, "--no-block restart -- plain.service"]
    assert (host.made, host.active) == ([], [])
    host.ran.clear()
    assert run(host, state="absent", restart=True)["changed"] is False
    assert host.done == []


def test_a_restart_for_which_nothing_runs() -> None:
    host = installed()
    host.active.clear()
    run(host, state="absent", restart=True)
    assert host.done[:2] == ["daemon-reload", "--no-block restart -- plain.service"]


@pytest.mark.parametrize("failing", [("systemctl", "stop"), ("systemctl", "--no-block")])
def test_a_port_that_is_not_taken_back_stays_forwarded(failing: Tuple[str, ...]) -> None:
    host = installed()
    made = host.made
    host.failing, host.failures = failing, 1
    with pytest.raises(HostError, match="that fails"):
        run(host, state="absent", restart=True)
    assert (host.made, sorted(host.active)) == (made, [f"{NAME}.service", f"{NAME}.socket"])


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"name": " "}, InvalidInput, "name is empty"),
        ({"ports": []}, InvalidInput, "ports is empty"),
        ({"ports": ["http"]}, InvalidInput, "ports holds 'http'"),
        ({"families": ["ipx"]}, InvalidInput, "families is 'ipx'; choose one of ipv4, ipv6"),
        ({"ports": ["80/udp"]}, Refused, "strategy redirect takes UDP too"),
        ({"backend_ports": {}}, Refused, "backend_ports names no port for 80"),
        ({"backend_ports": {80: "x"}}, InvalidInput, "backend_ports holds 'x'"),
        ({"backend_ports": {80: "localhost:1"}}, InvalidInput, "write an address as 127.0.0.1:8080"),
        ({"ports": [443], "backend_ports": {443: 8443}, "with": "nginx"}, Refused, "nginx would have to end TLS"),
        ({"with": "socat"}, Refused, "install the package socat"),
        ({"unit": "a.socket"}, InvalidInput, "unit is 'a.socket'"),
    ],
)
def test_an_error_is_one_sentence(options: dict[str, Any], error: type[PrivportError], said: str) -> None:
    host = Machine()
    with pytest.raises(error, match=said):
        run(host, **options)
    assert host.made == []


def test_what_others_wrote_is_not_replaced() -> None:
    host = Machine(files={f"{UNITS}/{NAME}.service": "[Service]\n"})
    with pytest.raises(Refused, match="was not written by this collection"):
        run(host)
    assert run(host, state="absent")["changed"] is False


def test_a_host_without_systemd_has_none() -> None:
    host = Machine()
    del host.files["/run/systemd/system/"]
    with pytest.raises(Refused, match="neither systemd nor sysv-rc runs this host"):
        run(host)
    assert run(host, state="absent")["changed"] is False


def test_a_host_without_ipv6_is_reached_by_the_other() -> None:
    host = Machine()
    del host.files["/proc/net/if_inet6"]
    run(host)
    text = host.files[f"{UNITS}/{NAME}.socket"]
    assert text.startswith(MARK)
    assert "ListenStream=0.0.0.0:80" in text
    assert "[::]" not in text
