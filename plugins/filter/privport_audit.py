# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit found: a report of what hosts showed, what of it counts, and a description of it to begin from."""

from __future__ import annotations

DOCUMENTATION = r"""
name: privport_audit
short_description: The report of an audit of hosts
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Judges what M(netbind.privport.privport_info) observed on each host with
    O(netbind.privport.privport_info#module:scan=true), and makes the document of which C(audit.json) consists.
    C(docs/audit.schema.json) describes it.
  - Findings follow from a catalogue of rules, which the report holds. Where no service is described for a host, nothing
    of it counts as undeclared.
positional: services
options:
  _input:
    description:
      - A mapping of host names to the registered results of M(netbind.privport.privport_info). A result that failed or
        was unreachable makes a host that was not looked at.
    type: dict
    required: true
  services:
    description: A mapping of host names to the services that are described for them, as those of the role.
    type: dict
    default: {}
  proofs:
    description: A mapping of host names to the registered results of M(netbind.privport.privport_verify).
    type: dict
    default: {}
  baseline:
    description:
      - An earlier report. Findings that it has too are V(unchanged), others V(new), and those that it alone has
        V(gone).
    type: raw
  accepted:
    description:
      - Findings that somebody accepted, each a mapping with C(rule) and C(reason), and with C(host), C(subject)
        (patterns such as V(web*), by default all) and C(until), a date. They stay in the report and do not count.
    type: list
    elements: dict
    default: []
  now:
    description: The moment of the audit, as C(2026-11-28T01:02:03Z). By default the controller's clock tells it.
    type: str
"""

EXAMPLES = r"""
- name: Judge what the hosts of this play showed
  ansible.builtin.set_fact:
    report: >-
      {{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'observed')))
         | netbind.privport.privport_audit }}

- name: Accept that sshd is root
  ansible.builtin.set_fact:
    report: "{{ {inventory_hostname: observed} | netbind.privport.privport_audit(accepted=accepted) }}"
  vars:
    accepted:
      - rule: root-listener
        subject: ssh.service on port 22
        reason: sshd needs root for its sessions
"""

RETURN = r"""
_value:
  description: The report, with C(schema_version), C(generated), C(rules), C(summary) and C(hosts).
  type: dict
"""

import datetime
import json
from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.counting import counted_as
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.drift import parse_accepted, parse_baseline
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.findings import Declared
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import Scan, without_scan
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.report import (
    SCHEMA_VERSION,
    Given,
    Looked,
    report_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.rules import SEVERITIES
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.services import described
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import cases_of, decide_cases
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.instances import members
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.options import choice
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.plugin_utils.audit import page, sarif, text
from ansible_collections.netbind.privport.plugins.plugin_utils.policy import search
from ansible_collections.netbind.privport.plugins.plugin_utils.version import VERSION

ByHost = Mapping[str, Any]
NEVER = "never"
# From the worst on, and how a proof of several ports is told as one.
_VERDICTS = ("fail", "unknown", "pass")


def privport_audit(
    observations: ByHost,
    services: Any = None,
    *,
    proofs: Any = None,
    baseline: Any = None,
    accepted: Any = (),
    now: Any = "",
) -> dict[str, Any]:
    """The report; AnsibleFilterError with one sentence for wrong input."""
    moment = str(now or datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    try:
        given = Given(
            baseline=parse_baseline(baseline, where="baseline", version=SCHEMA_VERSION),
            accepted=parse_accepted(accepted or (), where="accepted"),
            today=moment[:10],
            generated=moment,
            collection_version=VERSION,
        )
        hosts = [
            _looked(str(name), result, (services or {}).get(name) or (), (proofs or {}).get(name) or {})
            for name, result in observations.items()
        ]
        return report_of(hosts, given)
    except PrivportError as error:
        raise AnsibleFilterError(f"privport_audit: {error}") from error


def _looked(name: str, result: Any, services: Any, proof: Mapping[str, Any]) -> Looked:
    observation = result.get("privport") if isinstance(result, Mapping) else None
    if not isinstance(observation, Mapping) or observation.get("grants") is None:
        said = result.get("msg", "") if isinstance(result, Mapping) else ""
        return Looked(name, message=str(said) or "it was not looked at")
    where = f"the observation of {name}"
    scan = load(Scan, {key: observation[key] for key in Scan._fields}, where=where)
    observed = load(Observation, without_scan(observation), where=where)
    cases = cases_of(observed, members(parse_services(services), observed.instances))
    declared = tuple(map(Declared, cases, decide_cases(cases)))
    return Looked(name, scan=scan, declared=declared, proofs=_proofs(proof))


def _proofs(proof: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The worst verdict of each service's ports, and the reasons of those that have it."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for it in proof.get("evidence") or ():
        found.setdefault(str(it["service"]), []).append(it)
    told = {}
    for name, ports in found.items():
        worst = next(verdict for verdict in _VERDICTS if verdict in {it["verdict"] for it in ports})
        reasons = [str(reason) for it in ports if it["verdict"] == worst for reason in it.get("reasons") or ()]
        told[name] = (worst, "; ".join(dict.fromkeys(reasons)))
    return told


def privport_audit_counted(report: Mapping[str, Any], least: Any = "low") -> list[str]:
    """A line for each finding that counts and is at least this severe; none for 'never'."""
    try:
        named = choice(least, (*SEVERITIES, NEVER), where="privport_audit_fail_on")
        severe = () if named == NEVER else SEVERITIES[: SEVERITIES.index(named) + 1]
        return [
            f"{host['name']}: {it['severity']}: {it['rule']}: {it['text']}"
            for host in report["hosts"]
            for it in host["findings"]
            if counted_as(it) in severe
        ]
    except (PrivportError, KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(f"privport_audit_counted: {error}") from error


def privport_audit_query(report: Mapping[str, Any], query: Any) -> Any:
    """What a JMESPath expression makes of the report; AnsibleFilterError for one that cannot be evaluated."""
    try:
        return search(str(query), json.loads(json.dumps(report)), where=f"privport_audit_query {query!r}")
    except InvalidInput as error:
        raise AnsibleFilterError(str(error)) from error


def privport_audit_services(observations: ByHost) -> str:
    """YAML variables with a description of what has its ports on each host today, for the role."""
    try:
        scans = {
            str(name): load(Scan, {key: result["privport"][key] for key in Scan._fields})
            for name, result in observations.items()
            if isinstance(result, Mapping) and (result.get("privport") or {}).get("grants") is not None
        }
        return described(scans)
    except (PrivportError, KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(f"privport_audit_services: {error}") from error


def privport_audit_html(report: Mapping[str, Any]) -> str:
    """The report as one HTML file."""
    return page.html(report)


def privport_audit_sarif(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report in the form of SARIF 2.1.0."""
    return sarif.sarif(report)


def privport_audit_text(report: Mapping[str, Any]) -> str:
    """The report as text for people."""
    return text.audit_text(report)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "privport_audit": privport_audit,
            "privport_audit_counted": privport_audit_counted,
            "privport_audit_html": privport_audit_html,
            "privport_audit_query": privport_audit_query,
            "privport_audit_sarif": privport_audit_sarif,
            "privport_audit_text": privport_audit_text,
            "privport_audit_services": privport_audit_services,
        }
