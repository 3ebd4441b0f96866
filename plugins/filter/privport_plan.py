# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import without_scan
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import (
    cases_of,
    decide_cases,
    digest_of_plan,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.plan import as_data
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import parse_policy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.instances import members
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.options import flag
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import (
    Service,
    parse_services,
    right_and_wrong,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.report.files_text import files_text
from ansible_collections.netbind.privport.plugins.plugin_utils.policy import applying


def privport_plan(observation: Any, services: Any, policy: Any = (), keep: Any = None) -> list[dict[str, Any]]:
    """The decisions as plain data; AnsibleFilterError with one sentence for wrong input."""
    try:
        cases = _cases(observation, services, policy, keep)
        return [as_data(decision, case.service) for decision, case in zip(decide_cases(cases), cases)]
    except PrivportError as error:
        raise AnsibleFilterError(f"privport_plan: {error}") from error


def privport_checked(services: Any) -> dict[str, list[Any]]:
    """The descriptions that are right, and what is wrong with the others; AnsibleFilterError for no list of them."""
    try:
        right, wrong = right_and_wrong(services)
    except PrivportError as error:
        raise AnsibleFilterError(f"privport_checked: {error}") from error
    return {"right": list(right), "wrong": list(wrong)}


def privport_plan_digest(plan: Any) -> str:
    """What a plan comes to, for privport_digest; AnsibleFilterError for what is no plan."""
    try:
        return digest_of_plan(plan)
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(f"privport_plan_digest: this is no plan of one host: {error}") from error


def privport_plan_files(observation: Any, services: Any, policy: Any = (), keep: Any = None) -> str:
    """What a run would write, as text; AnsibleFilterError with one sentence for wrong input."""
    try:
        cases = _cases(observation, services, policy, keep)
        return files_text(cases, decide_cases(cases))
    except PrivportError as error:
        raise AnsibleFilterError(f"privport_plan_files: {error}") from error


def _cases(observation: Any, services: Any, policy: Any, keep: Any) -> tuple[Case, ...]:
    observed = load(Observation, without_scan(observation))
    described = members(_keeping(parse_services(services), keep), observed.instances)
    return cases_of(observed, described, applying(parse_policy(policy), observed, described))


def _keeping(services: tuple[Service, ...], keep: Any) -> tuple[Service, ...]:
    asked = None if keep is None else flag(keep, where="keep")
    return tuple(service._replace(keep=asked) for service in services)


def privport_idle_rules(plans: Mapping[str, Sequence[Mapping[str, Any]]], policy: Any) -> list[str]:
    """The rules that apply to no service in the plans of these hosts, by host name; as text."""
    try:
        rules = [str(rule) for rule in parse_policy(policy)]
        used = {rule for plan in plans.values() for decision in plan for rule in decision["policy"]}
    except (PrivportError, AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"privport_idle_rules: {error}") from error
    return [rule for rule in rules if rule not in used]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "privport_checked": privport_checked,
            "privport_idle_rules": privport_idle_rules,
            "privport_plan": privport_plan,
            "privport_plan_digest": privport_plan_digest,
            "privport_plan_files": privport_plan_files,
        }
