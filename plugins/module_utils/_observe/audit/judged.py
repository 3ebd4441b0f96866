# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the strategies say of units as they are: whether a grant has an effect, and who need not be root."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    SETCAP,
    Grant,
    LowListener,
    Remark,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.units import UnitSeen
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import cases
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe

# What a service without a port is judged with: any privileged port tells the same.
_SOME_PORT = Port(80, "tcp")
# A user that every host has and that owns nothing stands for the one that the service would get.
_ANOTHER_USER = "nobody"


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


def without_root(host: Host, listeners: Sequence[LowListener]) -> Tuple[LowListener, ...]:
    """The listeners, and for those of units that run as root the strategy by which they need not."""
    ports: Dict[str, List[Port]] = {}
    for it in listeners:
        if it.root and it.unit.endswith(".service") and not it.network:
            ports.setdefault(it.unit, []).append(Port(it.port, it.protocol))
    services = [
        Service(name=unit, ports=tuple(sorted(set(held))), unit=unit, user=_ANOTHER_USER)
        for unit, held in ports.items()
    ]
    advice = {it.name: _advice(host, it) for it in services}
    return tuple(
        it._replace(strategy=advice[it.unit][0], why=advice[it.unit][1]) if it.root and it.unit in advice else it
        for it in listeners
    )


def _advice(host: Host, service: Service) -> Tuple[str, str]:
    """The strategy that would be chosen if the service ran as another user, and why; '' for none."""
    try:
        (decision,) = decide(observe(host, [service]), [service])
    except PrivportError as problem:
        return "", str(problem)
    return decision.strategy, decision.why or decision.error
