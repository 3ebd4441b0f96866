# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof: what passes, what fails and what stays unknown."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.nat import Diversion
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    FAIL,
    NOT_LISTENING,
    NOT_TO_BE_TRIED,
    PASS,
    UNKNOWN,
    Probe,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import (
    Evidence,
    combine,
    prove,
    strategy_in_force,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl.setting import OWN_PATH, render
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    BINDS,
    CAP,
    SERVER,
    WEB,
    ambient_process,
    authbind_port,
    case,
    listener,
    process,
    setcap_process,
    sets_at_boot,
    socket_unit,
)

RAW = "cap_net_raw"
ANY, ANY6 = "0.0.0.0", "::"
REFUSED = {"ipv4": "EACCES", "ipv6": "EACCES"}
PROVEN = Probe(connect={ANY: "", ANY6: "", "10.0.0.1": ""}, stranger=REFUSED)
OTHER = "other.service"
GRANTED: Dict[str, Any] = {
    "properties": {"AmbientCapabilities": CAP},
    "unit_fields": {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN, "process": ambient_process()},
}
NOBODY = {"properties": {"AmbientCapabilities": CAP, "User": "", "DynamicUser": "yes"}}
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
    assert [check.code for check in found.checks] == [
        *["grant", "listening", "owner", "user", "held", "connect", "stranger", "restart", "boot"]
    ]


def held_by(*owners: Any, known: bool = True, **fields: Any) -> Dict[str, Any]:
    return {**GRANTED, "listeners": (listener(*owners, known=known),), **fields}


