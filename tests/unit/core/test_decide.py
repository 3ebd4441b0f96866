# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice for each service, what is told of it, and what is left to do."""

from __future__ import annotations

import re
from typing import Any, Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision, decide, digest_of
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import SocketUnit
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command, commands_of
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    AUTHBIND,
    BIND,
    BINDS,
    CAP,
    SERVER,
    ambient_process,
    authbind_port,
    case,
    listener,
    network,
    process,
    socket_unit,
    together,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NO_UNIT: Dict[str, Any] = {"unit": None}
OUR_RULES = {"authbind_ports": (authbind_port(own_rules=("/etc/authbind/byport/80",)),)}
CONVERGED = {
    "properties": {"AmbientCapabilities": CAP},
    "unit_fields": {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN, "process": ambient_process()},
}


def only(judged: Case) -> Decision:
    return decide(judged.host, [judged.service])[0]


BYPORT = "/etc/authbind/byport/80"


@pytest.mark.parametrize(
    ("line", "allowed", "expected"),
    [
        pytest.param(f"{AUTHBIND} --deep {SERVER}", True, ("authbind", ()), id="it works"),
        pytest.param(f"{AUTHBIND} --deep {SERVER}", False, ("ambient", ("dropin", "restart")), id="no rule"),
        pytest.param(SERVER, True, ("ambient", ("dropin", "restart")), id="not through authbind"),
    ],
)
def test_what_starts_through_authbind_by_itself_is_kept(
    line: str, allowed: bool, expected: Tuple[str, Tuple[str, ...]]
) -> None:
    held = listener(process(authbind=True))
    judged = case(
        unit_fields={"commands": commands_of(line), "process": process(authbind=True)},
        authbind_ports=(authbind_port(allowed=allowed, own_rules=(BYPORT,)),),
        host_fields={"authbind_rules": (RuleFile(BYPORT, 990, 0, 0o500),)},
        listeners=(held,) if allowed else (),
    )
    decision = only(judged)
    assert (decision.strategy, decision.pending) == expected


@pytest.mark.parametrize(
    ("fields", "strategy"),
    [
        pytest.param({"host_fields": {"unprivileged_port_start": 80}}, "unneeded", id="the host lets everybody"),
        pytest.param({}, "ambient", id="a unit"),
        pytest.param({"properties": {"NoNewPrivileges": "yes"}}, "ambient", id="NoNewPrivileges"),
        pytest.param({"host_fields": {"systemd": None}, **NO_UNIT}, "setcap", id="no systemd"),
        pytest.param({**NO_UNIT, "description": {"executable": SERVER}}, "setcap", id="no unit"),
        pytest.param({"description": {"strategy": "authbind"}}, "authbind", id="named"),
        pytest.param({"description": {"strategy": "setcap"}}, "setcap", id="named, less preferred"),
        pytest.param(
            {"properties": {"User": ""}, "description": {"user": "web"}}, "ambient", id="ambient sets the user"
        ),
    ],
)
def test_choice(fields: Dict[str, Any], strategy: str) -> None:
    decision = only(case(**fields))
    assert (decision.strategy, decision.error) == (strategy, "")
    assert decision.why == STRATEGIES[strategy].why(case(**fields))
    assert strategy not in decision.rejected


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        pytest.param(
            {"properties": {"PrivateUsers": "yes"}},
            ("service 'web': no strategy works here:", "unneeded: ", "ambient: ", "setcap: ", "authbind: "),
            id="none left tells them all",
        ),
        pytest.param(
            {"description": {"strategy": "setcap"}, "properties": {"NoNewPrivileges": "yes"}},
            ("service 'web': strategy 'setcap' does not work here:", "NoNewPrivileges=yes in web.service"),
            id="named with a hazard",
        ),
        pytest.param(
            {"description": {"user": "ghost"}, "account": None}, ("user 'ghost' does not exist",), id="no such user"
        ),
        pytest.param({"properties": {"LoadState": "not-found"}}, ("does not exist", "install it"), id="missing"),
        pytest.param(
            {"properties": {"LoadState": "not-found"}, "user_unit": "/etc/systemd/user/web.service"},
            ("is a user's (/etc/systemd/user/web.service)", "a unit of the system with User="),
            id="a user's",
        ),
        pytest.param(
            {"properties": {"Id": "user@2001.service"}}, ("is the manager of all", "with User="), id="a user's"
        ),
        *(
            pytest.param(
                {"properties": {setting: "yes", "ActiveState": state}, "unit_fields": {"process": process()}},
                (f"web.service has {setting}=yes, so nobody can {verb} it", f"set {setting}=no"),
                id=f"{setting} and {state}",
            )
            for setting, state, verb in (
                ("RefuseManualStart", "inactive", "start"),
                ("RefuseManualStart", "active", "restart"),
                ("RefuseManualStop", "active", "restart"),
            )
        ),
        *(
            pytest.param(
                {"listeners": (listener(process(unit=unit, user="ann", name="PM2")),)},
                (f"held by pid 42 (PM2, uid 990 ann of {unit})", "started from a login", "(User=ann)", f"({way})"),
                id=f"held by what a login started: {unit}",
            )
            for unit, way in (
                ("session-c2.scope", "loginctl terminate-session c2"),
                ("user@990.service", "kill 42"),
            )
        ),
        pytest.param({"properties": {"LoadState": "masked"}}, ("is masked", "systemctl unmask"), id="masked"),
        pytest.param({"properties": {"LoadState": "bad-setting"}}, ("is bad-setting", "mend its file"), id="broken"),
        pytest.param(
            {"properties": {"LoadState": "error", "LoadError": "Invalid argument"}},
            ("cannot be shown by systemd", "Invalid argument", "in UTF-8"),
            id="unshown",
        ),
    ],
)
def test_errors_say_what_to_do(fields: Dict[str, Any], parts: Tuple[str, ...]) -> None:
    decision = only(case(**fields))
    assert decision.strategy == ""
    assert decision.why == decision.error
    assert decision.pending == decision.surplus == ()
    for part in parts:
        assert part in decision.error


