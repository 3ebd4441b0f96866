# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's rules: what is refused, and what they decide."""

from __future__ import annotations

import json

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule, parse_policy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.tests.unit.core.cases import case

RULE = {"forbid": "setcap", "when": "`true`", "why": "upgrades drop it"}


def test_a_rule_is_read() -> None:
    assert parse_policy([RULE]) == (Rule(effect="forbid", strategy="setcap", when="`true`", why="upgrades drop it"),)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        pytest.param("forbid setcap", "policy[0] is 'forbid setcap'; write a mapping", id="text"),
        pytest.param({"when": "a", "why": "b"}, "just one of forbid, prefer, require", id="no-effect"),
        pytest.param({**RULE, "prefer": "ambient"}, "just one of forbid, prefer, require", id="two-effects"),
        pytest.param({**RULE, "if": "a"}, "just one of forbid, prefer, require", id="unknown-key"),
        pytest.param({**RULE, "forbid": "magic"}, "forbid is 'magic'; choose one of unneeded", id="unknown-strategy"),
        pytest.param({**RULE, "when": True}, "when is True; write it as text", id="when-is-no-text"),
        pytest.param({**RULE, "why": " "}, "why is ' '; write it as text", id="no-reason"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_own_text(rule: object, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_policy([rule])
    assert told in str(refused.value)


def test_a_policy_as_text() -> None:
    assert parse_policy(json.dumps([RULE])) == parse_policy([RULE])


def test_a_policy_is_a_list() -> None:
    with pytest.raises(InvalidInput, match="policy is 'forbid', not a list"):
        parse_policy("forbid")


@pytest.mark.parametrize(
    ("effect", "rejected"),
    [("forbid", {"setcap"}), ("require", {"unneeded", "ambient", "authbind"}), ("prefer", set())],
)
def test_what_a_rule_rejects(effect: str, rejected: set[str]) -> None:
    rule = Rule(effect=effect, strategy="setcap", when="`true`", why="so")
    assert {name for name in ("unneeded", "ambient", "setcap", "authbind") if rule.rejects(name)} == rejected


def rule(effect: str, strategy: str) -> Rule:
    return Rule(effect=effect, strategy=strategy, when="`true`", why="the site says so")


@pytest.mark.parametrize(
    ("rules", "description", "properties", "chosen"),
    [
        pytest.param((), {}, {}, "ambient", id="no-rule"),
        pytest.param((rule("forbid", "ambient"),), {}, {}, "setcap", id="forbid"),
        pytest.param((rule("prefer", "setcap"),), {}, {}, "setcap", id="prefer"),
        pytest.param((rule("require", "authbind"),), {}, {}, "authbind", id="require"),
        pytest.param((rule("prefer", "setcap"),), {}, {"NoNewPrivileges": "yes"}, "ambient", id="prefer-a-hazard"),
        pytest.param((rule("require", "setcap"),), {}, {"NoNewPrivileges": "yes"}, "", id="require-a-hazard"),
        pytest.param((rule("forbid", "ambient"),), {"strategy": "ambient"}, {}, "", id="forbid-the-named-one"),
        pytest.param((rule("forbid", "setcap"), rule("prefer", "setcap")), {}, {}, "ambient", id="forbid-and-prefer"),
    ],
)
def test_rules_decide_between_what_works(
    rules: tuple[Rule, ...], description: dict[str, str], properties: dict[str, str], chosen: str
) -> None:
    judged = case(description=description, properties=properties)
    decision = decide(judged.host, [judged.service], policy={"web": rules})[0]
    assert decision.strategy == chosen
    if rules and chosen in {it.strategy for it in rules}:
        assert "the site says so" in decision.why
    if not chosen:
        assert "the site says so" in decision.error or "NoNewPrivileges=yes" in decision.error
