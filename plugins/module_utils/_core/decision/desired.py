# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the decisions on all services make of a host's resources, pass by pass."""

from __future__ import annotations

from typing import AbstractSet, Iterable, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import OF_PROCESSES, Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, Entry, merged
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

_NOTHING = Desired()


class Group(NamedTuple):
    """What is to become of resources for a service, by its name; it goes on from the groups before it."""

    service: str
    desired: Desired


def grants(cases: Sequence[Case], decisions: Sequence[Decision]) -> tuple[Group, ...]:
    """What the chosen strategies still have to grant, and what would void it taken away.

    The cases are those of the decisions, in their order. Raises PrivportError; InvalidInput where two services need
    different things of one file.
    """
    groups: list[Group] = []
    writers: dict[str, tuple[str, Entry]] = {}
    for case, decision in zip(cases, decisions):
        planned = together(groups)
        wanted = _absent(case, decision.voiding, planned)
        chosen = STRATEGIES.get(decision.strategy)
        if chosen is not None and set(decision.pending) - set(OF_PROCESSES):
            given = chosen.desired(case, merged(planned, wanted))
            if not chosen.continues_others:
                _refuse_collision(case, given, writers)
            writers.update({it.path: (case.service.name, it) for it in given.entries})
            wanted = merged(wanted, given)
        groups.append(Group(case.service.name, wanted))
    return _of_something(groups)


def removals(
    cases: Sequence[Case], decisions: Sequence[Decision], *, granted: Sequence[Group] = ()
) -> tuple[Group, ...]:
    """What goes once the chosen strategies are proven.

    granted is what grants() said for the same cases; nothing where the host was observed anew since. Raises
    PrivportError.
    """
    groups: list[Group] = []
    for case, decision in zip(cases, decisions):
        names = [name for name in decision.surplus if name not in decision.voiding]
        planned = together((*granted, *groups))
        taken = _absent(case, names, planned)
        groups.append(Group(case.service.name, merged(taken, _reclaimed(case, decision, merged(planned, taken)))))
    return _of_something(groups)


def together(groups: Iterable[Group]) -> Desired:
    """All of it, of a resource that several name what the last says."""
    planned = _NOTHING
    for it in groups:
        planned = merged(planned, it.desired)
    return planned


def sharing(groups: Sequence[Group], cases: Sequence[Case], names: AbstractSet[str]) -> frozenset[str]:
    """The services of these names, and those that share a resource or the unit with one of them, and so on."""
    held: dict[str, set[str]] = {case.service.name: _of_service(case) for case in cases}
    for it in groups:
        held.setdefault(it.service, set()).update(_resources(it.desired))
    found, more = frozenset(names), frozenset(names)
    while more:
        taken = set().union(*(held.get(name, set()) for name in found))
        more = frozenset(name for name, resources in held.items() if resources & taken) - found
        found |= more
    return found


def _of_something(groups: Iterable[Group]) -> tuple[Group, ...]:
    return tuple(it for it in groups if it.desired != _NOTHING)


def _absent(case: Case, names: Sequence[str], planned: Desired) -> Desired:
    removed = _NOTHING
    for name in names:
        removed = merged(removed, STRATEGIES[name].absent(case, merged(planned, removed)))
    return removed


def _reclaimed(case: Case, decision: Decision, planned: Desired) -> Desired:
    """What was granted before and serves the service no longer."""
    taken = _NOTHING
    for strategy in STRATEGIES.values():
        for record in strategy.stale(case):
            if record.path in decision.stale and record.path not in planned.written:
                taken = merged(taken, strategy.reclaim(record, case, merged(planned, taken)))
    return taken


def _refuse_collision(case: Case, wanted: Desired, writers: dict[str, tuple[str, Entry]]) -> None:
    for entry in wanted.entries:
        name, planned = writers.get(entry.path, ("", entry))
        if planned != entry:
            raise InvalidInput(
                f"service {case.service.name!r}: {entry.path} would have to be another file for service {name!r}; "
                "describe both alike, or as one service"
            )


def _of_service(case: Case) -> set[str]:
    return {case.facts.unit.name} if case.facts.unit is not None else set()


def _resources(desired: Desired) -> set[str]:
    paths = (it.path for of_kind in (desired.entries, desired.attributes, desired.settings) for it in of_kind)
    return {*paths, *desired.running, *desired.stopped, *desired.with_service}
