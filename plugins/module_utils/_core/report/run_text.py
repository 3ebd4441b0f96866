# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did on one host, as text for people: each service's changes and proof, or why it failed."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.report.failure import failure_text
from ansible_collections.netbind.privport.plugins.module_utils._core.report.plan_text import (
    NOTHING_TO_DO,
    notes,
    refusal,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.report.table import NOTHING_DECLARED

Result = Mapping[str, Any]


def run_text(result: Result) -> str:
    """A line for each service of the result's plan with what was done and proven, and what is worth knowing.

    Of the result, plan is a list of decisions as the filter privport_plan returns them, steps a list of
    {service, text} and evidence a list as the module privport_verify returns it; steps and evidence may be
    missing. A step whose service is in no decision is told last.
    """
    steps, evidence = result.get("steps", ()), result.get("evidence", ())
    lines = [line for decision in result["plan"] for line in _service_lines(decision, steps=steps, evidence=evidence)]
    named = {decision["name"] for decision in result["plan"]}
    lines += [step["text"] for step in steps if step["service"] not in named]
    return "\n".join(lines) or NOTHING_DECLARED


def msg_of(result: Result) -> str:
    """Why a run failed, what to do, and what was restored; run_text() of one that did not fail.

    Beside the keys of run_text() it reads, each of which may be missing: verdict; reasons, what went wrong beside the
    plan and the proof, a list of sentences; journal, the last lines of units by name; restored and left, such lists.
    """
    refused = [line for decision in result["plan"] if decision["error"] for line in _refusal_lines(decision)]
    reasons = list(result.get("reasons", ()))
    if result.get("verdict") == "fail":
        reasons.append(failure_text(result.get("evidence", ()), journal=result.get("journal", {})))
    if not refused and not reasons:
        return run_text(result)
    return "\n".join([*refused, *filter(None, reasons), *([] if refused else _undo_lines(result))])


def _service_lines(
    decision: Mapping[str, Any], *, steps: Sequence[Mapping[str, Any]], evidence: Sequence[Mapping[str, Any]]
) -> list[str]:
    name = decision["name"]
    if decision["error"]:
        return _refusal_lines(decision)
    done = [step["text"] for step in steps if step["service"] == name]
    found = [it for it in evidence if it["service"] == name]
    worth = dict.fromkeys([*notes(decision), *(note for it in found for note in it["notes"])])
    told = [*(done or [NOTHING_TO_DO]), *_proofs(found)]
    return [f"{name}: {', '.join(told)}", *(f"  note: {note}" for note in worth)]


def _proofs(evidence: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is proven of the ports of a service, and of each other one what is not."""
    proven = [it["port"] for it in evidence if it["verdict"] == "pass"]
    ports = f"port{'s' if len(proven) > 1 else ''} {', '.join(proven)}"
    others = [it for it in evidence if it["verdict"] != "pass"]
    return [
        *([f"proven on {ports}"] if proven else []),
        *(f"not proven on port {it['port']}: {'; '.join(it['reasons'])}" for it in others),
    ]


def _refusal_lines(decision: Mapping[str, Any]) -> list[str]:
    why, ways = refusal(decision)
    return [f"{decision['name']}: {why}", *(f"  what to do: {way}" for way in ways)]


def _undo_lines(result: Result) -> list[str]:
    if "restored" not in result and "left" not in result:
        return []
    done, left = "; ".join(result.get("restored", ())), "; ".join(result.get("left", ()))
    lines = [f"restored: {done or ('nothing' if left else 'nothing, because nothing had changed')}"]
    return (
        [*lines, f"not restored: {left}; put that right by hand, or mend it and run the role again"] if left else lines
    )