@pytest.mark.parametrize(
    ("fields", "strategy", "unknown"),
    [
        pytest.param({}, "ambient", set(), id="nothing"),
        pytest.param({"unread": {"unit": "a line"}}, "ambient", {"ambient", "setcap", "authbind"}, id="all rest on it"),
        pytest.param(
            {"unread": {"interpreter": "closed"}},
            "setcap",
            {"ambient", "authbind"},
            id="the one that does not comes first",
        ),
        pytest.param(
            {"unread": {"interpreter": "closed"}, "description": {"strategy": "ambient"}},
            "ambient",
            {"ambient", "authbind"},
            id="by its name",
        ),
        pytest.param(
            {"unread": {"program": "closed"}, "program": None},
            "ambient",
            {"ambient", "authbind"},
            id="the rest is rejected",
        ),
        pytest.param(
            {"network": network(unprivileged_port_start=None)}, "ambient", {"unneeded"}, id="perhaps nothing is needed"
        ),
    ],
)
def test_what_rests_on_an_unknown_is_tried_last(fields: Dict[str, Any], strategy: str, unknown: Any) -> None:
    decision = only(case(**fields))
    assert (decision.strategy, decision.error, set(decision.unknown)) == (strategy, "", unknown)
    told = [warning for warning in decision.warnings if "is tried, and the proof decides" in warning]
    assert bool(told) is (strategy in unknown)


def test_a_preference_does_not_lift_a_doubt() -> None:
    judged = case(unread={"interpreter": "closed"})
    rule = Rule(effect="prefer", strategy="authbind", when="`true`", why="so")
    assert decide(judged.host, [judged.service], policy={"web": (rule,)})[0].strategy == "setcap"


@pytest.mark.parametrize(
    ("effect", "strategy", "properties", "told"),
    [
        (
            "prefer",
            "setcap",
            {},
            "setcap gives the ports to everyone who can execute its program; ambient, which works",
        ),
        ("prefer", "setcap", {"PrivateNetwork": "no"}, "gives them to its unit alone"),
        ("prefer", "authbind", {}, "authbind gives the ports to its user; ambient, which works too"),
        ("prefer", "ambient", {}, ""),
        ("require", "setcap", {}, ""),
    ],
)
def test_a_policy_that_prefers_the_wider_one(effect: str, strategy: str, properties: Dict[str, str], told: str) -> None:
    judged = case(properties=properties)
    rule = Rule(effect=effect, strategy=strategy, when="`true`", why="so")
    decision = decide(judged.host, [judged.service], policy={"web": (rule,)})[0]
    warnings = [warning for warning in decision.warnings if warning.startswith("policy rule")]
    assert (decision.strategy, bool(warnings)) == (strategy, bool(told))
    assert told in "".join(warnings)


def test_nothing_is_said_where_the_narrower_one_does_not_work() -> None:
    judged = case(host_fields={"systemd": None, "authbind": None}, unit=None)
    rule = Rule(effect="prefer", strategy="setcap", when="`true`", why="so")
    assert "policy" not in "".join(decide(judged.host, [judged.service], policy={"web": (rule,)})[0].warnings)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (socket_unit("80", active=False), True),
        (socket_unit("80", active=False, enabled=False), False),
        (socket_unit("81", active=False), False),
        (socket_unit("80", active=False, triggers=("a.service",)), False),
        (socket_unit("80"), False),
    ],
)
def test_a_socket_unit_of_the_next_boot(found: SocketUnit, told: bool) -> None:
    warnings = only(case(sockets=(found,))).warnings
    assert ("web.socket is enabled and will hold its ports" in "".join(warnings)) is told


