# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.netbind.privport.plugins.module_utils._core.report import plan_text, proof_text

ByHost = Mapping[str, Sequence[Mapping[str, Any]]]


def privport_plan_text(plans: ByHost, details: bool = False) -> str:
    """The plans of hosts, by host name, as text; details adds each strategy that was rejected, and why."""
    if not isinstance(details, bool):
        raise AnsibleFilterError(f"privport_plan_text: details is {details!r}; write true or false, or add '| bool'")
    return _text(lambda: plan_text.plan_text(plans, details=details))


def privport_proof_text(proofs: ByHost) -> str:
    """The evidence of hosts, by host name, as text."""
    return _text(lambda: proof_text.proof_text(proofs))


def privport_plan_table(plans: ByHost) -> list[str]:
    """The lines of privport_plan_text with all details."""
    return privport_plan_text(plans, details=True).split("\n")


def privport_proof_table(proofs: ByHost) -> list[str]:
    """The lines of privport_proof_text."""
    return privport_proof_text(proofs).split("\n")


def _text(make: Callable[[], str]) -> str:
    try:
        return make()
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"this table needs what a plan or a proof returned, by host: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "privport_plan_table": privport_plan_table,
            "privport_plan_text": privport_plan_text,
            "privport_proof_table": privport_proof_table,
            "privport_proof_text": privport_proof_text,
        }
