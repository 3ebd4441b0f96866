# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a description lets the drop-in add to a unit's sandbox, what it adds, and what is told without it."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.plan import as_data
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.report.plan_text import refusal
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    CAP,
    ambient_process,
    case,
    codes,
    process,
)

NARROW = {"CapabilityBoundingSet": "cap_chown", "PrivateUsers": "yes"}
BOTH = {"widen": ["bounding_set", "private_users"]}
SET, USERS = ("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE"), ("PrivateUsers", "no")


@pytest.mark.parametrize("name", ["ambient", "authbind"])
@pytest.mark.parametrize(
    ("properties", "widen", "blocked", "lines"),
    [
        pytest.param(NARROW, [], ("private_users", "bounding_set"), (), id="not allowed"),
        pytest.param(NARROW, ["bounding_set"], ("private_users",), (SET,), id="one is"),
        pytest.param(NARROW, BOTH["widen"], (), (SET, USERS), id="both are"),
        pytest.param({}, BOTH["widen"], (), (), id="nothing is needed"),
        pytest.param({"PrivateUsers": "yes"}, BOTH["widen"], (), (USERS,), id="one is needed"),
    ],
)
def test_what_is_added(name: str, properties: Dict[str, str], widen: Any, blocked: Any, lines: Any) -> None:
    judged = case(properties=properties, description={"widen": widen})
    assert tuple(it.code for it in STRATEGIES[name].blockers(judged)) == blocked
    text = next(it.content for it in STRATEGIES[name].desired(judged, Desired()).entries if "50-privport" in it.path)
    assert [line in text.splitlines() for line in map("=".join, (SET, USERS))] == [it in lines for it in (SET, USERS)]
    told = [it for it in STRATEGIES[name].warnings(judged) if "widens the sandbox of web.service" in it]
    assert bool(told) is bool(lines)


def widened(*lines: Tuple[str, str], **properties: str) -> Dict[str, Any]:
    """A unit with our drop-in that adds these."""
    text = render_ambient(capabilities=[CAP], also=lines)
    fields = {
        "dropin_strategy": "ambient",
        "dropin_text": text,
        "process": ambient_process(),
        "narrow": tuple(key for key, _value in lines),
    }
    return {"properties": {"AmbientCapabilities": CAP, **properties}, "unit_fields": fields}


def test_it_converges() -> None:
    judged = case(**widened(SET, USERS), description=BOTH)
    assert STRATEGIES["ambient"].blockers(judged) == ()
    assert STRATEGIES["ambient"].pending(judged) == ()


def test_what_does_not_come_into_force_is_not_in_place() -> None:
    judged = case(**widened(SET, USERS, **NARROW), description=BOTH)
    assert STRATEGIES["ambient"].pending(judged)[:1] == ("dropin",)


def test_it_is_judged_without_what_the_drop_in_adds() -> None:
    fields = widened(SET, USERS)
    assert codes("ambient", **fields) == ("private_users", "bounding_set")
    assert {"private_users", "bounding_set"} <= set(codes("setcap", description=BOTH, **fields))
    narrowed = render_ambient(capabilities=[CAP], bounding_set=[CAP])
    assert codes("ambient", unit_fields={"dropin_strategy": "ambient", "dropin_text": narrowed}) == ()


@pytest.mark.parametrize("widen", [[], BOTH["widen"]])
def test_a_unit_that_was_mended_needs_it_no_more(widen: Any) -> None:
    fields = widened(SET, USERS)
    judged = case(**{**fields, "unit_fields": {**fields["unit_fields"], "narrow": ()}}, description={"widen": widen})
    assert STRATEGIES["ambient"].blockers(judged) == ()
    assert STRATEGIES["ambient"].pending(judged)[:1] == ("dropin",)
    (written,) = STRATEGIES["ambient"].desired(judged, Desired()).entries
    assert not {"=".join(SET), "=".join(USERS)}.intersection(written.content.splitlines())


def test_a_host_is_not_widened() -> None:
    init = process(pid=1, uid=0, bounding=("cap_chown",)).status
    assert codes("ambient", description=BOTH, host_fields={"init": init}) == ("bounding_set",)


def test_a_process_in_a_user_namespace_of_its_own_is_restarted() -> None:
    judged = case(**widened(SET, USERS), description=BOTH)._replace(granted_now=True)
    assert STRATEGIES["ambient"].pending(judged) == ("restart",)


@pytest.mark.parametrize(
    ("properties", "line"),
    [
        ({"PrivateUsers": "yes"}, "PrivateUsers=no"),
        ({"CapabilityBoundingSet": ""}, "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"),
    ],
)
def test_a_refusal_names_it_and_what_a_person_could_write(properties: Dict[str, str], line: str) -> None:
    judged = case(properties={**properties, "NoNewPrivileges": "yes"})
    (decision,) = decide(judged.host, [judged.service])
    ways = refusal(as_data(decision, judged.service)).ways
    (told,) = [it for it in ways if it.startswith("say widen: [") and it.endswith("[ambient]")]
    assert f"add to web.service the lines '[Service]' and '{line}' (systemctl edit web.service)" in told


@pytest.mark.parametrize("setting", ["UserNamespacePath", "DelegateNamespaces"])
def test_other_user_namespaces_are_not_taken_away(setting: str) -> None:
    assert codes("ambient", description=BOTH, properties={setting: "/run/ns"}) == ("private_users",)