@pytest.mark.parametrize(
    ("fields", "probe", "expected"),
    [
        pytest.param({}, PROVEN, (("grant", FAIL), ("listening", FAIL)), id="nothing granted"),
        pytest.param(GRANTED, PROVEN, (("listening", FAIL),), id="granted, the unit does not listen"),
        pytest.param(BY_FILE, PROVEN, (("listening", UNKNOWN),), id="granted, nothing starts it"),
        pytest.param({**BY_FILE, "program_fields": {}}, PROVEN, (("grant", FAIL), ("listening", FAIL)), id="neither"),
        pytest.param(held_by(ambient_process(unit=OTHER)), PROVEN, (("owner", FAIL),), id="another unit"),
        pytest.param(
            held_by(ambient_process(uids=(990, 990, 0, 990))), PROVEN, (("user", FAIL),), id="root in reserve"
        ),
        pytest.param(
            held_by(ambient_process(unlike=[{"uids": (0, 990, 990, 990)}])),
            PROVEN,
            (("user", FAIL),),
            id="a root thread",
        ),
        pytest.param(held_by(), PROVEN, (("owner", FAIL),), id="another PID namespace"),
        pytest.param(held_by(known=False), PROVEN, (("owner", UNKNOWN),), id="hidden from us"),
        pytest.param(held_by(ambient_process(uid=0)), PROVEN, (("user", FAIL),), id="root"),
        pytest.param(held_by(ambient_process(uid=5)), PROVEN, (("user", FAIL),), id="another user"),
        pytest.param(held_by(ambient_process(uid=5), account=None, **NOBODY), PROVEN, (), id="no user was named"),
        pytest.param(held_by(process()), PROVEN, (), id="it gave all up"),
        pytest.param(held_by(setcap_process()), PROVEN, (), id="it gave up the ambient one alone"),
        pytest.param(held_by(process(bounding=())), PROVEN, (), id="it emptied its bounding set as well"),
        pytest.param(held_by(ambient_process(), process(pid=43)), PROVEN, (), id="one of two gave it up"),
        pytest.param(
            {**GRANTED, "listeners": (listener(process(uid=0)),)}, PROVEN, (("user", FAIL),), id="root has nothing"
        ),
        pytest.param(held_by(ambient_process(ambient=(CAP, RAW))), PROVEN, (("held", FAIL),), id="more than granted"),
        pytest.param(held_by(ambient_process(unlike=[{"ambient": ()}])), PROVEN, (), id="a thread gave it up"),
        pytest.param(
            held_by(ambient_process()),
            Probe(connect={ANY: "ECONNREFUSED"}, stranger=REFUSED),
            (("connect", FAIL),),
            id="refused",
        ),
        *(
            pytest.param(
                held_by(ambient_process()),
                Probe(connect={ANY: outcome}, stranger=REFUSED),
                (("connect", UNKNOWN),),
                id=f"this host itself ends in {outcome}",
            )
            for outcome in NOT_TO_BE_TRIED
        ),
        pytest.param(
            held_by(ambient_process()), Probe(), (("connect", UNKNOWN), ("stranger", UNKNOWN)), id="nothing tried"
        ),
        pytest.param(
            held_by(ambient_process()),
            Probe(connect={ANY: ""}, stranger={"ipv4": ""}),
            (("stranger", FAIL),),
            id="open to a stranger",
        ),
        pytest.param(
            held_by(ambient_process()),
            Probe(connect={ANY: ""}, stranger={"ipv4": "EADDRINUSE"}),
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
        (held_by(process(unit="")), "pid 42 (server, uid 990), which is not part of web"),
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
    found = evidence(Probe(stranger=REFUSED), **fields, description={"ports": ["80/udp"]})
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
    found = prove(judged, probes={Port(80): PROVEN, Port(8080): Probe(connect={ANY: ""})})
    assert [(it.port, it.verdict) for it in found] == [("80", PASS), ("443", FAIL), ("8080", PASS)]
    # A port that is open to everybody is no secret to a stranger.
    assert "stranger" not in [check.code for check in found[2].checks]


def test_an_open_port_needs_no_grant() -> None:
    opened = {"unprivileged_port_start": 80, **sets_at_boot(80)}
    found = evidence(Probe(connect={ANY: ""}), host_fields=opened, listeners=(listener(process()),))
    assert (found.strategy, found.verdict) == ("unneeded", PASS)


def test_what_was_chosen_by_name_is_proven_without_it() -> None:
    ours = {"sysctl_files": {OWN_PATH: render(80)}, "unprivileged_port_start": 80}
    found = evidence(Probe(connect={ANY: ""}), host_fields=ours, listeners=(listener(process()),))
    assert (found.strategy, found.verdict) == ("sysctl", PASS)


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
    account = WEB._replace(uid=991, name="www")
    found = evidence(**held_by(ambient_process(), account=account))
    assert "does not run as www (uid 991)" in found.reasons[0]


def holding(*listeners: Any, **fields: Any) -> Dict[str, Any]:
    return {**GRANTED, "listeners": listeners, **fields}


STRANGER = process(pid=7, unit=OTHER)
V6, DUAL = {"address": ANY6, "v6only": True}, {"address": ANY6, "v6only": False}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            holding(listener(ambient_process()), listener(STRANGER, **V6)), (("owner", FAIL),), id="another's wildcard"
        ),
        pytest.param(
            holding(listener(ambient_process()), listener(STRANGER, address="10.0.0.1")), (), id="another's address"
        ),
        pytest.param(holding(listener(ambient_process(), STRANGER)), (), id="a socket that another holds too"),
        pytest.param(
            holding(listener(ambient_process()), listener(known=False, **V6)), (("owner", UNKNOWN),), id="half hidden"
        ),
        pytest.param(
            holding(listener(ambient_process(), ambient_process(pid=43, permitted=(CAP, RAW)))),
            (("held", FAIL),),
            id="every process counts",
        ),
        pytest.param(
            holding(listener(ambient_process(), address="10.0.0.2")), (("connect", UNKNOWN),), id="one address untried"
        ),
    ],
)
def test_several_holders(fields: Dict[str, Any], expected: Tuple[Tuple[str, str], ...]) -> None:
    assert failing(evidence(**fields)) == expected


SYSTEMD = process(pid=1, uid=0, unit="init.scope")


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        pytest.param((SYSTEMD,), (("owner", UNKNOWN),), id="not accepted yet"),
        pytest.param((SYSTEMD, process()), (), id="accepted"),
        pytest.param((STRANGER,), (("owner", FAIL),), id="held by another"),
    ],
)
def test_a_port_that_a_socket_unit_hands_over(owners: Any, expected: Tuple[Tuple[str, str], ...]) -> None:
    found = evidence(sockets=(socket_unit("80"),), listeners=(listener(*owners),), description={"strategy": "unneeded"})
    assert failing(found) == expected
    assert [check.verdict for check in found.checks if check.code == "stranger"] == [PASS]


