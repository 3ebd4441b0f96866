# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of plans, proofs and runs: the whole text of typical cases."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Dict, List, Sequence, Set

import pytest
from ansible_collections.netbind.privport.plugins.filter.privport_plan import privport_plan
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import STRATEGY_NAMES
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.advice import advise
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import Probe
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import prove
from ansible_collections.netbind.privport.plugins.module_utils._core.report.diff import diff_of
from ansible_collections.netbind.privport.plugins.module_utils._core.report.plan_text import plan_text
from ansible_collections.netbind.privport.plugins.module_utils._core.report.proof_text import proof_text
from ansible_collections.netbind.privport.plugins.module_utils._core.report.run_text import msg_of, run_text
from ansible_collections.netbind.privport.plugins.module_utils._core.report.ways_out import STEPS, ways_out
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    CAP,
    SERVER,
    ambient_process,
    case,
    facts,
    host,
    listener,
    process,
    program,
)
from ansible_collections.netbind.privport.tests.unit.fake_host import fixture

PLUGINS = Path(__file__).parents[3] / "plugins"
GRANTED: Dict[str, Any] = {
    "properties": {"AmbientCapabilities": CAP},
    "unit_fields": {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN, "process": ambient_process()},
}
BARE: Dict[str, Any] = {"systemd": None, "init_scripts": True, "authbind": None}
PYTHON: Dict[str, Any] = {
    "path": "/usr/bin/python3.11",
    "refusals": (
        "/usr/bin/python3.11 is an interpreter that every user can execute, and each would get the capability; "
        "grant it to a private copy of mode 0750",
    ),
}
SCRIPT: Dict[str, Any] = {
    "path": "/srv/dns",
    "form": "script",
    "refusals": (
        "/srv/dns is a script run by /bin/sh, and the kernel ignores the capabilities of a script; "
        "use another strategy, or the compiled program itself",
    ),
}
RULE = {"when": "`true`", "why": "our packages are upgraded every night"}


def decided(
    *services: Dict[str, Any], policy: Sequence[Dict[str, str]] = (), **host_fields: Any
) -> List[Dict[str, Any]]:
    """The plan of a host; a service is its description, with what facts() takes as 'facts'."""
    found = [facts(name=it["name"], **it.get("facts", {})) for it in services]
    declared = [{key: value for key, value in it.items() if key != "facts"} for it in services]
    plan: List[Dict[str, Any]] = privport_plan(dump(host(*found, **host_fields)), declared, list(policy))
    return plan


def web(**fields: Any) -> Dict[str, Any]:
    return {"name": "web", "ports": [80], "unit": "web.service", **fields}


def other(name: str, port: int, **properties: str) -> Dict[str, Any]:
    """A service of another unit and program."""
    shown = {"Id": f"{name}.service", **properties}
    found = {"properties": shown, "program_fields": {"path": f"/usr/sbin/{name}"}}
    return {"name": name, "ports": [port], "unit": f"{name}.service", "facts": found}


def without_unit(name: str, *ports: Any, **program_fields: Any) -> Dict[str, Any]:
    found = {"unit": None, "program": program(**program_fields)}
    return {"name": name, "ports": list(ports), "executable": program_fields["path"], "user": "web", "facts": found}


