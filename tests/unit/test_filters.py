# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's doors to the core: plain data in, plain data out, one sentence for wrong input."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.netbind.privport.plugins.filter.privport_plan import (
    privport_checked,
    privport_idle_rules,
    privport_plan,
)
from ansible_collections.netbind.privport.plugins.filter.privport_tables import (
    privport_plan_table,
    privport_plan_text,
    privport_proof_table,
    privport_proof_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.tests.unit.core.cases import case

SERVICES = [{"name": "web", "ports": [80], "unit": "web.service"}]


def observation(**fields: Any) -> dict[str, Any]:
    """What privport_info returns, as it arrives at the controller."""
    return json.loads(json.dumps({**dump(case(**fields).host), "grants": None}))


def test_a_plan_is_plain_data_with_what_the_role_needs() -> None:
    plan = privport_plan(observation(), SERVICES)
    assert json.loads(json.dumps(plan)) == plan
    assert [it["strategy"] for it in plan] == ["ambient"]
    assert plan[0]["pending"] == ["dropin", "start"] or plan[0]["pending"] == ["dropin", "restart"]
    assert plan[0]["service"] == {
        "name": "web",
        "ports": ["80"],
        "unit": "web.service",
        "strategy": "ambient",
        "state": "present",
    }


def test_a_plan_hands_on_what_the_proof_asks_for() -> None:
    declared = {
        "socket_activation": True,
        "socket": {"backlog": 9, "no_delay": False, "address_deny": ["any"]},
        "backend_ports": {"80": 8080},
        "forward_with": "socat",
        "families": ["ipv6"],
    }
    plan = privport_plan(observation(), [{**SERVICES[0], **declared}])
    assert {key: plan[0]["service"][key] for key in declared} == declared
    assert parse_services([plan[0]["service"]]) == parse_services([{**SERVICES[0], **declared, "strategy": "socket"}])


def test_a_rejection_has_code_text_and_evidence() -> None:
    plan = privport_plan(observation(properties={"NoNewPrivileges": "yes"}), SERVICES)
    reason = plan[0]["rejected"]["setcap"][0]
    assert (reason["code"], reason["evidence"]) == ("no_new_privs", "NoNewPrivileges=yes in web.service")
    assert reason["text"]


@pytest.mark.parametrize(
    ("when", "chosen"),
    [
        ("`true`", "setcap"),
        ("systemd == `252`", "setcap"),
        ("systemd == `257`", "ambient"),
        ("service.unit.properties.User == 'nobody-at-all'", "ambient"),
        ("service.declared.ports[?number == `80`]", "setcap"),
        ("contains(service.program.path, 'server')", "setcap"),
    ],
)
def test_a_rule_applies_where_its_expression_is_true(when: str, chosen: str) -> None:
    policy = [{"forbid": "ambient", "when": when, "why": "the site says so"}]
    assert privport_plan(observation(), SERVICES, policy)[0]["strategy"] == chosen


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param((observation(), [{"name": "web", "ports": [0]}]), "service 'web': ports holds '0'", id="service"),
        pytest.param((observation(), [{"name": "other", "ports": [80]}]), "'other' was not observed", id="unobserved"),
        pytest.param((observation(), SERVICES, [], "maybe"), "keep is 'maybe'; write true or false", id="keep"),
        pytest.param(("text", SERVICES), "observe the host again", id="no-observation"),
        pytest.param(({"format": 0}, SERVICES), "observe the host again", id="other-version"),
        pytest.param(
            (observation(), SERVICES, [{"forbid": "setcap", "when": "systemd ==", "why": "x"}]),
            "policy rule {forbid: setcap, when: 'systemd =='}: its expression cannot be evaluated",
            id="expression",
        ),
        pytest.param(
            (observation(), SERVICES, [{"forbid": "setcap", "when": "nosuch(@)", "why": "x"}]),
            "Unknown function: nosuch()",
            id="function",
        ),
    ],
)
def test_wrong_input_gets_one_sentence(arguments: tuple[Any, ...], told: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        privport_plan(*arguments)
    assert told in str(refused.value)


RIGHT = {"name": "web", "ports": [80]}


@pytest.mark.parametrize(
    ("services", "right", "wrong"),
    [
        ([RIGHT], [RIGHT], []),
        (json.dumps([RIGHT]), [RIGHT], []),
        ([{"name": "bad", "ports": [0]}, RIGHT, {"ports": [81]}], [RIGHT], ["ports holds '0'", "has the name ''"]),
        (["web", RIGHT, 5, None], [RIGHT], ["services[0] is 'web'", "services[2] is 5", "services[3] is None"]),
        ([RIGHT, {"name": "other", "ports": [80]}], [RIGHT], ["ports holds 80, which service 'web' has too"]),
    ],
)
def test_a_wrong_description_does_not_hide_the_others(services: Any, right: Any, wrong: Any) -> None:
    found = privport_checked(services)
    assert found["right"] == right
    assert all(part in told for part, told in zip(wrong, found["wrong"]))
    assert len(wrong) == len(found["wrong"])


def test_what_is_no_list_of_descriptions() -> None:
    with pytest.raises(AnsibleFilterError, match="privport_checked: services is 'web', not a list"):
        privport_checked("web")


@pytest.mark.parametrize(("keep", "means"), [("true", True), (" No ", False), (1, True), (False, False), (None, None)])
def test_what_is_written_as_text_means_the_same(keep: Any, means: Any) -> None:
    policy = [{"forbid": "ambient", "when": "`true`", "why": "the site says so"}]
    written = privport_plan(observation(), json.dumps(SERVICES), json.dumps(policy), keep)
    assert written == privport_plan(observation(), SERVICES, policy, means)
    assert privport_idle_rules({"host-a": written}, json.dumps(policy)) == []


def test_rules_that_apply_nowhere_are_told() -> None:
    policy = [{"forbid": name, "when": when, "why": "so"} for name, when in (("setcap", "`true`"), ("ambient", "none"))]
    plans = {"host-a": privport_plan(observation(), SERVICES, policy), "host-b": []}
    assert privport_idle_rules(plans, policy) == ["{forbid: ambient, when: 'none'}"]
    with pytest.raises(AnsibleFilterError, match="policy is 'x', not a list"):
        privport_idle_rules(plans, "x")


def test_the_plan_table_says_what_would_change() -> None:
    lines = privport_plan_table({"host-a": privport_plan(observation(), SERVICES)})
    assert lines[0].split() == ["HOST", "SERVICE", "PORTS", "STRATEGY", "WOULD", "CHANGE", "WHY"]
    assert lines[2].split()[:4] == ["host-a", "web", "80", "ambient"]
    assert "a drop-in for web.service" in lines[2]


def test_a_second_table_says_what_was_rejected_and_why() -> None:
    plan = privport_plan(observation(properties={"NoNewPrivileges": "yes"}), SERVICES)
    lines = privport_plan_table({"host-a": plan})
    heading = next(line for line in lines[2:] if line.startswith("HOST"))
    assert heading.split() == ["HOST", "SERVICE", "REJECTED", "BECAUSE", "SEEN"]
    row = next(line for line in lines[lines.index(heading) :] if "setcap" in line)
    assert "NoNewPrivileges=yes in web.service" in row


def test_a_third_table_says_what_is_tried_last_and_why() -> None:
    found = observation(properties={"PrivateUsers": "sometimes"})
    plan = privport_plan(found, SERVICES)
    assert plan[0]["unknown"]["ambient"][0]["code"] == "private_users"
    lines = privport_plan_table({"host-a": plan})
    heading = next(line for line in lines[2:] if "TRIED LAST" in line)
    rows = lines[lines.index(heading) :]
    assert any("PrivateUsers=sometimes in web.service" in line for line in rows)
    assert "TRIED LAST" not in "".join(privport_plan_table({"host-a": privport_plan(observation(), SERVICES)}))


def test_tables_without_services_say_so() -> None:
    assert privport_plan_table({"host-a": []}) == ["No services are declared for these hosts."]


@pytest.mark.parametrize("read", [privport_plan_table, privport_plan_text, privport_proof_table, privport_proof_text])
def test_text_of_something_else_is_refused_with_a_sentence(read: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="what a plan or a proof returned"):
        read({"host-a": [{"service": "web"}]})


def test_text_is_the_lines_of_the_tables_and_details_are_asked_for() -> None:
    plans = {"host-a": privport_plan(observation(), SERVICES)}
    assert privport_plan_text(plans, True).split("\n") == privport_plan_table(plans)
    assert "REJECTED" not in privport_plan_text(plans)
    assert privport_proof_text({"a": []}) == "\n".join(privport_proof_table({"a": []}))
    with pytest.raises(AnsibleFilterError, match="details is 'yes'; write true or false"):
        privport_plan_text(plans, "yes")
