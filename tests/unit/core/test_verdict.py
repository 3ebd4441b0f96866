# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof: what passes, what fails and what stays unknown."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.verdict import (
    FAIL,
    NOT_LISTENING,
    PASS,
    UNKNOWN,
    Evidence,
    Probe,
    combine,
    prove,
    strategy_in_force,
)
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    CAP,
    SERVER,
    WEB,
    ambient_process,
    authbind_port,
    case,
    listener,
    process,
    setcap_process,
)

RAW = "cap_net_raw"
PROVEN = Probe(connect="", stranger="EACCES")
GRANTED: Dict[str, Any] = {
    "properties": {"AmbientCapabilities": CAP},
    "unit_fields": {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN, "process": ambient_process()},
}
BINDS = {"capability": f"{CAP}=ep", "binds": True}
BY_FILE: Dict[str, Any] = {"unit": None, "program_fields": BINDS, "description": {"executable": SERVER}}


def evidence(probe: Probe = PROVEN, **fields: Any) -> Evidence:
    judged = case(**fields)
    return prove(judged, probes=dict.fromkeys(judged.service.ports, probe))[0]


def failing(found: Evidence) -> Tuple[Tuple[str, str], ...]:
    return tuple((check.code, check.verdict) for check in found.checks if check.verdict != PASS)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), UNKNOWN),
        ((PASS,), PASS),
        ((PASS, UNKNOWN), UNKNOWN),
        ((UNKNOWN, FAIL, PASS), FAIL),
    ],
)
def test_combine(verdicts: Tuple[str, ...], expected: str) -> None:
    assert combine(verdicts) == expected


def test_a_proof_that_holds() -> None:
    found = evidence(**GRANTED, listeners=(listener(ambient_process()),))
    assert (found.verdict, found.reasons, found.strategy) == (PASS, (), "ambient")
    assert (found.service, found.port, found.source, found.addresses) == ("web", "80", "ss", ("0.0.0.0",))
    assert found.process == ambient_process()
    assert [check.code for check in found.checks] == ["grant", "owner", "user", "held", "connect", "stranger"]


def held_by(*owners: Any, known: bool = True, **fields: Any) -> Dict[str, Any]:
    return {**GRANTED, "listeners": (listener(*owners, known=known),), **fields}


@pytest.mark.parametrize(
    ("fields", "probe", "expected"),
    [
        pytest.param({}, PROVEN, (("grant", FAIL), ("listening", FAIL)), id="nothing granted"),
        pytest.param(GRANTED, PROVEN, (("listening", FAIL),), id="granted, the unit does not listen"),
        pytest.param(BY_FILE, PROVEN, (("listening", UNKNOWN),), id="granted, nothing starts it"),
        pytest.param({**BY_FILE, "program_fields": {}}, PROVEN, (("grant", FAIL), ("listening", FAIL)), id="neither"),
        pytest.param(held_by(ambient_process(unit="other.service")), PROVEN, (("owner", FAIL),), id="another unit"),
        pytest.param(held_by(), PROVEN, (("owner", FAIL),), id="another PID namespace"),
        pytest.param(held_by(known=False), PROVEN, (("owner", UNKNOWN),), id="hidden from us"),
        pytest.param(held_by(ambient_process(uid=0)), PROVEN, (("user", FAIL),), id="root"),
        pytest.param(held_by(ambient_process(uid=5)), PROVEN, (("user", FAIL),), id="another user"),
        pytest.param(held_by(ambient_process(uid=5), account=None), PROVEN, (), id="no user was named"),
        pytest.param(held_by(process()), PROVEN, (("held", FAIL),), id="not restarted"),
        pytest.param(
            held_by(ambient_process(), setcap_process(pid=43)), PROVEN, (("held", FAIL),), id="one of two not restarted"
        ),
        pytest.param(held_by(ambient_process(ambient=(CAP, RAW))), PROVEN, (("held", FAIL),), id="more than granted"),
        pytest.param(held_by(ambient_process(unlike=[{"ambient": ()}])), PROVEN, (("held", FAIL),), id="one thread"),
        pytest.param(
            held_by(ambient_process()),
            Probe(connect="ECONNREFUSED", stranger="EACCES"),
            (("connect", FAIL),),
            id="refused",
        ),
        pytest.param(
            held_by(ambient_process()), Probe(), (("connect", UNKNOWN), ("stranger", UNKNOWN)), id="nothing tried"
        ),
        pytest.param(
            held_by(ambient_process()), Probe(connect="", stranger=""), (("stranger", FAIL),), id="open to a stranger"
        ),
        pytest.param(
            held_by(ambient_process()),
            Probe(connect="", stranger="EADDRINUSE"),
            (("stranger", FAIL),),
            id="a stranger may, were it free",
        ),
    ],
)
def test_checks(fields: Dict[str, Any], probe: Probe, expected: Tuple[Tuple[str, str], ...]) -> None:
    found = evidence(probe, **fields)
    assert failing(found) == expected
    assert found.verdict == combine(tuple(verdict for _code, verdict in expected) or (PASS,))
    assert len(found.reasons) == len(expected)


def test_granted_but_nothing_starts_it_is_never_pass() -> None:
    assert evidence(**BY_FILE).reasons == (NOT_LISTENING,)


