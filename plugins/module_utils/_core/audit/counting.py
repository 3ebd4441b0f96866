# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the findings of an audit are counted, in every form of its report."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.drift import GONE
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.rules import SEVERITIES

# As what a finding can be counted, the worst first.
CLASSES = (*SEVERITIES, "unknown", "accepted", "gone")


def counted_as(finding: Mapping[str, Any]) -> str:
    """The one of CLASSES that a finding counts as: what is gone or accepted is none of its severity any more."""
    if finding["state"] == GONE:
        return "gone"
    if finding["accepted"]:
        return "accepted"
    return "unknown" if finding.get("unknown") else str(finding["severity"])


def summary(hosts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The part of a report of this name, from its hosts."""
    counted = [counted_as(finding) for host in hosts for finding in host["findings"]]
    return {
        "hosts": len(hosts),
        "unreachable": sum(not host["reachable"] for host in hosts),
        "findings": {name: counted.count(name) for name in CLASSES},
    }
