# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a machine, how often, and what its answers are taken for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, List

import pytest
from ansible_collections.netbind.privport.plugins.module_utils import _observe as observing
from ansible_collections.netbind.privport.plugins.module_utils import _processes as processes
from ansible_collections.netbind.privport.plugins.module_utils import _units as units
from ansible_collections.netbind.privport.plugins.module_utils._core.errors import (
    HostError,
    InvalidInput,
    Refused,
    UnknownFormat,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model import (
    Observation,
    ServiceFacts,
    SocketUnit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.sockets import parse_ss
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import boot_start
from ansible_collections.netbind.privport.plugins.module_utils._core.unit import Command, render_ambient
from ansible_collections.netbind.privport.plugins.module_utils._host import Completed, Host
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    DROPIN,
    PID,
    FakeHost,
    captured_sockets,
    captured_unit,
    fixture,
    proc_status,
    process_files,
    socket_links,
)

SS = fixture("ss-iproute2-6.1.txt")
INODES = [found.inode for found in parse_ss(SS) if found.port == 80]
TABLES = {f"/proc/net/{name}": fixture(f"proc-net-{name}-linux6.18.txt") for name in ("tcp", "tcp6", "udp", "udp6")}
PLAIN = {**captured_unit("plain.service"), "MainPID": PID}
UNIT_FILE = {"/etc/systemd/system/plain.service": "[Service]\nUser=web\nExecStart=-/usr/bin/python3 /srv/a.py\n"}
OURS = render_ambient(capabilities=["cap_net_bind_service"])


def machine(**fields: Any) -> FakeHost:
    """A machine on which plain.service holds its sockets."""
    files = {**UNIT_FILE, **process_files(), **fields.pop("files", {})}
    links = {**socket_links(INODES), **fields.pop("links", {})}
    return FakeHost(**{"units": [PLAIN], "sockets": SS, **fields, "files": files, "links": links})


def observe(host: Host, **description: Any) -> Observation:
    service = {"name": "web", "ports": [80], "unit": "plain.service", **description}
    return observing.observe(host, parse_services([service]))


def only(host: Host, **description: Any) -> ServiceFacts:
    return observe(host, **description).services[0]


class Closed(FakeHost):
    """There is such a unit file, but it cannot be read."""

    def read(self, path: str) -> Any:
        return None if path in UNIT_FILE else super().read(path)


@pytest.mark.parametrize(
    ("kind", "files", "reason"),
    [
        (FakeHost, {}, None),
        (Closed, {}, "/etc/systemd/system/plain.service cannot be read"),
        (
            FakeHost,
            {"/etc/systemd/system/plain.service": "[Service]\nExecStart=/bin/a\nthis is no setting\n"},
            "the unit file line 'this is no setting' is neither a section nor a setting",
        ),
    ],
    ids=["a plain file", "a closed file", "a line that systemd ignores"],
)
def test_unit_files_that_cannot_be_read(kind: Any, files: Any, reason: Any) -> None:
    host = kind(files={**UNIT_FILE, **process_files(), **files}, units=[PLAIN])
    found = only(host)
    assert found.unit is not None
    assert found.unread.get("unit") == reason
    assert bool(found.unit.commands) is (reason is None)


def test_a_dropin_that_is_gone_says_nothing() -> None:
    assert "unit" not in only(machine(units=[{**PLAIN, "DropInPaths": "/run/gone.conf"}])).unread


NETNS = "/run/netns/inside"
STARTS_AT_80 = {"/proc/sys/net/ipv4/ip_unprivileged_port_start": "80\n"}
RANGE = {"/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n"}


def in_network(**properties: str) -> Any:
    return {**PLAIN, "MainPID": "0", **properties}


@pytest.mark.parametrize(
    ("unit", "networks", "expected"),
    [
        pytest.param(in_network(), {}, (True, "", 1024), id="the host's"),
        pytest.param(
            in_network(NetworkNamespacePath=NETNS), {NETNS: STARTS_AT_80}, (False, NETNS, 80), id="by its setting"
        ),
        pytest.param(in_network(NetworkNamespacePath=NETNS), {}, (False, NETNS, None), id="not made yet"),
        pytest.param(in_network(PrivateNetwork="yes"), {}, (False, "", None), id="made when it starts"),
        pytest.param(
            {**PLAIN, "PrivateNetwork": "yes"},
            {"/proc/105/ns/net": STARTS_AT_80},
            (False, "/proc/105/ns/net", 80),
            id="by its process",
        ),
        pytest.param(PLAIN, {"/proc/105/ns/net": {}}, (False, "/proc/105/ns/net", 1024), id="by its process alone"),
        pytest.param(
            in_network(), {"/proc/1/ns/net": STARTS_AT_80}, (False, "/proc/1/ns/net", 80), id="we are elsewhere"
        ),
    ],
)
def test_the_network_that_a_service_runs_in(unit: Any, networks: Any, expected: Any) -> None:
    found = only(machine(units=[unit], networks=networks, files=RANGE)).network
    assert (found.is_host, found.path, found.unprivileged_port_start) == expected
    assert found.local_port_range == (None if expected[2] is None else (32768, 60999))


def test_listeners_are_asked_once_in_each_network() -> None:
    units = [in_network(Id=name, NetworkNamespacePath=path) for name, path in (("a.service", NETNS), ("b.service", ""))]
    host = machine(units=units, networks={NETNS: {}})
    entered: List[str] = []

    def run(argv: Any, *, seconds: float = 0) -> Completed:
        entered.extend([host.inside] if argv[0] == "ss" else [])
        return FakeHost.run(host, argv)

    host.run = run  # type: ignore[method-assign]
    services = [
        {"name": f"{unit}{port}", "unit": f"{unit}.service", "ports": [port]}
        for unit in "ab"
        for port in (80, 443, 8080)
    ]
    # Ports belong to one service each.
    observing.observe(host, parse_services([{**it, "state": "absent"} for it in services]))
    assert sorted(entered) == ["", NETNS]


SOCKETS = captured_sockets()


@pytest.mark.parametrize(
    ("unit", "port", "names"),
    [
        ("handed", 80, ["handed.socket"]),
        ("handed", 81, ["handed.socket", "inetd.socket"]),
        ("handed", 443, ["handed.socket"]),
        ("plain", 80, ["handed.socket"]),
        ("plain", "83/udp", ["handed.socket"]),
        ("plain", 83, []),
        ("plain", 84, ["idle.socket"]),
    ],
)
def test_socket_units_of_the_unit_and_of_its_ports(unit: str, port: Any, names: Any) -> None:
    host = machine(units=[PLAIN, {**PLAIN, "Id": "handed.service"}, *SOCKETS])
    assert [it.name for it in only(host, ports=[port], unit=unit).sockets] == names


@pytest.mark.parametrize("systemd", [247, 252, 257])
def test_what_is_seen_of_a_socket_unit(systemd: int) -> None:
    sockets = {it.name: it for it in units.sockets(machine(units=captured_sockets(systemd=systemd)), [])}
    assert sockets.pop("systemd-journald.socket").ports == ()
    assert sockets == {
        "handed.socket": SocketUnit(
            name="handed.socket",
            active=True,
            enabled=False,
            accept=False,
            ports=("80", "81", "82", "83/udp"),
            triggers=("handed.service",),
        ),
        "inetd.socket": SocketUnit(
            name="inetd.socket", active=True, enabled=False, accept=True, ports=("81",), triggers=()
        ),
        "idle.socket": SocketUnit(
            name="idle.socket", active=False, enabled=True, accept=False, ports=("84",), triggers=("idle.service",)
        ),
    }


def test_a_socket_unit_that_the_next_boot_loads() -> None:
    host = machine(units=[{**PLAIN, "Id": "idle.service"}, *SOCKETS])
    host.not_loaded = ("idle.socket",)
    assert [it.name for it in only(host, ports=[84], unit="idle").sockets] == ["idle.socket"]
    assert only(host, ports=[84], unit=None).sockets == ()


def test_a_service_with_a_socket_unit_has_systemds_network() -> None:
    unit = in_network(Id="handed.service", PrivateNetwork="yes")
    assert only(machine(units=[unit, *SOCKETS]), unit="handed.service").network.is_host


@pytest.mark.parametrize("count", [1, 2, 20])
def test_systemctl_show_runs_once_for_all_services(count: int) -> None:
    host = machine()
    services = [{"name": f"web{n}", "ports": [2000 + n], "unit": f"web@{n}"} for n in range(count)]
    found = observing.observe(host, parse_services(services))
    shows = [argv for argv in host.ran if argv[:2] == ("systemctl", "show")]
    assert len(shows) == 2
    assert shows[1][shows[1].index("--") + 1 :] == (
        "*.socket",
        *(f"web@{n}.socket" for n in sorted(range(count), key=str)),
    )
    assert len([argv for argv in host.ran if argv[0] == "ss"]) == 1
    assert shows[0][shows[0].index("--") + 1 :] == tuple(sorted(f"web@{n}.service" for n in range(count)))
    assert [facts.unit.name for facts in found.services if facts.unit] == [f"web@{n}.service" for n in range(count)]


def test_two_services_of_one_unit_ask_for_it_once() -> None:
    host = machine()
    services = [{"name": name, "ports": [port], "unit": "plain"} for name, port in (("a", 80), ("b", 443))]
    assert [facts.unit.name for facts in observing.observe(host, parse_services(services)).services if facts.unit] == [
        "plain.service",
        "plain.service",
    ]


def test_without_units_systemctl_shows_sockets_alone() -> None:
    host = machine()
    observe(host, unit=None)
    assert [argv[-1] for argv in host.ran if argv[:2] == ("systemctl", "show")] == ["*.socket"]


def test_a_unit_and_its_process() -> None:
    unit = only(machine()).unit
    assert unit is not None
    assert unit.commands == (Command("-", "/usr/bin/python3 /srv/a.py"),)
    assert (unit.user, unit.runs, unit.dropin_strategy, unit.dropin_text) == ("web", True, "", "")
    assert unit.process is not None
    assert (unit.process.pid, unit.process.unit, unit.process.executable) == (
        105,
        "plain.service",
        "/usr/bin/python3.11",
    )
    assert unit.process.status.ambient == ("cap_net_bind_service",)


def test_of_the_environment_only_the_loaders_names_are_kept() -> None:
    shown = {**PLAIN, "Environment": 'PASSWORD=secret LD_LIBRARY_PATH=/opt "LD_PRELOAD=a b"'}
    unit = only(machine(units=[shown])).unit
    assert unit is not None
    assert unit.properties["Environment"] == "LD_LIBRARY_PATH LD_PRELOAD"


@pytest.mark.parametrize("name", ["missing.service", "masked.service", "broken.service"])
def test_units_that_cannot_run_are_observed(name: str) -> None:
    unit = only(machine(units=[captured_unit(name)]), unit=name).unit
    assert unit is not None
    assert (unit.name, unit.process, unit.commands, unit.runs) == (name, None, (), False)


def test_our_dropin_is_read_and_its_command_left_out() -> None:
    text = "# Managed by netbind.privport (authbind)\n[Service]\nExecStart=\nExecStart=/x\n"
    unit = only(machine(units=[{**PLAIN, "DropInPaths": DROPIN}], files={DROPIN: text})).unit
    assert unit is not None
    assert (unit.dropin_strategy, unit.dropin_text) == ("authbind", text)
    assert unit.commands == (Command("-", "/usr/bin/python3 /srv/a.py"),)


@pytest.mark.parametrize(
    ("programs", "files", "systemd"),
    [
        (("systemctl", "ss"), {}, 252),
        (("ss",), {}, None),
    ],
)
def test_systemd(programs: Any, files: Any, systemd: Any) -> None:
    assert observe(machine(programs=programs, files=files)).systemd == systemd


def test_a_machine_that_systemd_does_not_run() -> None:
    host = machine()
    del host.files["/run/systemd/system/"]
    found = observe(host)
    assert (found.systemd, found.services[0].unit, host.ran) == (None, None, [host.ran[0]])
    assert host.ran[0][0] == "ss"


def test_an_answer_for_too_few_units() -> None:
    class Short(FakeHost):
        def run(self, argv: Any, *, seconds: float = 0) -> Completed:
            return Completed(argv=tuple(argv), rc=0, stdout="Id=a.service\n", stderr="")

    with pytest.raises(HostError, match=r"answered for 1 of the units a\.service, b\.service"):
        units.show(Short(), ["a.service", "b.service"])


@pytest.mark.parametrize(
    ("text", "kernel", "start"),
    [
        ("1024\n", "6.1.0", 1024),
        ("0\n", "6.1.0", 0),
        (None, "4.10.0-42", 1024),
        (None, "3.10.0-1160.el7", 1024),
        (None, "4.11.0", None),
        (None, "of another kind", None),
    ],
)
def test_the_first_port_for_everybody(text: Any, kernel: str, start: Any) -> None:
    host = machine()
    host.kernel = kernel
    path = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
    host.files.pop(path)
    host.files.update({path: text} if text else {})
    assert observe(host).unprivileged_port_start == start


def test_the_first_port_is_a_number() -> None:
    with pytest.raises(UnknownFormat, match="'many'"):
        observe(machine(files={"/proc/sys/net/ipv4/ip_unprivileged_port_start": "many"}))


def test_owners_are_found_by_inode_whatever_the_name_says() -> None:
    # The comm of the process imitates pid 1, which exists and holds nothing.
    host = machine(files=process_files(pid="1", uid=0, unit="init.scope"))
    found = only(host).listeners
    assert [(it.protocol, it.address, it.port, it.v6only) for it in found] == [
        ("tcp", "127.0.0.1", 80, False),
        ("tcp", "::1", 80, True),
    ]
    assert [[owner.pid for owner in it.owners] for it in found] == [[105], [105]]
    assert found[0].owners[0].status.name == 'x",pid=1,fd=3))'
    assert all(it.owners_known for it in found)


def test_a_socket_with_two_owners() -> None:
    host = machine(files=process_files(pid="7", unit="other.service"), links=socket_links(INODES[:1], pid="7"))
    assert [[owner.unit for owner in it.owners] for it in only(host).listeners] == [
        ["plain.service", "other.service"],
        ["plain.service"],
    ]


def test_a_process_that_is_gone_again() -> None:
    host = machine(links=socket_links(INODES, pid="7"))
    assert [[owner.pid for owner in it.owners] for it in only(host).listeners] == [[105], [105]]


@pytest.mark.parametrize(
    ("uid", "links", "known"),
    [
        pytest.param(0, {}, True, id="root sees that nobody holds it"),
        pytest.param(1000, {}, False, id="a user cannot tell"),
        pytest.param(1000, socket_links(INODES), True, id="a user sees his own"),
    ],
)
def test_whether_owners_are_known(uid: int, links: Any, known: bool) -> None:
    host = FakeHost(files={**UNIT_FILE, **process_files()}, links=links, units=[PLAIN], sockets=SS, uid=uid)
    assert {it.owners_known for it in only(host).listeners} == {known}


def test_ss_is_asked_for_the_ports_alone_and_never_for_names() -> None:
    host = machine()
    observe(host, ports=[443, 80, "443/udp"])
    (asked,) = [argv for argv in host.ran if argv[0] == "ss"]
    assert asked[-1] == "sport = :80 or sport = :443"
    assert not [word for word in asked[1:-1] if "p" in word]


def test_other_ports_and_protocols_do_not_count() -> None:
    assert {(it.protocol, it.port) for it in only(machine(), ports=["443/udp"]).listeners} == {("udp", 443)}
    assert only(machine(), ports=[4430]).listeners == ()


def test_without_ss_the_kernels_tables_are_read_and_that_is_said() -> None:
    host = machine(programs=("systemctl",), files=TABLES)
    found = observe(host)
    assert found.socket_source == "/proc/net"
    assert observe(machine()).socket_source == "ss"
    assert [argv for argv in host.ran if argv[0] == "ss"] == []
    assert [(it.address, [owner.pid for owner in it.owners]) for it in found.services[0].listeners] == [
        ("127.0.0.1", [105]),
        ("::1", [105]),
    ]


def test_without_proc_net_nothing_listens() -> None:
    assert only(machine(programs=("systemctl",))).listeners == ()


@pytest.mark.parametrize(
    ("maps", "expected"),
    [("7f00 r-xp 0 0 0 /usr/lib/authbind/libauthbind.so.1\n", True), ("7f00 r-xp 0 0 0 /bin/a\n", False), (None, None)],
)
def test_whether_authbind_is_mapped(maps: Any, expected: Any) -> None:
    host = machine()
    host.files.pop(f"/proc/{PID}/maps")
    host.files.update({f"/proc/{PID}/maps": maps} if maps else {})
    found = processes.read_process(host, 105)
    assert found is not None
    assert found.authbind is expected


def test_threads_that_differ_are_told_and_one_that_ends_is_left_out() -> None:
    folder = f"/proc/{PID}/task"
    host = machine(
        files={
            f"{folder}/106/status": proc_status(),
            f"{folder}/107/status": proc_status(caps="0"),
            f"{folder}/108/status": proc_status(uid=0),
            f"{folder}/109/stat": "",
            f"{folder}/110/status": "",
        }
    )
    found = processes.read_process(host, 105)
    assert found is not None
    assert found.threads == 4
    assert [(it.tid, it.status.uid, it.status.effective) for it in found.unlike] == [
        (107, 990, ()),
        (108, 0, ("cap_net_bind_service",)),
    ]


@pytest.mark.parametrize(
    ("links", "executable", "replaced"),
    [
        ({}, "/usr/bin/python3.11", False),
        ({f"/proc/{PID}/exe": "/usr/bin/python3.11 (deleted)"}, "/usr/bin/python3.11", True),
        ({f"/proc/{PID}/exe": None}, "", None),
    ],
    ids=["the same", "replaced", "closed to us"],
)
def test_the_file_that_a_process_executes(links: Any, executable: str, replaced: Any) -> None:
    host = machine(links=links)
    host.links = {path: target for path, target in host.links.items() if target}
    found = processes.read_process(host, 105)
    assert found is not None
    assert (found.executable, found.replaced) == (executable, replaced)


def test_whether_two_paths_are_one_file(tmp_path: Path) -> None:
    file, link, other = tmp_path / "file", tmp_path / "link", tmp_path / "other"
    file.touch()
    other.touch()
    link.symlink_to(file)
    assert Host().same_file(str(link), str(file)) is True
    assert Host().same_file(str(file), str(other)) is False
    assert Host().same_file(str(file), str(tmp_path / "gone")) is False
    assert Host().same_file(str(tmp_path / "gone"), str(file)) is None


@pytest.mark.parametrize(
    ("description", "name"), [({}, "web"), ({"user": "990"}, "web"), ({"user": "ghost"}, None), ({"unit": None}, None)]
)
def test_the_account(description: Any, name: Any) -> None:
    account = only(machine(), **description).account
    assert (account.name if account else None) == name


def test_a_program_that_is_not_there() -> None:
    found = only(machine(), executable="/srv/missing")
    assert (found.program, found.unread) == (None, {})


def test_a_program_that_cannot_be_looked_at() -> None:
    found = only(machine(files={"/srv/x": ""}), executable="/srv/x")
    assert (found.program, found.unread) == (None, {"program": "/srv/x cannot be opened: this machine has no programs"})


def test_a_real_program(tmp_path: Path) -> None:
    file = tmp_path / "my server"
    shutil.copy("/bin/true", file)
    link = tmp_path / "link"
    link.symlink_to(file)
    found = only(Host(), unit=None, executable=str(link)).program
    assert found is not None
    assert (found.path, found.real_path, found.form) == (str(link), str(file), "elf-dynamic")
    assert (found.capability, found.binds, found.uid) == (None, False, os.geteuid())


def plan(host: FakeHost, wanted: str = OURS, strategy: str = "ambient") -> units.Dropin:
    return units.plan_dropin(host, unit="plain.service", dropin="50-privport", strategy=strategy, wanted=wanted)


@pytest.mark.parametrize(
    ("before", "wanted", "strategy", "after"),
    [
        pytest.param("", OURS, "ambient", OURS, id="new"),
        pytest.param(OURS, OURS, "ambient", OURS, id="as it is to be"),
        pytest.param(OURS, "", "ambient", "", id="removed"),
        pytest.param(OURS, "", "authbind", OURS, id="another strategy's is not removed"),
        pytest.param("[Service]\n", "", "ambient", "[Service]\n", id="somebody else's is not removed"),
        pytest.param("", "", "ambient", "", id="nothing to remove"),
    ],
)
def test_plan_of_the_dropin(before: str, wanted: str, strategy: str, after: str) -> None:
    found = plan(machine(files={DROPIN: before} if before else {}), wanted, strategy)
    assert (found.path, found.before, found.after, found.changed) == (DROPIN, before, after, before != after)


@pytest.mark.parametrize(
    ("files", "links"),
    [({DROPIN: "[Service]\nNice=1\n"}, {}), ({DROPIN: ""}, {}), ({}, {DROPIN: "/dev/null"})],
    ids=["a drop-in", "an empty file", "a link to nowhere"],
)
def test_somebody_elses_file_is_refused(files: Any, links: Any) -> None:
    host = machine(files=files, links=links)
    with pytest.raises(Refused, match="was not written by this collection"):
        plan(host)
    assert host.wrote == []


def test_a_dropin_that_does_not_come_into_force_is_taken_back() -> None:
    host = machine(overridden=True)
    with pytest.raises(HostError, match="was taken back"):
        units.install_dropin(
            host, plan(host), unit="plain.service", in_force=lambda it: bool(it["AmbientCapabilities"])
        )
    assert DROPIN not in host.files
    assert host.ran[-1] == ("systemctl", "daemon-reload")


def test_a_dropin_that_systemd_does_not_read_is_taken_back() -> None:
    class Failing(FakeHost):
        def _reload(self) -> str:
            raise HostError("systemctl daemon-reload failed")

    host = Failing(files=UNIT_FILE, units=[PLAIN])
    with pytest.raises(HostError, match="daemon-reload failed"):
        units.install_dropin(host, plan(host), unit="plain.service", in_force=lambda it: True)
    assert host.wrote == [DROPIN]
    assert DROPIN not in host.files


@pytest.mark.parametrize(
    ("name", "state", "sentence"),
    [
        ("missing.service", "present", "does not exist on this host"),
        ("masked.service", "present", "which is masked"),
        ("broken.service", "present", "which is bad-setting"),
    ],
)
def test_units_that_cannot_be_changed(name: str, state: str, sentence: str) -> None:
    host = machine(units=[captured_unit(name)])
    with pytest.raises(InvalidInput, match=sentence):
        units.show_unit(host, name, state=state)
    assert units.show_unit(host, name, state="absent")["Id"] == name


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({}, None),
        ({"/etc/sysctl.d/a.conf": "net.ipv4.ip_unprivileged_port_start = 80\n"}, 80),
        ({"/etc/sysctl.d/a.conf.off": "net.ipv4.ip_unprivileged_port_start = 80\n"}, None),
        ({"/etc/sysctl.d/a.conf": "net.ipv4.ip_unprivileged_port_start = many\n"}, None),
    ],
)
def test_the_first_port_for_everybody_after_a_boot(files: Any, start: Any) -> None:
    assert boot_start(observe(machine(files=files))) == start


@pytest.mark.parametrize(("files", "container"), [({}, False), ({"/run/systemd/container": "podman"}, True)])
def test_whether_the_host_is_a_container(files: Any, container: bool) -> None:
    assert observe(machine(files=files)).container is container


def test_the_files_that_grant_the_capability() -> None:
    runtime = "/run/systemd/system/plain.service.d/a.conf"
    text = "[Service]\nAmbientCapabilities=CAP_CHOWN CAP_NET_BIND_SERVICE\n"
    host = machine(units=[{**PLAIN, "DropInPaths": runtime}], files={runtime: text})
    unit = only(host).unit
    assert unit is not None
    assert unit.capability_files == (runtime,)


def test_a_unit_with_a_line_that_systemd_ignores_hides_who_grants() -> None:
    unit = only(machine(files={"/etc/systemd/system/plain.service": "no setting\n"})).unit
    assert unit is not None
    assert unit.capability_files == ()