def test_a_named_strategy_tells_of_no_other() -> None:
    fields = {"description": {"strategy": "setcap"}, "properties": {"NoNewPrivileges": "yes"}}
    assert "authbind" not in only(case(**fields)).error


@pytest.mark.parametrize(
    ("fields", "surplus"),
    [
        pytest.param({"program_fields": BINDS}, ("setcap",), id="a capability that ambient makes needless"),
        pytest.param({"program_fields": {"capability": ""}}, ("setcap",), id="an empty attribute"),
        pytest.param(OUR_RULES, ("authbind",), id="rules"),
        pytest.param({"program_fields": BINDS, **OUR_RULES}, ("setcap", "authbind"), id="both"),
        pytest.param(CONVERGED, (), id="converged"),
        pytest.param({**CONVERGED, "description": {"strategy": "setcap"}}, ("ambient",), id="another was named"),
        pytest.param({**CONVERGED, "description": {"strategy": "authbind"}}, (), id="authbind takes the drop-in over"),
        pytest.param({**CONVERGED, "description": {"state": "absent"}}, ("ambient",), id="absent"),
        pytest.param(
            {"program_fields": {"path": "/usr/bin/python3.11", "attribute": BIND, **BINDS}},
            (),
            id="an interpreter's is not ours",
        ),
        pytest.param(
            {
                "program_fields": {"path": "/usr/bin/python3.11", "attribute": BIND, **BINDS},
                "description": {"strategy": "ambient"},
            },
            ("setcap",),
            id="a named strategy takes an interpreter's over",
        ),
        pytest.param({"host_fields": {"unprivileged_port_start": 0}, **OUR_RULES}, ("authbind",), id="nothing needed"),
    ],
)
def test_surplus(fields: Dict[str, Any], surplus: Tuple[str, ...]) -> None:
    assert only(case(**fields)).surplus == surplus


def test_absent_has_nothing_pending_and_no_error() -> None:
    decision = only(case(description={"state": "absent"}, properties={"PrivateUsers": "yes", "LoadState": "masked"}))
    assert (decision.strategy, decision.error, decision.pending) == ("", "", ())


def test_the_unit_of_a_decision() -> None:
    decision = only(case(description={"ports": ["8080", "443/udp", 80]}, properties={"ActiveState": "failed"}))
    assert decision.ports == ("80", "443/udp", "8080")
    assert (decision.unit, decision.unit_forgives) == ("web.service", True)
    assert (decision.executable, decision.user) == (SERVER, "web")


@pytest.mark.parametrize(
    ("path", "state", "forgives"),
    [
        ("/etc/systemd/system/web.service", "failed", True),
        ("/run/systemd/transient/web.service", "failed", False),
        ("/run/systemd/transient/web.service", "active", True),
    ],
)
def test_a_transient_unit_that_failed_is_lost_by_reset(path: str, state: str, forgives: bool) -> None:
    decision = only(case(properties={"FragmentPath": path, "ActiveState": state}))
    assert decision.unit_forgives is forgives


def test_nothing_known_is_empty() -> None:
    decision = only(case(unit=None, program=None, account=None))
    assert (decision.unit, decision.unit_forgives, decision.executable, decision.user) == ("", False, "", "")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param({}, True, id="the same"),
        pytest.param({"warnings": ("x",), "why": "x", "retained": ("x",)}, True, id="words change nothing"),
        pytest.param({"strategy": "setcap"}, False, id="another strategy"),
        pytest.param({"pending": ()}, False, id="less to do"),
        pytest.param({"surplus": ("setcap",)}, False, id="something to remove"),
        pytest.param({"voiding": ("setcap",)}, False, id="something to remove at once"),
        pytest.param({"state": "absent"}, False, id="another state"),
        pytest.param({"name": "wéb"}, False, id="another service"),
    ],
)
def test_the_digest_of_decisions(other: Dict[str, Any], same: bool) -> None:
    decision = only(case())
    assert re.fullmatch("[0-9a-f]{64}", digest_of([decision]))
    assert (digest_of([decision]) == digest_of([decision._replace(**other)])) is same


def test_an_observation_of_other_services() -> None:
    with pytest.raises(InvalidInput, match="'web' was not observed"):
        decide(together([])[0], [case().service])


def test_the_order_is_that_of_the_services() -> None:
    cases = [case(name=name, description={"name": name, "ports": [port]}) for port, name in enumerate("bca", start=80)]
    assert [decision.name for decision in decide(*together(cases))] == ["b", "c", "a"]


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


