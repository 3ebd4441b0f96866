# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit as SARIF 2.1.0, the format of code scanners; one run for the whole fleet.

What is asked beyond the standard (OASIS, 27 March 2020) is what GitHub's code scanning reads: relative URIs without a
scheme, four fields of each region, the fingerprint primaryLocationLineHash, security-severity as a text, at most
25,000 results.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from typing import Any, Iterator, Sequence
from urllib.parse import quote

from ansible_collections.netbind.privport.plugins.plugin_utils.audit.summary import (
    CLASSES,
    Record,
    counted_as,
    findings,
    number,
    readable,
)

MOST_RESULTS = 25_000
# That of galaxy.yml.
DOCUMENTATION = "https://privport.example/documentation"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
_BASELINE = {"new": "new", "unchanged": "unchanged", "gone": "absent"}
# A finding is about a thing, not about a line of it.
_REGION = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1}
# Of toolExecutionNotifications and toolConfigurationNotifications.
_NOTIFICATIONS = {
    "unreachable-host": "A host could not be looked at",
    "left-out": "A part of a host was not looked at",
    "accepted-risk": "An accepted risk has expired or matches nothing",
    "too-many-results": "There are more findings than code scanners take",
}


def sarif(audit: Record) -> dict[str, Any]:
    """The log of an audit (docs/audit.schema.json), as data for json.dumps. Raises KeyError for anything else."""
    audit = readable(audit)
    found = sorted(findings(audit["hosts"]), key=lambda it: CLASSES.index(counted_as(it[1])))
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(audit)},
                "automationDetails": {"id": "netbind.privport/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(audit, left_out=len(found) - MOST_RESULTS)],
                "results": _results(found[:MOST_RESULTS], rules=[rule["id"] for rule in audit["rules"]]),
            }
        ],
    }


def _driver(audit: Record) -> dict[str, Any]:
    return {
        "name": "netbind.privport",
        "fullName": "The audit of netbind.privport",
        "version": audit["collection_version"],
        "informationUri": DOCUMENTATION,
        "rules": [_rule(rule) for rule in audit["rules"]],
        "notifications": [_descriptor(name, title=text, text=f"{text}.") for name, text in _NOTIFICATIONS.items()],
    }


def _descriptor(name: str, *, title: str, text: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": "".join(word.capitalize() for word in re.split("[-_]", name)),
        "shortDescription": {"text": title},
        "fullDescription": {"text": _shortened(text)},
        "help": {"text": text},
    }


def _rule(rule: Record) -> dict[str, Any]:
    return {
        **_descriptor(rule["id"], title=rule["title"], text=rule["why"]),
        "help": {
            "text": f"{rule['why']}\nFix: {rule['fix']}",
            "markdown": f"{_as_markdown(rule['why'])}\n\n**Fix:** {_as_code(rule['fix'])}",
        },
        "helpUri": f"{DOCUMENTATION}/audit-rules#{rule['id']}",
        "defaultConfiguration": {"level": _LEVELS[rule["severity"]]},
        "properties": {
            "security-severity": str(rule["security_severity"]),
            "precision": "high",
            "tags": ["security", "privileged-ports"],
        },
    }


def _results(found: Sequence[tuple[str, Record]], *, rules: list[str]) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    results = []
    for host, finding in found:
        digest = hashlib.sha256(f"{host}\0{finding['key']}".encode()).hexdigest()[:32]
        seen[digest] += 1
        results.append(_result(host, finding, rules=rules, fingerprint=f"{digest}:{seen[digest]}"))
    return results


def _result(host: str, finding: Record, *, rules: list[str], fingerprint: str) -> dict[str, Any]:
    rule, subject, unknown = finding["rule"], finding["subject"], bool(finding.get("unknown"))
    return {
        "ruleId": rule,
        **({"ruleIndex": rules.index(rule)} if rule in rules else {}),
        "kind": "open" if unknown else "fail",
        "level": "note" if unknown else _LEVELS[finding["severity"]],
        "rank": float(finding["security_severity"]) * 10,
        "message": {"text": _message(host, finding)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": uri(host, subject)}, "region": _REGION},
                "logicalLocations": [
                    {
                        "name": subject or host,
                        "fullyQualifiedName": f"{host}::{finding['mechanism']}::{subject}",
                        "kind": "resource",
                    }
                ],
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
        "baselineState": _BASELINE[finding["state"]],
        "suppressions": list(_suppressions(finding)),
        "properties": {"host": host, "mechanism": finding["mechanism"], "severity": finding["severity"]},
    }


def uri(host: str, subject: str) -> str:
    """hosts/HOST/PATH, percent-encoded: of a path where it stands on the host, of anything else its name."""
    is_path = subject.startswith("/")
    # Two slashes at the beginning stay two for normpath().
    path = posixpath.normpath(f"/{subject.lstrip('/')}")[1:] if is_path else subject
    parts = ["hosts", host, *(path.split("/") if is_path else [path or "host"])]
    return "/".join(_segment(part) for part in parts if part)


def _segment(part: str) -> str:
    # What reads URIs would resolve these.
    return f"{part}~" if part in (".", "..") else quote(part, safe="")


def _message(host: str, finding: Record) -> str:
    """One sentence is the title of an alert; the others say where, how it is known and what to do."""
    text = finding["text"].strip()
    told = [text if text.endswith((".", "!", "?")) else f"{text}."]
    told += [f"Host: {host}."]
    told += [f"{name}: {finding[name.lower()]}" for name in ("Evidence", "Fix") if finding[name.lower()]]
    return _as_message("\n".join([" ".join(told[:2]), *told[2:]]))


def _as_message(text: str) -> str:
    """Text in which nothing is taken for a placeholder or a link (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    text = re.sub(r"\{(\d+)\}", r"{{\1}}", text)
    return re.sub(r"\[([^][]*)\](?=\()", r"\\[\1\\]", text)


def _as_markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text)


def _as_code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _shortened(text: str, most: int = 1_024) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _suppressions(finding: Record) -> Iterator[dict[str, str]]:
    accepted = finding["accepted"]
    if accepted:
        until = f" (until {accepted['until']})" if accepted["until"] else ""
        yield {"kind": "external", "status": "accepted", "justification": f"{accepted['reason']}{until}"}


def _invocation(audit: Record, *, left_out: int) -> dict[str, Any]:
    """What could not be looked at; an audit without one of its hosts has not succeeded."""
    unreachable = [host for host in audit["hosts"] if not host["reachable"]]
    told = [
        _notification("unreachable-host", "error", f"{host['name']} could not be looked at: {host['message']}", host)
        for host in unreachable
    ]
    told += [
        _notification("left-out", "note", f"{host['name']}: {it['what']} was not looked at: {it['why']}", host)
        for host in audit["hosts"]
        for it in host["skipped"]
    ]
    if left_out > 0:
        text = f"{number(left_out, 'finding')} of the least severity left out; audit.json has everything"
        told.append(_notification("too-many-results", "warning", text))
    problems = [_notification("accepted-risk", "warning", text) for text in audit["accepted_problems"]]
    return {
        "executionSuccessful": not unreachable,
        "endTimeUtc": audit["generated"],
        "toolExecutionNotifications": told,
        "toolConfigurationNotifications": problems,
    }


def _notification(name: str, level: str, text: str, host: Record | None = None) -> dict[str, Any]:
    where = [{"physicalLocation": {"artifactLocation": {"uri": uri(host["name"], "")}}}] if host else []
    return {
        "descriptor": {"id": name, "index": list(_NOTIFICATIONS).index(name)},
        "level": level,
        "message": {"text": _as_message(text)},
        "locations": where,
    }
