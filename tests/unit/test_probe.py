# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that are tried for real on this machine, and the journal that is asked when one fails."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener, ServiceFacts
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import CLOSED, Probe
from ansible_collections.netbind.privport.plugins.module_utils._host import probe as probe_of_host
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed, Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import probes
from ansible_collections.netbind.privport.plugins.module_utils._observe.journal import denials, last_lines
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe
from ansible_collections.netbind.privport.tests.unit.core.cases import case
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def connect(listener: Listener, **properties: str) -> Any:
    return probes.Ways(Host(), properties).connect(listener)


def on(port: int, *, address: str = "127.0.0.1", protocol: str = "tcp", v6only: Any = False) -> Listener:
    return Listener(protocol=protocol, address=address, port=port, v6only=v6only, owners=(), owners_known=True)


def probe(facts: ServiceFacts, *, port: Port, inner: Port, privileged: bool = True) -> Probe:
    network = facts.network._replace(unprivileged_port_start=65536 if privileged else 0)
    judged = case(description={"unit": None})._replace(facts=facts._replace(network=network))
    return probes.probe(Host(), judged, port=port, inner=inner)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "0.0.0.0%lo"])
def test_a_connection(listening: int, address: str) -> None:
    assert connect(on(listening, address=address)) == ""


def test_each_family_that_a_socket_serves_is_connected_to(listening: int) -> None:
    # Nothing listens there over IPv6, so a socket that serves both does not pass by IPv4 alone.
    assert connect(on(listening, address="::", v6only=True)) in ("ECONNREFUSED", "EADDRNOTAVAIL")
    has_ipv6 = Path("/proc/net/if_inet6").read_text(encoding="ascii") != ""
    assert connect(on(listening, address="::")) == ("ECONNREFUSED" if has_ipv6 else "")


