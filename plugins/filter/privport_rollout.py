# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batches of a rollout, and what came of it."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.report.rollout import (
    Planned,
    batches_of,
    parse_serial,
    state_of,
    summary_of,
    summary_text,
)


def privport_rollout(hosts: Mapping[str, Any], serial: Any = "") -> list[list[str]]:
    """The batches; AnsibleFilterError with one sentence for wrong input."""
    try:
        planned = {str(name): Planned(it["plan"], it["systemd"]) for name, it in hosts.items()}
        return [list(it) for it in batches_of(planned, serial=parse_serial(serial, where="privport_rollout_serial"))]
    except (PrivportError, KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(f"privport_rollout: {error}") from error


def privport_rollout_before(batches: Sequence[Sequence[str]], host: str) -> list[str]:
    """The hosts of the batch before that of a host; none for the first batch."""
    found = next((number for number, batch in enumerate(batches) if host in batch), 0)
    return list(batches[found - 1]) if found else []


def privport_rollout_state(result: Any, proof: Any = None) -> list[str]:
    """What came of a host and why, from what the run and the second proof returned."""
    return list(state_of(result or {}, proof or {}))


def privport_rollout_summary(
    batches: Sequence[Sequence[str]], states: Mapping[str, Any], under_way: Sequence[str] = ()
) -> dict[str, Any]:
    """What came of the whole, from what privport_rollout_state told by host; under_way is the batch that begins."""
    told = {host: (state[0], state[1]) for host, state in states.items() if state}
    return summary_of(batches, told, under_way=under_way)


def privport_rollout_text(summary: Mapping[str, Any]) -> str:
    """The summary for people."""
    return summary_text(summary)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "privport_rollout": privport_rollout,
            "privport_rollout_before": privport_rollout_before,
            "privport_rollout_state": privport_rollout_state,
            "privport_rollout_summary": privport_rollout_summary,
            "privport_rollout_text": privport_rollout_text,
        }