NGINX = other("nginx", 443, User="")
SERVED = {**GRANTED, "listeners": (listener(ambient_process()),)}
PLANS = [
    pytest.param([web()], {}, id="one service that is fine"),
    pytest.param([web(facts=SERVED)], {}, id="nothing to do"),
    pytest.param(
        [without_unit("web", 80, 443, **PYTHON), without_unit("dns", 53, "53/udp", **SCRIPT)],
        BARE,
        id="two services without systemd",
    ),
    pytest.param(
        [web(), other("mail", 25), other("boxed", 81, PrivateUsers="yes"), other("ldap", 389), other("ftp", 21)],
        {},
        id="one of five is refused",
    ),
    pytest.param([NGINX], {}, id="nginx as root"),
    pytest.param(
        [web()], {"policy": [{"require": "setcap", **RULE}, {"forbid": "setcap", **RULE}]}, id="rules that exclude all"
    ),
    pytest.param([web(strategy="setcap")], {"policy": [{"forbid": "setcap", **RULE}]}, id="a strategy that is named"),
    pytest.param([web(user="www", facts={"account": None})], {}, id="a description that is wrong"),
    pytest.param([web(state="absent", facts=SERVED)], {}, id="a service that is to be absent"),
]
# What is to be read, by the line '=== NAME' above it.
TEXTS = dict(re.findall(r"^=== (.*)\n((?:(?!===).*\n)*)", fixture("report.txt"), re.MULTILINE))


@pytest.mark.parametrize(("services", "ground"), PLANS)
def test_a_plan(services: List[Dict[str, Any]], ground: Dict[str, Any], request: pytest.FixtureRequest) -> None:
    assert plan_text({"a": decided(*services, **ground)}, details=False) + "\n" == TEXTS[request.node.callspec.id]


def test_details_tell_each_reason_once_for_all_strategies_that_it_stands_against() -> None:
    assert plan_text({"a": decided(NGINX)}, details=True) + "\n" == TEXTS["nginx as root, with details"]


def test_hosts_of_which_the_same_is_told_stand_together() -> None:
    plan = decided(NGINX)
    assert plan_text({"a": plan, "b": plan}, details=False).split("\n")[-3:] == [
        "What helps, the least effort first. Any one line is enough for its service:",
        "nginx on a, b:",
        "  - if it can start as a user, with files that this one may read and write, say user: NAME",
    ]


def test_no_services() -> None:
    assert plan_text({"a": []}, details=True) == proof_text({"a": []}) == "No services are declared for these hosts."
    assert run_text({"plan": []}) == "No services are declared for these hosts."


# --- ways out

SETS = "(systemctl edit web.service)"


def step_of(code: str, evidence: str = "", *, text: str = "a fault; mend it", strategy: str = "ambient") -> str:
    """What helps against the one reason that stands against a strategy, '' where nothing does."""
    decision = decided(web())[0]
    rejected = {strategy: [{"code": code, "text": text, "evidence": evidence}]}
    asked = {**decision["service"], "strategy": "auto"}
    return " | ".join(map(str, ways_out({**decision, "rejected": rejected, "service": asked})))


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            ("no_new_privs", "NoNewPrivileges=yes in web.service"),
            f"add to web.service the lines '[Service]' and 'NoNewPrivileges=no' {SETS}",
        ),
        (
            ("no_new_privs", "DynamicUser=yes in web.service"),
            f"say User= instead of DynamicUser= in web.service {SETS}",
        ),
        (("no_new_privs", "NoNewPrivs of process 1 (init)"), "have the engine of this container start it without"),
        (
            ("implied_no_new_privs", "implied by PrivateDevices=yes in web.service under systemd 252"),
            f"drop what implies NoNewPrivileges= from web.service: PrivateDevices= {SETS}",
        ),
        (("bounding_set", "CapabilityBoundingSet= in web.service"), "say widen: [bounding_set]"),
        (("bounding_set", "CapBnd of process 1 (init)"), "have the engine of this container give it"),
        (("runs_as_root", "+"), "take the prefix + off ExecStart= of web.service"),
        (("runs_as_root", "ExecStart=su web in web.service"), "have web.service execute the program itself"),
        (("no_account", "User=www in web.service"), "make the user www (useradd --system www)"),
        (("selinux_port", "domain a"), "mend it"),
        (("not_executable", "web.service"), "mend this: a fault; mend it"),
        (("no_systemd", "no /run/systemd/system"), ""),
        (("privileged", "ip_unprivileged_port_start=1024"), ""),
    ],
)
def test_a_way_out(reason: Sequence[str], told: str) -> None:
    found = step_of(*reason)
    assert found.startswith(told)
    assert bool(found) is bool(told)