@pytest.mark.parametrize(("state", "verdict"), [("active", FAIL), ("failed", FAIL), ("inactive", UNKNOWN)])
def test_a_socket_of_the_collections_own_that_is_not_accepted(state: str, verdict: str) -> None:
    found = evidence(
        sockets=(socket_unit("80"),),
        listeners=(listener(process(pid=1, uid=0, unit="init.scope")),),
        description={"strategy": "socket"},
        installed={"socket": Installed(units=("web.socket",))},
        properties={"ActiveState": state},
    )
    assert [check.verdict for check in found.checks if check.code == "owner"] == [verdict]


@pytest.mark.parametrize(
    ("families", "listeners", "expected"),
    [
        pytest.param([], [{}], [], id="any will do"),
        pytest.param(["ipv4"], [{}], [PASS], id="IPv4"),
        pytest.param(["ipv4", "ipv6"], [{}], [PASS, FAIL], id="IPv4 alone"),
        pytest.param(["ipv4", "ipv6"], [DUAL], [PASS, PASS], id="dual stack"),
        pytest.param(["ipv4", "ipv6"], [V6], [FAIL, PASS], id="IPv6 alone"),
        pytest.param(["ipv4", "ipv6"], [V6, {}], [PASS, PASS], id="two sockets"),
        pytest.param(["ipv4", "ipv6"], [{**DUAL, "v6only": None}], [UNKNOWN, PASS], id="not told"),
        pytest.param(["ipv4"], [{"address": "::1", "v6only": None}], [FAIL], id="one address of IPv6"),
        pytest.param(["ipv4", "ipv6"], [{"address": "::ffff:10.0.0.1"}], [PASS, FAIL], id="a mapped address"),
        pytest.param(["ipv6"], [{**DUAL, "address": "::%eth0"}], [PASS], id="one interface"),
    ],
)
def test_families(families: Any, listeners: Any, expected: Any) -> None:
    fields = holding(*(listener(ambient_process(), **it) for it in listeners), description={"families": families})
    assert [check.verdict for check in evidence(**fields).checks if check.code == "family"] == expected


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        pytest.param([{"address": "10.0.0.1"}, {"address": "::1"}], [PASS, PASS], id="both"),
        pytest.param([{"address": "10.0.0.1"}], [PASS, FAIL], id="one"),
        pytest.param([{}], [PASS, FAIL], id="all of IPv4"),
        pytest.param([DUAL], [PASS, PASS], id="all of both"),
        pytest.param([V6], [FAIL, PASS], id="all of IPv6"),
    ],
)
def test_addresses(listeners: Any, expected: Any) -> None:
    held = (listener(ambient_process(), **it) for it in listeners)
    found = evidence(**holding(*held, description={"addresses": ["10.0.0.1", "::1"]}))
    assert [check.verdict for check in found.checks if check.code == "address"] == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(holding(listener(STRANGER, address="10.0.0.1")), (("listening", FAIL),), id="may listen yet"),
        pytest.param(
            {**BY_FILE, "listeners": (listener(process(executable="/x"), address="10.0.0.1"),)},
            (("listening", UNKNOWN),),
            id="nothing starts it",
        ),
        pytest.param(
            holding(listener(STRANGER, address="10.0.0.1"), description={"addresses": "10.0.0.1"}),
            (("owner", FAIL), ("connect", FAIL)),
            id="on its address",
        ),
    ],
)
def test_others_on_single_addresses(fields: Dict[str, Any], expected: Any) -> None:
    refused = Probe(connect={"10.0.0.1": "ECONNREFUSED"}, stranger=REFUSED)
    assert failing(evidence(refused, **fields)) == expected


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        pytest.param((listener(ambient_process(unit="web@1.service")),), (), id="both"),
        pytest.param((), (("listening", FAIL),), id="the other alone"),
    ],
)
def test_instances_that_share_a_port(ours: Any, expected: Any) -> None:
    sibling = listener(ambient_process(pid=43, unit="web@2.service"))
    granted = {"properties": {**GRANTED["properties"], "Id": "web@1.service"}}
    found = evidence(**holding(*ours, sibling, **granted, description={"unit": "web@1.service"}))
    assert failing(found) == expected


