# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.netbind.privport.plugins.module_utils._core.table import render


def privport_plan_table(plans: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The plans of hosts, by host name, as the lines of a table."""
    return _table(plans, row=_plan_row, columns=("host", "service", "ports", "strategy", "why", "would change"))


def privport_proof_table(proofs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The evidence of hosts, by host name, as the lines of a table."""
    return _table(proofs, row=_proof_row, columns=("host", "service", "port", "strategy", "verdict", "seen"))


def _table(
    by_host: Any,
    *,
    row: Callable[[Mapping[str, Any]], dict[str, str]],
    columns: tuple[str, ...],
) -> list[str]:
    try:
        rows = [{"host": str(host), **row(item)} for host, items in by_host.items() for item in items]
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"this table needs what a plan or a proof returned, by host: {error}") from error
    return list(render(rows, columns=columns)) if rows else ["No services are declared for these hosts."]


def _plan_row(decision: Mapping[str, Any]) -> dict[str, str]:
    surplus = [f"remove {name}" for name in decision["surplus"]]
    return {
        "service": decision["name"],
        "ports": ", ".join(decision["ports"]),
        "strategy": decision["strategy"] or "none",
        "why": decision["why"],
        "would change": ", ".join([*decision["pending"], *surplus]) or "nothing",
    }


def _proof_row(evidence: Mapping[str, Any]) -> dict[str, str]:
    return {
        "service": evidence["service"],
        "port": evidence["port"],
        "strategy": evidence["strategy"] or "none",
        "verdict": evidence["verdict"],
        "seen": "; ".join(evidence["reasons"]) or _seen(evidence),
    }


def _seen(evidence: Mapping[str, Any]) -> str:
    status, addresses = evidence["process"]["status"], ", ".join(evidence["addresses"])
    held = ", ".join(status["effective"]) or "no capability"
    return f"{status['name']} pid {evidence['process']['pid']} uid {status['uid']} on {addresses}, {held}"


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"privport_plan_table": privport_plan_table, "privport_proof_table": privport_proof_table}