def test_there_is_no_way_by_a_strategy_of_which_one_reason_stays() -> None:
    decision = decided(other("web", 80, PrivateUsers="yes"))[0]
    fine, stays = ({"code": code, "text": "a fault", "evidence": "so"} for code in ("no_authbind", "high_port"))
    assert ways_out({**decision, "rejected": {"authbind": [fine]}})[0].steps == (
        "install authbind (apt-get install authbind)",
    )
    assert ways_out({**decision, "rejected": {"authbind": [fine, stays]}}) == ()


def test_the_user_is_set_in_the_unit_where_the_description_names_it_already() -> None:
    service = {**NGINX, "user": "web", "strategy": "setcap"}
    told = [str(way) for way in ways_out(decided(service)[0])]
    assert told[-1].endswith("set User=web in nginx.service (systemctl edit nginx.service) [setcap]")


def test_a_port_that_is_moved_already_is_not_moved_again() -> None:
    told = str(ways_out(decided(web(ports=[80, 443], backend_ports={80: 9000}, strategy="redirect"))[0])[-1])
    assert told == "say backend_ports: {80: 9000, 443: 8443} and have it listen there [redirect]"


# Nothing takes these away, or nothing that could be said in a line; another strategy may work all the same.
STAYS = {
    *["old_systemd", "no_command", "high_port", "preload_in_vain", "tcp_only", "other_network", "image"],
    *["unsupported", "unchangeable", "no_setting", "privileged"],
}
# These keep no strategy from being tried.
DOUBTS = {
    "backend_silent",
    "confinement",
    "input_rules",
    "loader_environment",
    "socket_activation",
    "unread_program",
    "wrapped",
}


def codes_of_reasons() -> Set[str]:
    """Every code that a reason against a strategy can have: the first argument of what makes one, or code=…"""
    makers = {"Reason", "Unknown", "Refusal", "Obstacle", "kind", "judge_access"}
    calls = [
        node
        for path in (PLUGINS / "module_utils").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in makers
    ]
    given = [
        *(call.args[0] for call in calls if call.args),
        *(keyword.value for call in calls for keyword in call.keywords if keyword.arg == "code"),
    ]
    return {node.value for node in given if isinstance(node, ast.Constant)}


def test_each_reason_has_a_way_out_or_is_known_to_have_none() -> None:
    known = {step.code for step in STEPS}
    assert codes_of_reasons() == known | STAYS | DOUBTS
    assert not known & (STAYS | DOUBTS)
    assert {step.strategy for step in STEPS} <= {"", *STRATEGY_NAMES}


# --- proofs


def evidence(*cases: Any, journal: Sequence[str] = ()) -> List[Dict[str, Any]]:
    """What privport_verify returns of these services."""
    probe = Probe(connect={"0.0.0.0": ""}, stranger={"ipv4": "EACCES"})
    return [
        dump(advise(it, found, journal=journal))
        for it in cases
        for found in prove(it, probes=dict.fromkeys(it.service.ports, probe))
    ]


