# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of the module privport to a request, and from what came of it to the module's result."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._apply.transaction import Outcome, Request
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.plan import as_data
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump, load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import FAIL
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import combine
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.proof import evidence_of


def request_of(params: Mapping[str, Any]) -> Request:
    """The options, understood. Raises InvalidInput."""
    services = parse_services(params["services"])
    if params.get("state"):
        services = tuple(service._replace(state=params["state"]) for service in services)
    decided = params.get("decided", {})
    rules = decided.get("rules", {})
    return Request(
        services=tuple(service._replace(keep=params["keep"]) for service in services),
        rules={name: tuple(load(Rule, rule, where="decided") for rule in found) for name, found in rules.items()},
        seconds=params["timeout"],
        restart_absent=params["restart_absent"],
        undo=params["undo"],
        digest=decided.get("digest", ""),
    )


def result_of(host: Host, outcome: Outcome, request: Request, *, check_mode: bool) -> Dict[str, Any]:
    """The module's result; the host tells what units that failed have logged.

    In check mode a service that is still to be installed is no failure.
    """
    evidence, journal = evidence_of(host, outcome.proofs)
    verdict = combine(tuple(it.verdict for it in evidence)) if evidence else ""
    decisions = [it._replace(error="") if check_mode and it.missing else it for it in outcome.decisions]
    refused = any(it.error for it in decisions)
    return {
        "changed": outcome.changed,
        "diff": list(outcome.diff),
        "plan": [as_data(*pair) for pair in zip(decisions, request.services)],
        "steps": dump(outcome.steps),
        "evidence": dump(evidence),
        "journal": dump(journal),
        "verdict": verdict,
        "restored": list(outcome.restored),
        "left": list(outcome.left),
        "reasons": [outcome.failure] if outcome.failure else [],
        "warnings": list(outcome.warnings),
        "failed": bool(outcome.failure or outcome.left) or verdict == FAIL or refused,
        "msg": outcome.failure or verdict,
    }