SWITCH = one_of("yes", "no", "")
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "LoadState": one_of("loaded", "masked", "not-found", "bad-setting"),
        "ActiveState": one_of("active", "inactive", "failed"),
        "User": one_of("", "root", "0", "web", "www", "990"),
        "DynamicUser": SWITCH,
        "NoNewPrivileges": SWITCH,
        "LockPersonality": SWITCH,
        "PrivateUsers": SWITCH,
        "PrivateUsersEx": one_of("no", "self"),
        "PrivateNetwork": SWITCH,
        "AmbientCapabilities": one_of("", CAP),
        "CapabilityBoundingSet": one_of("", CAP, "cap_chown"),
        "RestrictAddressFamilies": one_of("~", "", "AF_INET", "AF_UNIX", "~AF_INET AF_INET6") | st.text(max_size=8),
        "SocketBindDeny": one_of("any", "tcp80", "ipv4:tcpany", "443") | st.text(max_size=8),
        "SocketBindAllow": one_of("", "80") | st.text(max_size=8),
    },
)
CASES = st.fixed_dictionaries(
    {
        "properties": PROPERTIES,
        "description": st.fixed_dictionaries(
            {
                "strategy": one_of("auto", *STRATEGIES),
                "state": one_of("present", "absent"),
                "ports": one_of([80], [80, 443], [8080], ["53/udp"], [1, 1023, 1024]),
            },
            optional={"user": one_of("web", "root", "0")},
        ),
        "host_fields": st.fixed_dictionaries(
            {"systemd": one_of(None, 228, 247, 252, 257), "unprivileged_port_start": one_of(None, 0, 80, 1024)}
        ),
        "unit_fields": st.fixed_dictionaries(
            {
                "commands": one_of(
                    (), (Command("", SERVER),), (Command("+", SERVER), Command("@", ""), Command("", "sh -c '"))
                ),
                "dropin_strategy": one_of("", "ambient", "authbind"),
                "process": one_of(None, process(), ambient_process(), process(authbind=None)),
            }
        ),
        "program_fields": st.fixed_dictionaries(
            {
                "form": one_of("elf-dynamic", "elf-static", "go", "script", "other"),
                "mode": one_of(0o755, 0o4755, 0o2755),
                "capability": one_of(None, "", f"{CAP}=ep", "cap_net_raw=p", "cap_chown,cap_net_raw=ep"),
                "path": one_of(SERVER, "/usr/bin/python3.11"),
                "refusals": one_of((), ("a script",)),
            }
        ),
    }
)
GAPS = st.sets(one_of("unit", "program", "account"))


@given(fields=CASES, gaps=GAPS)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_a_choice_is_never_blocked(fields: Dict[str, Any], gaps: Any) -> None:
    instead = {"unit": "unit_fields", "program": "program_fields"}
    dropped = {instead.get(gap) for gap in gaps} | ({"properties"} if "unit" in gaps else set())
    kept = {key: value for key, value in fields.items() if key not in dropped}
    if kept.get("description", {}).get("strategy") == "superserver":
        # It is of services that say what starts them, and of no unit.
        kept["description"] = {**kept["description"], "superserver": "systemd", "command": [SERVER], "user": "web"}
        kept.pop("unit_fields", None)
        gaps = gaps | {"unit"}
        kept.pop("properties", None)
    judged = case(**kept, **dict.fromkeys(gaps))
    decision = only(judged)
    if decision.strategy:
        assert STRATEGIES[decision.strategy].blockers(judged) == ()
        assert judged.service.strategy in ("auto", decision.strategy)
    else:
        assert judged.service.state == "absent" or decision.error
    assert decision.strategy not in decision.surplus


@pytest.mark.parametrize(
    ("strategy", "fields", "surplus", "voiding"),
    [
        pytest.param("ambient", {"program_fields": BINDS}, ("setcap",), ("setcap",), id="a capability voids ambient"),
        pytest.param("authbind", {"program_fields": BINDS}, ("setcap",), ("setcap",), id="and authbind's preload"),
        pytest.param("ambient", OUR_RULES, ("authbind",), (), id="rules void nothing"),
        pytest.param("setcap", CONVERGED, ("ambient",), (), id="nothing voids a file capability"),
    ],
)
def test_what_voids_goes_before_the_proof(
    strategy: str, fields: Dict[str, Any], surplus: Tuple[str, ...], voiding: Tuple[str, ...]
) -> None:
    decision = only(case(description={"strategy": strategy}, **fields))
    assert (decision.error, decision.surplus, decision.voiding) == ("", surplus, voiding)


def test_nothing_voids_what_is_to_be_absent() -> None:
    decision = only(case(description={"state": "absent"}, program_fields=BINDS))
    assert (decision.surplus, decision.voiding) == (("setcap",), ())
