# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run may change, as it was before, and what brings the services' units back to that.

The types of the annotations are looked up on the host, whose Python may be 3.8 (see document.load).
"""

from __future__ import annotations

from typing import Dict, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import State, UnitState
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.socket_unit import socket_name

FORMAT = 1


class Held(NamedTuple):
    """A port, as text, that a process of the service listened on; unit is the service's, '' for none."""

    service: str
    unit: str
    port: str


class Before(NamedTuple):
    """A host before a run changed it, as far as the run may change it; units are those of the services."""

    format: int
    state: State
    units: Tuple[UnitState, ...]
    held: Tuple[Held, ...]


def held_ports(cases: Sequence[Case]) -> Tuple[Held, ...]:
    """The ports that the services' own processes listen on."""
    return tuple(
        Held(case.service.name, case.facts.unit.name if case.facts.unit else "", str(port))
        for case in cases
        for port in case.service.all_ports
        if case.listens(port)
    )


def unit_action(before: UnitState, now: UnitState) -> str:
    """'restart', 'stop', 'reset-failed' or '': what brings a unit to the state before, once its files are restored.

    What still runs since before is left alone: a process keeps what it was started with.
    """
    if before.runs:
        return "" if now.runs and now.invocation == before.invocation else "restart"
    if now.runs:
        return "stop"
    return "reset-failed" if now.active == "failed" and before.active == "inactive" else ""


def with_sockets(
    actions: Mapping[UnitState, str], *, back: Sequence[str], units: Sequence[UnitState]
) -> Dict[UnitState, str]:
    """The actions, where the socket units of these names come back: with each its service has to start.

    systemd starts no socket unit of a service that runs without it.
    """
    again = {was: "restart" for was in units if was.runs and socket_name(was.path) in back}
    return {**again, **actions}


def unit_text(before: UnitState, action: str) -> str:
    """The sentence that tells what was done to a unit."""
    if action == "restart":
        return f"restarted {before.path}"
    done = {"stop": "stopped", "reset-failed": "reset the failure of"}[action]
    return f"{done} {before.path}, which was {before.active} before"
