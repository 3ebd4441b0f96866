# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole report of an audit as plain data, which audit.json holds (docs/audit.schema.json)."""

from __future__ import annotations

import hashlib
from typing import Any, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.counting import summary
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.drift import (
    GONE,
    NEW,
    UNCHANGED,
    Accepted,
    problems_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.findings import (
    Declared,
    Finding,
    declared_by,
    findings_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import Scan
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.rules import RULES, SEVERITIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump

SCHEMA_VERSION = 1


class Looked(NamedTuple):
    """One host as it was seen; scan is None where it could not be looked at, and message says why.

    proofs are the verdicts by the service's name, each with its reasons.
    """

    name: str
    scan: Scan | None = None
    declared: Tuple[Declared, ...] = ()
    proofs: Mapping[str, Tuple[str, str]] = {}
    message: str = ""


class Given(NamedTuple):
    """What a report is made with: the earlier findings by host and key, accepted risks, and the day and the moment."""

    baseline: Mapping[str, Mapping[str, Mapping[str, Any]]]
    accepted: Tuple[Accepted, ...]
    today: str
    generated: str
    collection_version: str


def report_of(hosts: Sequence[Looked], given: Given) -> dict[str, Any]:
    """The report. Findings that are accepted, gone or unknown do not count among the severities."""
    used: set[Accepted] = set()
    looked = [_host(it, given, used) for it in hosts]
    return {
        "schema_version": SCHEMA_VERSION,
        "generated": given.generated,
        "collection_version": given.collection_version,
        "rules": [
            {
                "id": it.id,
                "title": it.title,
                "severity": it.severity,
                "security_severity": f"{it.score:.1f}",
                "why": it.why,
                "fix": it.fix,
            }
            for it in RULES.values()
        ],
        "summary": summary(looked),
        "accepted_problems": list(problems_of(given.accepted, used=frozenset(used), today=given.today)),
        "hosts": looked,
    }


def key_of(host: str, finding: Finding) -> str:
    """What tells a finding from all others, in every audit: nothing of it changes with a restart."""
    told = "\0".join((host, finding.rule, finding.mechanism, finding.subject))
    return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()[:32]


def _host(host: Looked, given: Given, used: set[Accepted]) -> dict[str, Any]:
    scan = host.scan
    if scan is None:
        empty: dict[str, Any] = {key: [] for key in ("skipped", "services", "grants", "listeners", "findings")}
        return {"name": host.name, "reachable": False, "message": host.message, **empty}
    return {
        "name": host.name,
        "reachable": True,
        "message": host.message,
        "skipped": dump(scan.skipped),
        "services": [_service(it, host.proofs) for it in host.declared],
        "grants": [_grant(dump(it), declared_by(it, host.declared)) for it in scan.grants],
        "listeners": dump(scan.listeners),
        "findings": _findings(host.name, findings_of(scan, host.declared), given, used),
    }


def _service(it: Declared, proofs: Mapping[str, Tuple[str, str]]) -> dict[str, Any]:
    decision = it.decision
    verdict, reasons = proofs.get(it.name, ("", ""))
    return {
        "name": it.name,
        "strategy": decision.strategy,
        "verdict": verdict,
        "why": decision.error or reasons or decision.why,
    }


def _grant(grant: dict[str, Any], declared: str) -> dict[str, Any]:
    kept = {key: value for key, value in grant.items() if key != "remarks"}
    return {**kept, "declared_by": declared}


def _findings(host: str, found: Sequence[Finding], given: Given, used: set[Accepted]) -> list[dict[str, Any]]:
    before = given.baseline.get(host, {})
    told = _by_key(host, found)
    now = [_finding(host, key, it, given, used, state=UNCHANGED if key in before else NEW) for key, it in told.items()]
    gone = [{**it, "state": GONE} for key, it in before.items() if key not in told]
    order = {name: number for number, name in enumerate(SEVERITIES)}
    return sorted([*now, *gone], key=lambda it: (order[it["severity"]], it["rule"], it["subject"]))


def _by_key(host: str, found: Sequence[Finding]) -> dict[str, Finding]:
    """Each once; of several that are alike but for their texts the texts together."""
    told: dict[str, Finding] = {}
    for it in found:
        key = key_of(host, it)
        told[key] = it._replace(text=f"{told[key].text}; {it.text}") if key in told else it
    return told


def _finding(host: str, key: str, it: Finding, given: Given, used: set[Accepted], *, state: str) -> dict[str, Any]:
    rule = RULES[it.rule]
    by = next(
        (one for one in given.accepted if one.covers(rule=it.rule, host=host, subject=it.subject, today=given.today)),
        None,
    )
    used.update([by] if by else [])
    return {
        **it._asdict(),
        "severity": rule.severity,
        "security_severity": f"{rule.score:.1f}",
        "state": state,
        "accepted": {"reason": by.reason, "until": by.until} if by else None,
        "key": key,
    }