def test_the_state_of_a_unit_that_does_not_listen_is_told() -> None:
    fields = {**GRANTED, "properties": {**GRANTED["properties"], "SubState": "failed", "Result": "exit-code"}}
    assert "web.service is active (failed, result exit-code)" in evidence(**fields).reasons[-1]


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        (held_by(process(unit="")), "pid 42 (server, uid 990)"),
        (held_by(process(unit="other.service")), "pid 42 (server, uid 990 of other.service)"),
        (held_by(), "another PID namespace"),
        (held_by(known=False), "look as root"),
    ],
)
def test_who_holds_the_port_is_told(fields: Dict[str, Any], part: str) -> None:
    assert part in evidence(**fields).reasons[0]


@pytest.mark.parametrize(
    ("fields", "owner", "belongs"),
    [
        pytest.param({}, {"executable": "/elsewhere"}, True, id="by unit"),
        pytest.param({}, {"unit": "web.socket"}, False, id="another unit"),
        pytest.param({"unit": None}, {"unit": "session-1.scope"}, True, id="by program"),
        pytest.param({"unit": None}, {"executable": "/usr/bin/nc"}, False, id="another program"),
        pytest.param(
            {"unit": None, "program_fields": {"form": "script", "interpreter": ("/bin/sh", "-e")}},
            {"executable": "/bin/sh"},
            True,
            id="a script by its user",
        ),
        pytest.param({"unit": None, "program": None}, {"executable": "/any"}, True, id="by user"),
        pytest.param({"unit": None, "program": None}, {"uid": 5}, False, id="another user"),
        pytest.param({"unit": None, "program": None, "account": None}, {}, False, id="nothing to tell it by"),
    ],
)
def test_whose_process_it_is(fields: Dict[str, Any], owner: Dict[str, Any], belongs: bool) -> None:
    found = evidence(**fields, listeners=(listener(process(**owner)),), description={"strategy": "authbind"})
    assert (found.process is not None) is belongs


@pytest.mark.parametrize(
    ("found", "verdict"), [(True, PASS), (False, FAIL), (None, UNKNOWN)], ids=["mapped", "not mapped", "closed to us"]
)
def test_what_the_process_shows(found: Any, verdict: str) -> None:
    told = evidence(description={"strategy": "authbind"}, listeners=(listener(process(authbind=found)),))
    assert [check.verdict for check in told.checks if check.code == "held"] == [verdict]


def test_udp_is_not_connected_to() -> None:
    fields = {**GRANTED, "listeners": (listener(ambient_process(), protocol="udp"),)}
    found = evidence(Probe(stranger="EACCES"), **fields, description={"ports": ["80/udp"]})
    assert found.verdict == PASS
    assert "connect" not in [check.code for check in found.checks]


def test_the_other_protocol_does_not_count() -> None:
    found = evidence(**GRANTED, listeners=(listener(ambient_process(), protocol="udp"),))
    assert failing(found) == (("listening", FAIL),)


def test_each_port_has_its_own_proof() -> None:
    judged = case(
        **GRANTED,
        listeners=(listener(ambient_process()), listener(ambient_process(), port=8080)),
        description={"ports": [80, 443, 8080]},
    )
    found = prove(judged, probes={Port(80): PROVEN, Port(8080): Probe(connect="")})
    assert [(it.port, it.verdict) for it in found] == [("80", PASS), ("443", FAIL), ("8080", PASS)]
    # A port that is open to everybody is no secret to a stranger.
    assert "stranger" not in [check.code for check in found[2].checks]


def test_an_open_port_needs_no_grant() -> None:
    fields = {"host_fields": {"unprivileged_port_start": 80}, "listeners": (listener(process()),)}
    found = evidence(Probe(connect="", stranger="EADDRINUSE"), **fields)
    assert (found.strategy, found.verdict) == ("unneeded", PASS)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"description": {"strategy": "setcap"}}, "setcap", id="named"),
        pytest.param(GRANTED, "ambient", id="granted"),
        pytest.param({"program_fields": BINDS}, "setcap", id="granted by another way than auto would"),
        pytest.param({}, "ambient", id="nothing granted"),
        pytest.param({**GRANTED, "program_fields": BINDS}, "ambient", id="granted twice"),
        pytest.param({"unit": None, "authbind_ports": (authbind_port(own_rules=("x",)),)}, "authbind", id="rules"),
    ],
)
def test_strategy_in_force(fields: Dict[str, Any], expected: str) -> None:
    assert strategy_in_force(case(**fields)) == (expected, "")


def test_no_strategy_at_all_fails_with_the_reasons() -> None:
    found = evidence(properties={"PrivateUsers": "yes"}, listeners=(listener(process()),))
    assert (found.strategy, found.verdict) == ("", FAIL)
    assert "no strategy works here" in found.reasons[0]
    assert found.process == process()


def test_probes_that_were_not_made_are_unknown() -> None:
    judged = case(**GRANTED, listeners=(listener(ambient_process()),))
    assert prove(judged, probes={})[0].verdict == UNKNOWN


def test_the_user_is_the_declared_one() -> None:
    account = dataclasses.replace(WEB, uid=991, name="www")
    found = evidence(**held_by(ambient_process(), account=account))
    assert "does not run as www (uid 991)" in found.reasons[-1]
