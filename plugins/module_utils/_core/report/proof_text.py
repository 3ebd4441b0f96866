# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of hosts as text for people: what was seen of each port, what failed, and what to do about it."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.report.failure import failure_lines
from ansible_collections.netbind.privport.plugins.module_utils._core.report.table import NOTHING_DECLARED, render

_COLUMNS = ("host", "service", "port", "strategy", "verdict", "seen")

Evidence = Mapping[str, Any]


def proof_text(evidence: Mapping[str, Sequence[Evidence]]) -> str:
    """What the module privport_verify returned, by host name, as text.

    Raises AttributeError, KeyError or TypeError for anything else.
    """
    rows = [{"host": str(host), **_row(it)} for host, items in evidence.items() for it in items]
    if not rows:
        return NOTHING_DECLARED
    failed = [
        line
        for host, items in evidence.items()
        for line in failure_lines([it for it in items if it["verdict"] == "fail"], where=f" on {host}")
    ]
    return "\n".join([*render(rows, columns=_COLUMNS), *([""] if failed else []), *failed])


def _row(evidence: Evidence) -> dict[str, str]:
    return {
        "service": evidence["service"],
        "port": evidence["port"],
        "strategy": evidence["strategy"] or "none",
        "verdict": evidence["verdict"],
        "seen": _seen(evidence),
    }


def _seen(evidence: Evidence) -> str:
    """Who holds the port; what failed is told below the table, what is unknown in it."""
    unknown = evidence["reasons"] if evidence["verdict"] == "unknown" else ()
    process = evidence["process"]
    if process is None:
        return "; ".join(unknown) or "no process of the service holds it"
    status, more = process["status"], len(evidence["processes"]) - 1
    who = f"{status['name']} pid {process['pid']}{f' and {more} more' if more else ''} uid {status['uid']}"
    held = ", ".join(status["effective"]) or "no capability"
    return "; ".join([f"{who} on {', '.join(evidence['addresses'])}, {held}", *unknown, *evidence["notes"]])
