# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.netbind.privport.plugins.module_utils._core.report.table import render

_NOTHING = "No services are declared for these hosts."


def privport_plan_table(plans: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The plans of hosts, by host name, as the lines of tables: what was chosen, what was rejected, what is unknown."""
    chosen = _table(plans, rows=_plan_rows, columns=("host", "service", "ports", "strategy", "why", "would change"))
    tables = [chosen or [_NOTHING]]
    for key, heading in (("rejected", "rejected"), ("unknown", "tried last")):
        columns = ("host", "service", heading, "because", "seen")
        reasons = _table(plans, rows=partial(_reason_rows, key=key, heading=heading), columns=columns)
        tables += [reasons] if reasons else []
    return [line for table in tables for line in ("", *table)][1:]


def privport_proof_table(proofs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The evidence of hosts, by host name, as the lines of a table."""
    columns = ("host", "service", "port", "strategy", "verdict", "seen")
    return _table(proofs, rows=_proof_rows, columns=columns) or [_NOTHING]


def _table(
    by_host: Any,
    *,
    rows: Callable[[Mapping[str, Any]], list[dict[str, str]]],
    columns: tuple[str, ...],
) -> list[str]:
    try:
        found = [{"host": str(host), **row} for host, items in by_host.items() for item in items for row in rows(item)]
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"this table needs what a plan or a proof returned, by host: {error}") from error
    return list(render(found, columns=columns)) if found else []


def _plan_rows(decision: Mapping[str, Any]) -> list[dict[str, str]]:
    surplus = [f"remove {name}" for name in decision["surplus"]]
    return [
        {
            "service": decision["name"],
            "ports": ", ".join(decision["ports"]),
            "strategy": decision["strategy"] or "none",
            # The reasons of an error stand in the second table.
            "why": decision["why"].partition(":\n")[0],
            "would change": ", ".join([*decision["pending"], *surplus]) or "nothing",
        }
    ]


def _reason_rows(decision: Mapping[str, Any], *, key: str, heading: str) -> list[dict[str, str]]:
    return [
        {"service": decision["name"], heading: strategy, "because": reason["text"], "seen": reason["evidence"]}
        for strategy, reasons in decision[key].items()
        for reason in reasons
    ]


def _proof_rows(evidence: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "service": evidence["service"],
            "port": evidence["port"],
            "strategy": evidence["strategy"] or "none",
            "verdict": evidence["verdict"],
            "seen": "; ".join(evidence["reasons"]) or _seen(evidence),
        }
    ]


def _seen(evidence: Mapping[str, Any]) -> str:
    status, addresses = evidence["process"]["status"], ", ".join(evidence["addresses"])
    held = ", ".join(status["effective"]) or "no capability"
    more = f" and {len(evidence['processes']) - 1} more" if len(evidence["processes"]) > 1 else ""
    process = f"{status['name']} pid {evidence['process']['pid']}{more} uid {status['uid']}"
    return "; ".join([f"{process} on {addresses}, {held}", *evidence["notes"]])


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"privport_plan_table": privport_plan_table, "privport_proof_table": privport_proof_table}
