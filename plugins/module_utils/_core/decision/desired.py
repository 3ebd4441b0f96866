# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the decisions on all services make of a host's resources, pass by pass."""

from __future__ import annotations

from typing import Collection, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, Entry, merged
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

# What is done to the service itself, and to nothing that a strategy holds.
OF_PROCESSES = ("restart", "start")
_NOTHING = Desired()


class Group(NamedTuple):
    """What is to become of the resources that one service has, or had."""

    service: str
    desired: Desired


def grants(cases: Sequence[Case], decisions: Sequence[Decision]) -> tuple[Group, ...]:
    """What the chosen strategies still have to grant, what would void it taken away with it.

    The cases are those of the decisions, in their order. Raises PrivportError; InvalidInput where two services need
    different things of one file.
    """
    planned = _NOTHING
    groups: list[Group] = []
    writers: dict[str, tuple[str, Entry]] = {}
    for case, decision in zip(cases, decisions):
        own = _absent(case, decision.voiding, planned)
        chosen = STRATEGIES.get(decision.strategy)
        if chosen is not None and set(decision.pending) - set(OF_PROCESSES):
            wanted = chosen.desired(case, merged(planned, own))
            if not chosen.continues_others:
                _refuse_collision(case, wanted, writers)
            writers.update({it.path: (case.service.name, it) for it in wanted.entries})
            own = merged(own, wanted)
        planned = merged(planned, own)
        groups.append(Group(case.service.name, own))
    return tuple(it for it in groups if it.desired != _NOTHING)


def removals(
    cases: Sequence[Case], decisions: Sequence[Decision], *, granted: Sequence[Group] = ()
) -> tuple[Group, ...]:
    """What goes once the chosen strategies are proven.

    granted is what grants() said for the same cases; nothing where the host was observed anew since. Raises
    PrivportError.
    """
    planned = _NOTHING
    for group in granted:
        planned = merged(planned, group.desired)
    groups: list[Group] = []
    for case, decision in zip(cases, decisions):
        own = _absent(case, [name for name in decision.surplus if name not in decision.voiding], planned)
        planned = merged(planned, own)
        groups.append(Group(case.service.name, own))
    return tuple(it for it in groups if it.desired != _NOTHING)


def sharing(groups: Sequence[Group], cases: Sequence[Case], names: Collection[str]) -> set[str]:
    """These services, and all those that share a unit or a changed resource with one of them."""
    resources = {it.service.name: {it.facts.unit.name} if it.facts.unit else set[str]() for it in cases}
    for group in groups:
        asked = group.desired
        files = {it.path for it in asked.entries} | {it.path for it in asked.attributes}
        resources[group.service] |= files | {it.path for it in asked.settings}
        resources[group.service] |= {*asked.running, *asked.stopped, *asked.with_service}
    found = set(names)
    while True:
        held = {resource for name in found for resource in resources[name]}
        more = {name for name, own in resources.items() if own & held} - found
        if not more:
            return found
        found |= more


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
