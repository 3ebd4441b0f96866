# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategy that puts a forwarder in front: what it refuses, what it leaves to do, and what proves it."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.forward import request
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding.forwarder import (
    Backend,
    Ground,
    installation,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    CLOSED,
    FAIL,
    PASS,
    UNKNOWN,
    Probe,
    Seen,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.forwarder_checks import checks_of_forwarder
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import prove
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    CAP,
    ambient_process,
    case,
    codes,
    doubts,
    listener,
    network,
    process,
    socket_unit,
)

FORWARD = STRATEGIES["forward"]
BACKEND: Dict[str, Any] = {"port": 8080, "address": "127.0.0.1"}
BEHIND = listener(process(), **BACKEND)


def on(address: str) -> Listener:
    """What the service listens on behind the port."""
    return listener(process(), port=8080, address=address)


OTHER = listener(process(pid=7, unit="other.service"), **BACKEND)
SYSTEMD = process(pid=1, uid=0, unit="init.scope", effective=(CAP,), permitted=(CAP,))
UNITS = ("privport-forward-web-80.socket", "privport-forward-web-80.service")
SYSV: Dict[str, Any] = {"systemd": None, "init_scripts": True}
SOCKETS = (socket_unit("80", name=UNITS[0], triggers=(UNITS[1],)),)


def described(**description: Any) -> Dict[str, Any]:
    return {"strategy": "forward", "backend_ports": {80: 8080}, **description}


def behind(**fields: Any) -> Case:
    """A service that listens on its backend port, with the forwarder that is right for it in front."""
    fields = {"listeners": (BEHIND,), "unit_fields": {"process": process()}, **fields}
    bare = case(description=described(**fields.pop("description", {})), **fields)
    ground = Ground(systemd=252, ipv6=bare.host.ipv6, programs=bare.host.forwarders)
    wanted = installation(request(bare), ground)
    found = Installed(units=UNITS, files=wanted.files, active=wanted.units)
    return bare._replace(facts=bare.facts._replace(installed={"forward": found}))