PROVEN = case(**SERVED)
DEAD = case(properties={"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "NRestarts": "5"})
IDLE = case(
    unit=None,
    program_fields={"capability": f"{CAP}=ep", "binds": True},
    description={"strategy": "setcap", "executable": SERVER},
)
REFUSED = case(
    properties={"PrivateUsers": "yes"}, listeners=(listener(process(), port=81),), description={"ports": [81]}
)


def test_a_proof() -> None:
    by_host = {"a": evidence(PROVEN), "b": evidence(DEAD, IDLE), "c": evidence(REFUSED)}
    assert proof_text(by_host) + "\n" == TEXTS["a proof"]


def test_a_proof_without_failures_ends_with_its_table() -> None:
    assert len(proof_text({"a": evidence(PROVEN)}).split("\n")) == 4


# --- runs

WROTE = {"service": "web", "text": "/etc/systemd/system/web.service.d/50-privport.conf written"}
STARTED = {"service": "web", "text": "restarted"}
SHARED = {"service": "", "text": "systemd read its units again"}
JOURNAL = {"web.service": ["host server[1]: bind: Permission denied"]}


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        pytest.param(
            {"plan": decided(web()), "steps": [WROTE, STARTED], "evidence": evidence(PROVEN)},
            ["web: /etc/systemd/system/web.service.d/50-privport.conf written, restarted, proven on port 80"],
            id="granted",
        ),
        pytest.param(
            {
                "plan": decided(web(ports=[80, 443])),
                "steps": [],
                "evidence": [{**evidence(PROVEN)[0], "port": port} for port in ("80", "443")],
            },
            ["web: nothing to do, proven on ports 80, 443"],
            id="nothing to do",
        ),
        pytest.param(
            {"plan": decided(web()), "steps": [WROTE, SHARED]},
            [
                "web: /etc/systemd/system/web.service.d/50-privport.conf written",
                "systemd read its units again",
            ],
            id="check mode",
        ),
        pytest.param(
            {"plan": decided(web()), "evidence": evidence(IDLE)},
            ["web: nothing to do, not proven on port 80: granted, not listening"],
            id="unknown",
        ),
        pytest.param(
            {"plan": decided(web(state="absent", facts=SERVED)), "steps": [{**WROTE, "text": "drop-in removed"}]},
            [
                "web: drop-in removed",
                "  note: pid 42 (server, uid 990 of web.service) keeps cap_net_bind_service until web.service is "
                "restarted",
            ],
            id="absent",
        ),
        pytest.param(
            {"plan": decided(web(), NGINX)},
            [
                "nginx: nginx.service starts as root and binds port 443 itself, and does not listen there now",
                "  what to do: if it can start as a user, with files that this one may read and write, say user: NAME",
            ],
            id="refused",
        ),
        pytest.param(
            {
                "plan": decided(web()),
                "verdict": "fail",
                "evidence": evidence(DEAD, journal=JOURNAL["web.service"]),
                "journal": JOURNAL,
                "restored": ["removed a.conf", "restarted web.service"],
                "left": [],
            },
            [
                "web: the grant of strategy ambient is not in place: dropin missing",
                "web: nothing listens on port 80; web.service is failed (failed, result exit-code, restarted 5 times); "
                "see journalctl -u web.service",
                "  what to do: apply it with the role netbind.privport.privport or the playbook "
                "netbind.privport.rollout",
                "  what to do: EACCES: the kernel refused the port, for the process that called bind() lacked "
                "cap_net_bind_service",
                "the last lines of web.service:",
                "  host server[1]: bind: Permission denied",
                "restored: removed a.conf; restarted web.service",
            ],
            id="restored",
        ),
        pytest.param(
            {"plan": decided(web()), "reasons": ["the disk is full"], "restored": [], "left": ["a.conf: read-only"]},
            [
                "the disk is full",
                "restored: nothing",
                "not restored: a.conf: read-only; put that right by hand, or mend it and run the role again",
            ],
            id="not restored",
        ),
        pytest.param(
            {"plan": decided(web()), "reasons": ["the disk is full"], "restored": [], "left": []},
            ["the disk is full", "restored: nothing, because nothing had changed"],
            id="nothing had changed",
        ),
    ],
)
def test_a_run(result: Dict[str, Any], lines: List[str]) -> None:
    assert msg_of(result).split("\n") == lines


def test_each_difference_is_told_once() -> None:
    changes = [("a", "1\n", "2\n"), ("b", "", "new\n"), ("a", "2\n", "3\n"), ("c", "x", "y"), ("c", "y", "x")]
    assert diff_of(changes) == [
        {"before_header": "a", "after_header": "a", "before": "1\n", "after": "3\n"},
        {"before_header": "b", "after_header": "b", "before": "", "after": "new\n"},
    ]
