# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a machine, how often, and what its answers are taken for."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any, List

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    UnknownFormat,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    SocketUnit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl.setting import boot_start
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed, Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import observe as observing
from ansible_collections.netbind.privport.plugins.module_utils._observe import units
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    DROPIN,
    FakeHost,
    captured_sockets,
    captured_unit,
    process_files,
)
from ansible_collections.netbind.privport.tests.unit.observed import (
    PLAIN,
    UNIT_FILE,
    machine,
    observe,
    only,
)


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
            {"/etc/systemd/system/plain.service": "[Service]\nExecStart=/bin/a\n[this is no section\n"},
            "the unit file line '[this is no section' begins a section that does not close",
        ),
    ],
    ids=["a plain file", "a closed file", "a section that does not close"],
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
            (False, "unit:plain.service", 80),
            id="by its process",
        ),
        pytest.param(PLAIN, {"/proc/105/ns/net": {}}, (False, "unit:plain.service", 1024), id="by its process alone"),
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
    shown = {
        **PLAIN,
        "Environment": 'PASSWORD=secret LD_LIBRARY_PATH=/opt "LD_PRELOAD=a b"',
        "EnvironmentFiles": "/etc/default/web (ignore_errors=no)\n/etc/default/none (ignore_errors=yes)",
    }
    files = {"/etc/default/web": "# LD_BIND_NOW=1\nTOKEN=secret\nLD_AUDIT=/x\nPATH=/opt/bin\n"}
    unit = only(machine(units=[shown], files=files)).unit
    assert unit is not None
    assert unit.properties["Environment"] == "LD_AUDIT LD_LIBRARY_PATH LD_PRELOAD PATH"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, ""),
        ({"/usr/lib/systemd/user/missing.service": ""}, "/usr/lib/systemd/user/missing.service"),
        ({"/.config/systemd/user/missing.service": ""}, "/.config/systemd/user/missing.service"),
    ],
)
def test_a_unit_of_a_user(files: Any, found: str) -> None:
    (service,) = parse_services([{"name": "web", "ports": [80], "unit": "missing.service", "user": "web"}])
    facts = observing.observe(FakeHost(files=files), [service]).services[0]
    assert facts.user_unit == found


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


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ("", "nothing"),
        ("Traceback\n  File\nValueError: no\n", "ValueError: no"),
        (
            "Failed to start a.service: Operation refused.\nSee system logs and 'systemctl status a' for details.\n",
            "Failed to start a.service: Operation refused.",
        ),
        ("See there.\n", "See there."),
    ],
)
def test_a_command_that_fails_is_told_with_its_cause(stderr: str, said: str) -> None:
    with pytest.raises(HostError, match=f"^a b failed with status 1: {re.escape(said)}$"):
        Completed(("a", "b"), 1, "", stderr).checked()


SAVED = """# Generated by iptables-save v1.8.9 (nf_tables) on {day} Nov 27 22:00:00 2026
*nat
:PREROUTING ACCEPT [{packets}:4567]
:own - [0:0]
-A PREROUTING -p tcp -m tcp --dport 80 -j own
COMMIT
# Completed on {day} Nov 27 22:00:00 2026
"""


def test_the_same_rules_of_iptables_are_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    host, said = Host(), [SAVED.format(day="Fri", packets=1), SAVED.format(day="Sat", packets=23)]
    monkeypatch.setattr(host, "query", lambda argv: Completed(tuple(argv), 0, said.pop(), ""))
    found = {host.saved_rules("iptables-save"), host.saved_rules("iptables-save")}
    assert found == {"\n".join(SAVED.split("\n")[1:-2]).format(packets=0).replace("4567", "0") + "\n"}
