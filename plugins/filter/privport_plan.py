# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: privport_plan
short_description: Decide which strategy each service gets on a host
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Decides from what M(netbind.privport.privport_info) observed, and from nothing else. The same observation and the
    same services always give the same plan.
positional: services, policy, keep
options:
  _input:
    description: The RV(netbind.privport.privport_info#module:privport) of a host.
    type: dict
    required: true
  services:
    description:
      - The service descriptions that were given to M(netbind.privport.privport_info). A list of mappings, or a text
        that holds one as JSON.
    type: raw
    required: true
  policy:
    description:
      - Rules of the site's own. Each is a mapping with one of V(forbid), V(prefer) and V(require), which name a
        strategy, and with V(when), a JMESPath expression over the observation, and V(why), a sentence.
      - A rule applies to a service when its expression is true. The observation holds C(service) beside the rest, the
        facts of the service that is decided, with its description as C(service.declared).
      - Rules decide between strategies that work. They cannot make one work, and a strategy that is named in the
        service's description is refused when a rule forbids it.
    type: list
    elements: dict
    default: []
  keep:
    description:
      - Whether the host is to give file capabilities back that an upgrade takes away. The plan has C(keep) pending
        where the host does otherwise. Without it nothing is said about that. V(true) or V(false), also as text.
    type: raw
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ observed.privport | netbind.privport.privport_plan(privport_services) }}"

- name: Keep file capabilities off the hosts, and prefer authbind on old systemd
  ansible.builtin.debug:
    msg: "{{ observed.privport | netbind.privport.privport_plan(privport_services, policy) }}"
  vars:
    policy:
      - forbid: setcap
        when: "`true`"
        why: our packages are upgraded every night
      - prefer: authbind
        when: systemd < `240` && service.account.name == 'www-data'
        why: its drop-ins are managed elsewhere
"""

RETURN = r"""
_value:
  description: A decision for each service, in the order of the services.
  type: list
  elements: dict
  contains:
    name:
      description: The service's name, with its instance where its unit is a template.
      type: str
    state:
      description: V(present) or V(absent), as the description says.
      type: str
    ports:
      description: The ports that it is to have.
      type: list
      elements: str
      sample: ["80", "443/udp"]
    strategy:
      description: The chosen strategy. Empty where none is left, and for a service whose state is V(absent).
      type: str
    why:
      description: Why this strategy, in a sentence.
      type: str
    rejected:
      description: For each strategy that cannot work here its reasons, each with C(code), C(text) and C(evidence).
      type: dict
    unknown:
      description:
        - For each strategy that may not work here what could not be found out, each with C(code), C(text) and
          C(evidence). Such a strategy is chosen after all others only, or by its name, and RV(_value[].warnings) then
          tells it; the proof shows whether it works.
      type: dict
    policy:
      description: The rules of O(policy) that apply to the service, as text.
      type: list
      elements: str
    warnings:
      description: What works but is wider than a reader may expect.
      type: list
      elements: str
    pending:
      description:
        - The steps left to do, of V(dropin), V(xattr), V(keep), V(rules), V(sysctl), V(socket), V(redirect),
          V(forward), V(restart), V(start). None when converged.
      type: list
      elements: str
    surplus:
      description: The strategies whose grants to this service are to be removed.
      type: list
      elements: str
    voiding:
      description:
        - Those of RV(_value[].surplus) that keep RV(_value[].strategy) from working, which are removed before it is
          proven.
      type: list
      elements: str
    retained:
      description:
        - Which processes of the service keep what is taken back until they are started anew, each as a sentence. Of a
          service whose state is V(present) the role restarts the unit.
      type: list
      elements: str
    stale:
      description:
        - The paths of what was granted to the service before and serves it no longer, as to another unit, program or
          user.
      type: list
      elements: str
    error:
      description: Why the service cannot get its ports, empty where it can.
      type: str
    missing:
      description: Whether RV(_value[].error) tells of nothing but a unit, a program or a user still to be installed.
      type: bool
    unit:
      description: The unit that it is about, empty for none.
      type: str
    unit_forgives:
      description: Whether systemd may forget how often the unit failed or started.
      type: bool
    executable:
      description: The program that it is about, empty for none.
      type: str
    user:
      description: The user that it is about, empty for none.
      type: str
    service:
      description: The service's description with the chosen strategy, for M(netbind.privport.privport_verify).
      type: dict
"""

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
