# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit found: a report of what hosts showed, what of it counts, and a description of it to begin from."""

from __future__ import annotations

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
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.services import description_of
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.without_root import (
    services_of,
    with_strategies,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import cases_of, decide_cases
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule, parse_policy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.instances import members
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.options import choice
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.plugin_utils.audit import page, sarif, text
from ansible_collections.netbind.privport.plugins.plugin_utils.policy import applying, check_expression, search
from ansible_collections.netbind.privport.plugins.plugin_utils.version import VERSION

ByHost = Mapping[str, Any]
NEVER = "never"
# From the worst on, and how a proof of several ports is told as one.
_VERDICTS = ("fail", "unknown", "pass")


def privport_audit(
    observations: ByHost,
    services: Any = None,
    *,
    policy: Any = None,
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
            _looked(
                str(name),
                result,
                (services or {}).get(name) or (),
                parse_policy((policy or {}).get(name) or ()),
                (proofs or {}).get(name) or {},
            )
            for name, result in observations.items()
        ]
        return report_of(hosts, given)
    except PrivportError as error:
        raise AnsibleFilterError(f"privport_audit: {error}") from error


def _looked(name: str, result: Any, services: Any, policy: tuple[Rule, ...], proof: Mapping[str, Any]) -> Looked:
    observation = result.get("privport") if isinstance(result, Mapping) else None
    if not isinstance(observation, Mapping) or observation.get("grants") is None:
        said = result.get("msg", "") if isinstance(result, Mapping) else ""
        return Looked(name, message=str(said) or "it was not looked at")
    where = f"the observation of {name}"
    scan = load(Scan, {key: observation[key] for key in Scan._fields}, where=where)
    observed = load(Observation, without_scan(observation), where=where)
    if policy and scan.without_root is not None:
        scan = with_strategies(scan, applying(policy, scan.without_root, services_of(scan.listeners)))
    described = members(parse_services(services), observed.instances)
    cases = cases_of(observed, described, applying(policy, observed, described))
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


def privport_audit_wrong(given: Mapping[str, Any]) -> list[str]:
    """A sentence for each option of an audit that is wrong for all hosts, found before any of them is looked at.

    given: these options by their names without 'privport_audit_', the accepted risks as data, and baseline_text, what
    the file of the baseline holds, '' where it cannot be read.
    """
    return [told for check in _CHECKS for told in _sentence(check, given)]


def _sentence(check: Callable[[Mapping[str, Any]], Any], given: Mapping[str, Any]) -> list[str]:
    try:
        check(given)
    except PrivportError as error:
        return [str(error)]
    return []


def _check_baseline(given: Mapping[str, Any]) -> None:
    where = f"privport_audit_baseline is {given['baseline']!r}, which"
    if given["baseline"]:
        try:
            report = json.loads(given["baseline_text"] or "")
        except ValueError as error:
            raise InvalidInput(f"{where} cannot be read as JSON; give the path of an earlier audit.json") from error
        parse_baseline(report or {"": report}, where=where, version=SCHEMA_VERSION)


def _check_query(given: Mapping[str, Any]) -> None:
    if given["query"]:
        check_expression(str(given["query"]), where=f"privport_audit_query {given['query']!r}")


_CHECKS: tuple[Callable[[Mapping[str, Any]], Any], ...] = (
    lambda given: parse_policy(given["policy"]),
    lambda given: parse_accepted(given["accepted"], where="privport_audit_accepted"),
    _check_baseline,
    _check_query,
)


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
        return description_of(scans)
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
            "privport_audit_wrong": privport_audit_wrong,
        }