@pytest.mark.parametrize(
    ("description", "fields", "expected"),
    [
        ({}, {}, ()),
        ({"backend_ports": {}}, {}, ("no_backend",)),
        ({"ports": ["80/udp"]}, {}, ("tcp_only",)),
        ({"forward_with": "nginx", "ports": [443], "backend_ports": {443: 8443}}, {"listeners": ()}, ("tls_port",)),
        ({"families": ["ipv6"]}, {"host_fields": {"ipv6": False}}, ("no_ipv6",)),
        ({"forward_with": "haproxy"}, {"host_fields": {"forwarders": {}}}, ("no_forwarder",)),
        ({}, {"host_fields": {"systemd": None}}, ("no_systemd",)),
        ({}, {"host_fields": SYSV}, ()),
        ({"forward_with": "proxyd"}, {"host_fields": SYSV}, ("no_systemd",)),
        ({"backend_ports": {80: 81}}, {"listeners": ()}, ("privileged_backend",)),
        ({}, {"network": network(unprivileged_port_start=8081)}, ("privileged_backend",)),
        ({}, {"network": network(unprivileged_port_start=None)}, ()),
        ({}, {"listeners": (OTHER,)}, ("backend_held",)),
        ({}, {"listeners": (BEHIND, OTHER)}, ()),
        ({}, {"listeners": (on("0.0.0.0%eth0"),)}, ("backend_interface",)),
        ({}, {"listeners": (on("fe80::1%eth0"), on("::%eth0"))}, ("backend_interface",)),
        ({}, {"listeners": (on("fe80::1%eth0"), BEHIND)}, ()),
        ({}, {"listeners": (on("0.0.0.0%lo"),)}, ()),
        ({}, {"listeners": (), "properties": {"BindNetworkInterface": "eth0"}}, ("backend_interface",)),
        ({}, {"listeners": (), "properties": {"BindNetworkInterface": "lo"}}, ()),
        ({}, {"properties": {"PrivateNetwork": "yes"}}, ("private_network",)),
        ({}, {"network": network(is_host=False, path="/run/netns/a")}, ("other_network",)),
        (
            {},
            {"properties": {"PrivateNetwork": "yes"}, "network": network(is_host=False, path="")},
            ("private_network",),
        ),
        ({}, {"properties": {"RestrictAddressFamilies": "AF_UNIX"}}, ("address_families",)),
        # The port that it binds by itself is the backend port.
        ({}, {"properties": {"SocketBindDeny": "tcp:8080"}}, ("socket_bind_deny",)),
        ({}, {"properties": {"SocketBindDeny": "tcp:80"}}, ()),
        ({}, {"properties": {"User": ""}, "listeners": (listener(process(uid=0), **BACKEND),)}, ("runs_as_root",)),
        # memcached: its unit starts it as root, and it listens as a user of its own.
        ({}, {"properties": {"User": ""}, "listeners": (BEHIND,)}, ()),
        ({}, {"not_executable": "it is gone"}, ("not_executable",)),
        ({}, {"program_fields": {"mode": 0o4755}}, ("setuid_program",)),
        # None of these matters to who binds a high port.
        ({}, {"properties": {"NoNewPrivileges": "yes", "PrivateUsers": "yes", "CapabilityBoundingSet": ""}}, ()),
    ],
)
def test_hazards(description: Dict[str, Any], fields: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    assert codes("forward", description=described(**description), **{"listeners": (BEHIND,), **fields}) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ()),
        ({"listeners": ()}, ("backend_silent",)),
        ({"listeners": (listener(process()),)}, ("backend_silent",)),
        # What does not run, nobody can ask.
        ({"listeners": (), "properties": {"ActiveState": "inactive"}}, ()),
        ({"listeners": (), "unit": None}, ()),
    ],
)
def test_doubts(fields: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    assert doubts("forward", description=described(), **{"listeners": (BEHIND,), **fields}) == expected


@pytest.mark.parametrize(
    ("listeners", "address"),
    [
        ((), "127.0.0.1"),
        ((BEHIND,), "127.0.0.1"),
        ((OTHER,), "127.0.0.1"),
        ((listener(process(), port=8080),), "127.0.0.1"),
        ((listener(process(), port=8080, address="::", v6only=False),), "127.0.0.1"),
        ((listener(process(), port=8080, address="::", v6only=True),), "::1"),
        ((listener(process(), port=8080, address="::1"),), "::1"),
        ((listener(process(), port=8080, address="::1"), BEHIND), "127.0.0.1"),
        ((listener(process(), port=8080, address="10.0.0.1"),), "10.0.0.1"),
        ((on("0.0.0.0%eth0"), on("10.0.0.1")), "10.0.0.1"),
        ((on("0.0.0.0%lo"),), "127.0.0.1"),
    ],
)
def test_it_goes_where_the_service_listens(listeners: Any, address: str) -> None:
    judged = case(description=described(), listeners=listeners)
    assert request(judged).backends == {Port(80): Backend(address, 8080)}


def test_a_service_that_is_down_is_forwarded_to_as_before() -> None:
    there = behind(listeners=(listener(process(), port=8080, address="::1"),))
    assert FORWARD.pending(there) == ()
    down = there._replace(facts=there.facts._replace(listeners=()))
    assert request(down).backends[Port(80)].address == "::1"


HOLDS_BOTH = (BEHIND, listener(process()))


@pytest.mark.parametrize(
    ("fields", "pending"),
    [
        ({}, ()),
        # It does not listen there yet, or holds the port itself, or keeps what another grant gave it.
        ({"listeners": ()}, ("restart",)),
        ({"listeners": HOLDS_BOTH}, ("restart",)),
        ({"unit_fields": {"process": ambient_process()}}, ("restart",)),
        ({"properties": {"ActiveState": "inactive"}}, ("start",)),
        ({"unit": None}, ()),
    ],
)
def test_it_leaves_to_do(fields: Dict[str, Any], pending: Tuple[str, ...]) -> None:
    there = behind(**fields)
    assert FORWARD.pending(there) == pending
    assert FORWARD.granted(there) is True
    nothing = there._replace(facts=there.facts._replace(installed={}))
    assert FORWARD.pending(nothing) == ("forward", *pending)
    assert FORWARD.granted(nothing) is False


def test_what_cannot_be_is_pending_whatever_is_there() -> None:
    there = behind()
    assert FORWARD.pending(there._replace(host=there.host._replace(forwarders={}))) == ("forward",)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("", "the service sees every client as 127.0.0.1: forward_with: haproxy or nginx"),
        ("proxyd", "strategy redirect keeps the address"),
        ("socat", "strategy redirect keeps the address"),
        ("haproxy", "must expect the PROXY protocol, version 2, from 127.0.0.1"),
        ("nginx", "X-Real-IP"),
    ],
)
def test_what_becomes_of_the_clients_address_is_told(program: str, said: str) -> None:
    judged = case(description=described(forward_with=program), listeners=(BEHIND,))
    (decision,) = decide(judged.host, [judged.service])
    assert decision.strategy == "forward"
    assert said in decision.warnings[0]
    assert "forwards 80 to 127.0.0.1:8080" in decision.why