@pytest.mark.parametrize(
    ("listeners", "proven"),
    [
        pytest.param([80, 10005], ["80", "10005/udp"], id="some are in use"),
        pytest.param([80], ["80"], id="none is"),
        pytest.param([], ["80"], id="nothing listens"),
    ],
)
def test_of_many_ports_in_a_row_those_in_use_are_proven(listeners: Any, proven: Any) -> None:
    held = (listener(ambient_process(), port=it, protocol="udp" if it > 1024 else "tcp") for it in listeners)
    judged = case(**holding(*held, description={"ports": ["80", "10000-20000/udp"]}))
    assert [it.port for it in prove(judged, probes={})] == proven


def test_few_ports_in_a_row_and_privileged_ones_are_all_proven() -> None:
    for ports, number in (("8000-8016", 17), ("8000-8015", 16), ("100-200", 101)):
        found = prove(case(**holding(description={"ports": ports})), probes={})
        assert len(found) == (1 if number == 17 else number)


DEMAND = {"description": {"listens": "on_demand"}}
JOB = {"properties": {**GRANTED["properties"], "Type": "oneshot", "ActiveState": "inactive"}}


@pytest.mark.parametrize(
    ("fields", "trial", "expected"),
    [
        pytest.param(DEMAND, "", (("listening", UNKNOWN),), id="a trial bound it"),
        pytest.param(DEMAND, "EACCES", (("listening", UNKNOWN), ("trial", FAIL)), id="a trial may not"),
        pytest.param(DEMAND, "status 226", (("listening", UNKNOWN), ("trial", UNKNOWN)), id="a trial did not start"),
        pytest.param(
            DEMAND, "core-dump, status 31", (("listening", UNKNOWN), ("trial", UNKNOWN)), id="a trial was killed"
        ),
        pytest.param(DEMAND, None, (("listening", UNKNOWN), ("trial", UNKNOWN)), id="no trial"),
        pytest.param(JOB, "", (("listening", UNKNOWN),), id="a job"),
    ],
)
def test_a_service_that_need_not_listen(fields: Dict[str, Any], trial: Any, expected: Any) -> None:
    assert failing(evidence(Probe(trial=trial), **{**GRANTED, **fields})) == expected


def test_anothers_socket_serves_no_family_of_the_service() -> None:
    intruder = listener(process(unit="intruder.service", pid=77), address="127.0.0.1")
    fields = holding(listener(ambient_process(), **V6), intruder, description={"families": ["ipv4"]})
    found = evidence(**fields)
    assert [check.verdict for check in found.checks if check.code == "family"] == [FAIL]
    assert found.addresses == ("::",)


def test_a_stranger_is_tried_on_each_family() -> None:
    tried = Probe(connect=PROVEN.connect, stranger={"ipv4": "EACCES", "ipv6": ""})
    found = evidence(tried, **holding(listener(ambient_process(), **DUAL)))
    assert [check.verdict for check in found.checks if check.code == "stranger"] == [PASS, FAIL]


MASTER = {"pid": 10, "uid": 0, "effective": (CAP, RAW), "permitted": (CAP, RAW)}
AS_PACKAGED: Dict[str, Any] = {"properties": {"User": ""}, "account": None}


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        pytest.param([{"pid": 11}, {"pid": 12}], (("root_parent", FAIL),), id="nginx as packaged"),
        pytest.param(
            [{"pid": 11, "permitted": (RAW,)}], (("root_parent", FAIL), ("held", FAIL)), id="a worker that kept some"
        ),
        pytest.param(
            [{"pid": 11, "uid": 0}], (("strategy", FAIL), ("user", FAIL), ("user", FAIL)), id="no drop at all"
        ),
        pytest.param([{"pid": 11, "parent": 1}], (("strategy", FAIL), ("user", FAIL)), id="not its child"),
    ],
)
def test_a_root_parent(workers: Any, expected: Tuple[Tuple[str, str], ...]) -> None:
    holders = (process(**MASTER), *(process(**{"parent": 10, **worker}) for worker in workers))
    found = evidence(**AS_PACKAGED, listeners=(listener(*holders),))
    assert failing(found) == expected
    assert [it.pid for it in found.processes] == [it.pid for it in holders]


