# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the decisions on all services make of a host's resources, pass by pass."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, Entry, merged
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

# What is done to the service itself, and to nothing that a strategy holds.
_OF_PROCESSES = ("restart", "start")
_NOTHING = Desired()


def grants(cases: Sequence[Case], decisions: Sequence[Decision]) -> Desired:
    """What the chosen strategies still have to grant, what would void it taken away first.

    The cases are those of the decisions, in their order. Raises PrivportError; InvalidInput where two services need
    different things of one file.
    """
    planned = _NOTHING
    writers: dict[str, tuple[str, Entry]] = {}
    for case, decision in zip(cases, decisions):
        planned = merged(planned, _absent(case, decision.voiding, planned))
        chosen = STRATEGIES.get(decision.strategy)
        if chosen is None or not set(decision.pending) - set(_OF_PROCESSES):
            continue
        wanted = chosen.desired(case, planned)
        if not chosen.continues_others:
            _refuse_collision(case, wanted, writers)
        writers.update({it.path: (case.service.name, it) for it in wanted.entries})
        planned = merged(planned, wanted)
    return planned


def removals(cases: Sequence[Case], decisions: Sequence[Decision], *, granted: Desired = _NOTHING) -> Desired:
    """What goes once the chosen strategies are proven.

    granted is what grants() said for the same cases; nothing where the host was observed anew since. Raises
    PrivportError.
    """
    removed = _NOTHING
    for case, decision in zip(cases, decisions):
        names = [name for name in decision.surplus if name not in decision.voiding]
        removed = merged(removed, _absent(case, names, merged(granted, removed)))
    return removed


def _absent(case: Case, names: Sequence[str], planned: Desired) -> Desired:
    removed = _NOTHING
    for name in names:
        removed = merged(removed, STRATEGIES[name].absent(case, merged(planned, removed)))
    return removed


def _refuse_collision(case: Case, wanted: Desired, writers: dict[str, tuple[str, Entry]]) -> None:
    for entry in wanted.entries:
        name, planned = writers.get(entry.path, ("", entry))
        if planned != entry:
            raise InvalidInput(
                f"service {case.service.name!r}: {entry.path} would have to be another file for service {name!r}; "
                "describe both alike, or as one service"
            )