@pytest.mark.parametrize("name", ["unneeded", "ambient", "setcap", "authbind", "sysctl"])
def test_who_binds_the_port_itself_needs_the_forwarder_gone(name: str) -> None:
    there = behind(description={"strategy": name})
    (decision,) = decide(
        there.host._replace(services=(there.facts,), unprivileged_port_start=80 if name == "unneeded" else 1024),
        [there.service],
    )
    if not decision.error:
        assert decision.voiding == ("forward",)
    assert "forward" in STRATEGIES[name].voided_by


def test_absent_takes_what_was_made() -> None:
    there = behind(description={"state": "absent"})
    (decision,) = decide(there.host._replace(services=(there.facts,)), [there.service])
    assert decision.surplus == ("forward",)


def forwarder(**fields: Any) -> Any:
    return process(**{"pid": 50, "uid": 65534, "unit": UNITS[1], **fields})


FRONT = [listener(forwarder(), SYSTEMD, address=address) for address in ("0.0.0.0", "::")]
STRANGER = listener(process(pid=9, unit="other.service"))


@pytest.mark.parametrize(
    ("front", "program", "failing"),
    [
        (FRONT, "", []),
        ([], "", [("owner", FAIL)]),
        ([listener(SYSTEMD)], "", [("owner", UNKNOWN)]),
        ([STRANGER], "", [("owner", FAIL)]),
        ([*FRONT, listener(process(pid=9, unit="other.service"), address="10.0.0.1")], "", []),
        ([listener(process())], "", [("owner", FAIL)]),
        ([listener(known=False)], "", [("owner", UNKNOWN)]),
        ([listener(forwarder(uid=0))], "", [("held", FAIL)]),
        ([listener(forwarder(unlike=[{"uid": 0}]))], "", [("held", FAIL)]),
        ([listener(forwarder(permitted=(CAP,)))], "", [("held", FAIL)]),
        ([listener(forwarder(unlike=[{"effective": ("cap_net_raw",)}]))], "", [("held", FAIL)]),
        ([listener(forwarder(effective=(CAP,), permitted=(CAP,), ambient=(CAP,)))], "socat", []),
        ([listener(forwarder())], "socat", [("held", FAIL)]),
        (
            [listener(forwarder(effective=(CAP,), permitted=(CAP, "cap_net_raw"), ambient=(CAP,)))],
            "socat",
            [("held", FAIL)],
        ),
    ],
)
def test_the_forwarder_holds_just_what_its_unit_gives(front: Any, program: str, failing: List[Tuple[str, str]]) -> None:
    there = behind(listeners=(BEHIND, *front), description={"forward_with": program}, sockets=SOCKETS)
    seen = Seen(case=there, port=Port(80), strategy=FORWARD, error="", probe=Probe())
    checks = checks_of_forwarder(seen)
    assert [(it.code, it.verdict) for it in checks if it.verdict != PASS] == failing
    if not failing:
        assert [it.code for it in checks] == ["owner", "held"]
    assert checks_of_forwarder(seen._replace(strategy=STRATEGIES["ambient"])) == ()
    assert checks_of_forwarder(seen._replace(strategy=None)) == ()


@pytest.mark.parametrize(("pid", "failing"), [(50, []), (51, [("owner", FAIL)])])
def test_an_init_script_has_a_daemon(pid: int, failing: List[Tuple[str, str]]) -> None:
    socat = forwarder(pid=pid, unit="", effective=(CAP,), permitted=(CAP,), ambient=(CAP,))
    there = case(
        description=described(),
        listeners=(BEHIND, listener(socat, address="::", v6only=False)),
        host_fields=SYSV,
        installed={"forward": Installed(units=("privport-forward-web-80",), daemons=(50,))},
    )
    checks = checks_of_forwarder(Seen(case=there, port=Port(80), strategy=FORWARD, error="", probe=Probe()))
    assert [(it.code, it.verdict) for it in checks if it.verdict != PASS] == failing


@pytest.mark.parametrize(("outcome", "verdict"), [("", PASS), ("ECONNREFUSED", FAIL), (CLOSED, FAIL)])
def test_a_forwarder_that_works_is_proven(outcome: str, verdict: str) -> None:
    there = behind(listeners=(BEHIND, *FRONT), sockets=SOCKETS)
    families = ["ipv4", "ipv6"]
    probe = Probe(
        connect={"127.0.0.1": ""}, front=dict.fromkeys(families, outcome), stranger=dict.fromkeys(families, "EACCES")
    )
    (evidence,) = prove(there, probes={Port(80): probe})
    assert (evidence.verdict, evidence.addresses) == (verdict, ("0.0.0.0", "::"))
