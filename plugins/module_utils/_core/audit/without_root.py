# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which strategy a unit that listens as root need not be root."""

from __future__ import annotations

from typing import Mapping, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import LowListener, Scan
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service

# A user that every host has and that owns nothing stands for the one that the service would get.
_ANOTHER_USER = "nobody"


def services_of(listeners: Sequence[LowListener]) -> Tuple[Service, ...]:
    """The units of the host's own network that listen as root, as services of another user, named as the units."""
    ports: dict[str, set[Port]] = {}
    for it in filter(_is_asked, listeners):
        ports.setdefault(it.unit, set()).add(Port(it.port, it.protocol))
    return tuple(
        Service(name=unit, ports=tuple(sorted(held)), unit=unit, user=_ANOTHER_USER) for unit, held in ports.items()
    )


def with_strategies(scan: Scan, rules: Mapping[str, Tuple[Rule, ...]]) -> Scan:
    """The scan, with the strategy that the role would choose for each such unit; rules of the site by their names."""
    observed = scan.without_root
    if observed is None:
        return scan
    known = {it.name for it in observed.services}
    # Each as if it were alone: nobody asks for all of them at once.
    services = (it for it in services_of(scan.listeners) if it.name in known)
    decided = {it.name: decision for it in services for decision in decide(observed, [it], policy=rules)}
    return scan._replace(
        listeners=tuple(
            it._replace(strategy=decided[it.unit].strategy, why=decided[it.unit].why)
            if _is_asked(it) and it.unit in decided
            else it
            for it in scan.listeners
        )
    )


def _is_asked(it: LowListener) -> bool:
    return bool(it.root) and it.unit.endswith(".service") and not it.network