@pytest.mark.parametrize(
    ("holders", "more", "expected"),
    [
        pytest.param([{}], {}, (), id="unbound"),
        pytest.param([{"effective": (CAP, RAW), "permitted": (CAP, RAW)}], {}, (), id="dnsmasq, which keeps some"),
        pytest.param([{}, {"pid": 43}], {}, (), id="two processes"),
        pytest.param([{"uids": (990, 990, 0, 990)}], {}, (("strategy", FAIL), ("user", FAIL)), id="root in reserve"),
        pytest.param(
            [{"unlike": [{"uids": (0, 0, 0, 0)}]}], {}, (("strategy", FAIL), ("user", FAIL)), id="a thread of root"
        ),
        pytest.param(
            [{}],
            {"unit_fields": {"process": process(uid=0)}},
            (("strategy", FAIL), ("user", FAIL)),
            id="its main process stays root and holds no socket",
        ),
    ],
)
def test_who_started_as_root_and_became_a_user(
    holders: Any, more: Dict[str, Any], expected: Tuple[Tuple[str, str], ...]
) -> None:
    as_root = {"properties": {"User": ""}, "account": WEB._replace(name="root", uid=0), **more}
    assert failing(evidence(**as_root, listeners=(listener(*(process(**it) for it in holders)),))) == expected


def test_it_is_told_whom_it_became_and_what_it_keeps() -> None:
    holder = process(effective=(RAW,), permitted=(RAW,), user="unbound")
    as_root: Dict[str, Any] = {"properties": {"User": ""}, "account": WEB._replace(name="root", uid=0)}
    found = evidence(**as_root, listeners=(listener(holder),))
    assert "pid 42 started as root, serves as unbound (uid 990), and keeps cap_net_raw" in [
        check.text for check in found.checks
    ]


@pytest.mark.parametrize(
    ("fields", "listening", "expected"),
    [
        pytest.param({}, {}, (("taken", FAIL),), id="it leads all away"),
        pytest.param({"certain": False}, {}, (("taken", UNKNOWN),), id="it may do so"),
        pytest.param({"port": 81}, {}, (), id="from another port"),
        pytest.param({"protocol": "udp"}, {}, (), id="of another protocol"),
        pytest.param({"family": "ipv6"}, {}, (), id="by a family that is not served"),
        pytest.param({"family": "ipv6"}, {"address": ANY6, "v6only": False}, (("taken", FAIL),), id="by one of both"),
    ],
)
def test_a_rule_that_leads_connections_away(
    fields: Dict[str, Any], listening: Dict[str, Any], expected: Tuple[Tuple[str, str], ...]
) -> None:
    rule = Diversion(**{"port": 80, "protocol": "tcp", "family": "ipv4", "certain": True, "rule": "rule 4", **fields})
    found = evidence(**GRANTED, listeners=(listener(ambient_process(), **listening),), diversions=(rule,))
    assert failing(found) == expected


def test_a_root_parent_is_named_with_its_workers() -> None:
    holders = (process(**MASTER), process(pid=11, parent=10), process(pid=12, parent=10))
    found = evidence(**AS_PACKAGED, listeners=(listener(*holders),))
    assert found.reasons == (
        "pid 10 (server, uid 0 of web.service) started as root, bound port 80 and stays root, "
        "while its workers (pid 11, 12) serve as uid 990",
    )
    assert (found.process, found.strategy) == (holders[1], "")


def test_the_name_of_a_process_does_not_reach_the_terminal() -> None:
    assert "'\\x1b[2J'" in str(process(name="\x1b[2J"))