@pytest.mark.parametrize(
    ("address", "outcome"),
    [
        pytest.param("0.0.0.0%nosuch", None, id="no interface of that name"),
        pytest.param("::%nosuch", None, id="nor of IPv6"),
        pytest.param("0.0.0.0%lo", "ECONNREFUSED", id="loopback"),
    ],
)
def test_a_socket_of_one_interface(address: str, outcome: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    assert connect(on(closed, address=address)) == outcome


def test_a_refused_connection(listening: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    assert connect(on(closed)) == "ECONNREFUSED"


@pytest.mark.parametrize(
    ("address", "properties", "outcome"),
    [
        pytest.param("127.0.0.1", {"IPAddressDeny": "127.0.0.0/8 ::1/128"}, None, id="loopback is denied"),
        pytest.param(
            "127.0.0.1", {"IPAddressDeny": "0.0.0.0/0 ::/0", "IPAddressAllow": "127.0.0.0/8"}, "", id="allowed"
        ),
        pytest.param("127.0.0.1", {"RestrictNetworkInterfaces": "eth0"}, None, id="no interface that is ours"),
        pytest.param("127.0.0.1", {"RestrictNetworkInterfaces": "~eth0"}, "", id="all interfaces but one"),
        pytest.param("0.0.0.0", {"IPAddressDeny": "0.0.0.0/0 ::/0"}, None, id="everything is denied"),
        pytest.param(
            "::",
            {"IPAddressDeny": "0.0.0.0/0 ::/0", "IPAddressAllow": "127.0.0.0/8"},
            "",
            id="one family is allowed",
        ),
        pytest.param("192.0.2.1", {}, "not ours", id="an address of another host"),
        pytest.param("2001:db8::1", {}, "not ours", id="an IPv6 address of another host"),
    ],
)
def test_who_may_not_come(listening: int, address: str, properties: Any, outcome: Any) -> None:
    found = connect(on(listening, address=address), **properties)
    if outcome == "not ours":
        assert found in ("EADDRNOTAVAIL", "ENETUNREACH", "EAFNOSUPPORT")
    else:
        assert found == outcome


class OnLoopbackDropped(Host):
    """A machine that drops what it sends to itself by loopback's own addresses."""

    def connect(self, address: str, port: int, *, staying: float = 0) -> str:
        return "ETIMEDOUT" if address in ("127.0.0.1", "::1") else ""

    def addresses(self, family: str) -> Any:
        return ("10.0.0.5",) if family == "ipv4" else ()


def test_another_address_is_tried_where_loopback_cannot_be() -> None:
    assert probes.Ways(OnLoopbackDropped(), {}).connect(on(80, address="0.0.0.0")) == ""
    assert probes.Ways(OnLoopbackDropped(), {}).connect(on(80, address="::", v6only=True)) == "ETIMEDOUT"
    denied = {"IPAddressDeny": "10.0.0.0/8"}
    assert probes.Ways(OnLoopbackDropped(), denied).connect(on(80, address="0.0.0.0")) == "ETIMEDOUT"


def test_the_addresses_of_this_host() -> None:
    assert all(not address.startswith("127.") for address in Host().addresses("ipv4"))
    assert all(address.count("%") == address.startswith("fe80:") for address in Host().addresses("ipv6"))


def test_an_address_is_one_that_connect_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = tmp_path / "if_inet6"
    table.write_text(
        "fe80000000000000000000000000000b 02 40 20 80     eth0\nfd43008000000000000000000000000b 02 40 00 80     eth0\n"
        "fe80000000000000000000000000000c 03 40 20 80     eth1\n",
        encoding="ascii",
    )
    monkeypatch.setattr(probe_of_host, "_IF_INET6", str(table))
    assert [probe_of_host.interface_address(it, "ipv6") for it in ("eth0", "eth1", "eth2")] == [
        "fd43:80::b",
        "fe80::c%eth1",
        "",
    ]


def answering(said: bytes, *, seconds: float, times: int = 1) -> int:
    """The port of a server that says something, or waits so long, and then closes; it takes so many connections."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server:
            for _time in range(times):
                with server.accept()[0] as connection:
                    if said:
                        connection.sendall(said)
                    time.sleep(seconds)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("said", "seconds", "outcome"),
    [
        pytest.param(b"", 0, CLOSED, id="a forwarder that gets no connection to the service"),
        pytest.param(b"", 1, "", id="a service that waits for a request"),
        pytest.param(b"220 mail\r\n", 0, "", id="a service that speaks first"),
    ],
)
def test_a_port_in_front(said: bytes, seconds: float, outcome: str, listening: int) -> None:
    observed = observe(FakeHost(), parse_services([{"name": "web", "ports": [80]}])).services[0]
    facts = observed._replace(listeners=(on(listening),))
    tried = probe(facts, port=Port(answering(said, seconds=seconds)), inner=Port(listening))
    assert (tried.connect, tried.front["ipv4"]) == ({"127.0.0.1": ""}, outcome)


def test_a_port_that_leads_to_one_address() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        observed = observe(FakeHost(), parse_services([{"name": "web", "ports": [80]}])).services[0]
        facts = observed._replace(listeners=(on(9, address="127.0.0.2"),))
        tried = probe(facts, port=Port(port), inner=Port(9))
    assert tried.front["ipv4"] == ""


def test_a_service_that_closes_at_once_itself() -> None:
    inner = answering(b"", seconds=0, times=2)
    observed = observe(FakeHost(), parse_services([{"name": "web", "ports": [80]}])).services[0]
    facts = observed._replace(listeners=(on(inner),))
    tried = probe(facts, port=Port(answering(b"", seconds=0)), inner=Port(inner))
    assert (tried.connect, tried.front["ipv4"]) == ({"127.0.0.1": ""}, "")


def bind(port: int) -> Any:
    return Host().bind_as_stranger(port, protocol="tcp", family="ipv4", own_uid=65000)


def test_a_stranger_meets_a_busy_port(listening: int) -> None:
    assert bind(listening) == "EADDRINUSE"
    assert bind(0) == ""


def test_what_is_tried_on_a_port(listening: int) -> None:
    listeners = (on(listening), on(listening, protocol="udp"), on(listening + 1))
    observed = observe(FakeHost(), parse_services([{"name": "web", "ports": [80]}])).services[0]
    facts = observed._replace(listeners=listeners)
    tried = probe(facts, port=Port(listening), inner=Port(listening))
    assert (tried.connect, set(tried.stranger)) == ({"127.0.0.1": ""}, {"ipv4"})
    assert probe(facts, port=Port(listening, "udp"), inner=Port(listening, "udp")).connect == {}
    assert probe(facts, port=Port(1), inner=Port(1)) == Probe()
    # What everybody may bind says nothing.
    assert probe(facts, port=Port(listening), inner=Port(listening), privileged=False).stranger == {}


class Journal(FakeHost):
    """A machine whose journalctl answers as it is told."""

    rc, said, failing = 0, "a\n\nb\n", False

    def run(self, argv: Any, *, seconds: float = 0) -> Completed:
        self.ran.append(tuple(argv))
        if self.failing:
            raise HostError("journalctl cannot be run")
        return Completed(argv=tuple(argv), rc=self.rc, stdout=self.said, stderr="")


@pytest.mark.parametrize(
    ("programs", "rc", "failing", "lines"),
    [
        (("journalctl",), 0, False, ("a", "b")),
        (("journalctl",), 1, False, ()),
        (("journalctl",), 0, True, ()),
        ((), 0, False, ()),
    ],
    ids=["lines", "refused", "not to be run", "no journal"],
)
def test_the_last_lines_of_the_journal(programs: Any, rc: int, failing: bool, lines: Any) -> None:
    host = Journal(programs=programs)
    host.rc, host.failing = rc, failing
    assert last_lines(host, "web.service") == lines
    assert all("--unit=web.service" in argv and "--lines=30" in argv for argv in host.ran)


AVC = (
    '1763800000.5 host audit[{pid}]: AVC apparmor="DENIED" operation="capable" profile="web" pid={pid} '
    'comm="{comm}" capability=10  capname="net_bind_service"'
)


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (AVC.format(pid=188, comm="other"), 1),
        (AVC.format(pid=7, comm="a-server-with-a"), 1),
        (AVC.format(pid=7, comm="other"), 0),
        ('1763800000.5 host audit[7]: AVC apparmor="DENIED"', 0),
    ],
    ids=["by the process", "by the program", "somebody else's", "unlike a record"],
)
def test_what_a_security_module_refused(said: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1763800001.0)
    host = Journal(programs=("journalctl",))
    host.said = said + "\n"
    found = denials(host, program="/opt/a-server-with-a-long-name", lines=["2026 host server[188]: bind: refused"])
    assert len(found) == count
