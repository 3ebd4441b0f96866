# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the strategies say of units as they are: whether a grant has an effect, and who need not be root."""

from __future__ import annotations

from typing import Dict, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    SETCAP,
    Grant,
    Remark,
    Skipped,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.units import UnitSeen
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import cases
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe

# What a service without a port is judged with: any privileged port tells the same.
_SOME_PORT = Port(80, "tcp")


class Judged(NamedTuple):
    """Whether a unit's processes get the capability by a mechanism, None for unknown, and why not."""

    effective: bool | None
    why_not: str


def effects(host: Host, units: Sequence[UnitSeen], mechanism: str) -> Dict[str, Judged]:
    """What becomes of the capability that a mechanism, ambient or setcap, gives to each of these units, by name."""
    names = [it.properties["Id"] for it in units]
    services = [Service(name=it, ports=(_SOME_PORT,), unit=it, strategy=mechanism) for it in names]
    try:
        judged = [(case, STRATEGIES[mechanism]) for case in cases(observe(host, services), services)] if names else []
    except PrivportError as problem:
        return {it.name: Judged(None, str(problem)) for it in units}
    found = {}
    for unit, (case, strategy) in zip(units, judged):
        blockers, unknowns = strategy.blockers(case), strategy.unknowns(case)
        reasons = blockers or unknowns
        found[unit.name] = Judged(
            not blockers if blockers or not unknowns else None, reasons[0].text if reasons else ""
        )
    return found


def with_effects(grants: Sequence[Grant], effect: Dict[str, Judged]) -> Tuple[Grant, ...]:
    """The grants of files, with what keeps the units that execute them from getting the capability."""
    return tuple(_with_effects(it, effect) for it in grants)


def _with_effects(grant: Grant, effect: Dict[str, Judged]) -> Grant:
    failing = [
        (name, effect[name].why_not) for name in grant.units if name in effect and effect[name].effective is False
    ]
    if grant.mechanism != SETCAP or not failing or grant.effective is False:
        return grant
    remarks = [
        Remark("setcap-without-effect", f"{grant.subject} has its capability without effect in {name}: {why}")
        for name, why in failing
    ]
    grant = grant._replace(remarks=(*grant.remarks, *remarks))
    alone = len(failing) == len(grant.units) and "every user" not in grant.holders
    return grant._replace(effective=False, why_not=failing[0][1]) if alone else grant


def without_root(host: Host, services: Sequence[Service]) -> Tuple[Observation | None, Tuple[Skipped, ...]]:
    """The host with these services, and those that cannot be looked at as one of them; None without any."""
    try:
        return (observe(host, services) if services else None), ()
    except PrivportError:
        problems = {it: problem for it in services for problem in _problems(host, it)}
    left = [it for it in services if it not in problems]
    skipped = tuple(Skipped(f"whether {it.name} needs root", problem) for it, problem in problems.items())
    return (observe(host, left) if left else None), skipped


def _problems(host: Host, service: Service) -> Tuple[str, ...]:
    try:
        observe(host, [service])
    except PrivportError as problem:
        return (str(problem),)
    return ()
