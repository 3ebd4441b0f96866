# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof: what was observed and probed of each port, judged check by check."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    FAIL,
    PASS,
    UNKNOWN,
    Check,
    Probe,
    Seen,
    checks_of_owner,
    checks_of_port,
    grant_check,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.forwarder_checks import checks_of_forwarder
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.persistence import (
    boot_check,
    notes,
    restart_check,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.server_checks import checks_of_server


class Evidence(NamedTuple):
    """The proof for one port of one service.

    processes are those of the service that hold the port; process is the first that is no parent of root, if any.
    notes tell what fails nothing, advice what to do about what failed.
    """

    service: str
    unit: str
    port: str
    strategy: str
    verdict: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    advice: tuple[str, ...]
    source: str
    addresses: tuple[str, ...]
    process: Process | None
    processes: tuple[Process, ...]
    checks: tuple[Check, ...]

    def failed_by(self, check: Check) -> Evidence:
        """The same with a check that failed."""
        return self._replace(verdict=FAIL, reasons=(*self.reasons, check.text), checks=(*self.checks, check))


def combine(verdicts: tuple[str, ...]) -> str:
    """fail where one failed, else unknown where one is unknown (or nothing was looked at), else pass."""
    if FAIL in verdicts:
        return FAIL
    return UNKNOWN if UNKNOWN in verdicts or not verdicts else PASS


def strategy_in_force(case: Case) -> tuple[str, str]:
    """The strategy to prove, and '' or why there is none.

    A named one; under auto the one that granted something, else the one that would be chosen if the port were free.
    """
    if case.service.strategy != "auto":
        return case.service.strategy, ""
    granted = [name for name, strategy in STRATEGIES.items() if strategy.granted(case)]
    if len(granted) == 1:
        return granted[0], ""
    own = tuple(it for it in case.facts.listeners if any(map(case.owns, it.owners)))
    alone = case.host._replace(services=(case.facts._replace(listeners=own),))
    decision = decide(alone, [case.service])[0]
    return decision.strategy, decision.error


def inner_ports(case: Case) -> dict[Port, Port]:
    """The port that the service listens on for each of its ports, by the strategy that is to be proven."""
    strategy = STRATEGIES.get(strategy_in_force(case)[0])
    return {port: strategy.inner(case.service, port) if strategy else port for port in case.served_ports}


def prove(case: Case, *, probes: Mapping[Port, Probe]) -> tuple[Evidence, ...]:
    """The evidence for each port of a service that is to be present."""
    name, error = strategy_in_force(case)
    # What is there was wanted, whoever chose it: some strategies ask to be named before they are chosen.
    case = case._replace(service=case.service._replace(strategy=name or case.service.strategy))
    strategy = STRATEGIES.get(name)
    of_service = _checks_of_service(case, strategy, error=error)
    seen = (
        Seen(case=case, port=port, strategy=strategy, error=error, probe=probes.get(port, Probe()))
        for port in case.served_ports
    )
    return tuple(_evidence(it, of_service=of_service) for it in seen)


class _OfService(NamedTuple):
    """The checks that are the same for each port of a service: those that are told before the port's, and after."""

    before: tuple[Check, ...]
    after: tuple[Check, ...] = ()


def _checks_of_service(case: Case, strategy: Strategy | None, *, error: str) -> _OfService:
    if strategy is None:
        return _OfService(before=(Check("strategy", FAIL, error),))
    return _OfService(
        before=(grant_check(case, strategy),), after=(restart_check(case, strategy), boot_check(case, strategy))
    )


def _evidence(seen: Seen, *, of_service: _OfService) -> Evidence:
    checks, unit = _checks(seen, of_service=of_service), seen.case.facts.unit
    return Evidence(
        service=seen.case.service.name,
        unit=unit.name if unit else "",
        port=str(seen.port),
        strategy=seen.strategy.name if seen.strategy else "",
        verdict=combine(tuple(check.verdict for check in checks)),
        reasons=tuple(check.text for check in checks if check.verdict != PASS),
        notes=notes(seen),
        advice=(),
        source=seen.case.host.socket_source,
        addresses=tuple(listener.address for listener in seen.entrances),
        process=next(iter((*seen.workers, *seen.processes)), None),
        processes=seen.processes,
        checks=checks,
    )


def _checks(seen: Seen, *, of_service: _OfService) -> tuple[Check, ...]:
    whose = checks_of_server if seen.by_connection else checks_of_owner
    of_port = (*checks_of_port(seen, whose=whose), *checks_of_forwarder(seen))
    # What starts as root needs no grant, and no strategy is the reason for what it does.
    by_root = seen.root_parents or (seen.strategy is None and seen.gave_up_root)
    return of_port if by_root else (*of_service.before, *of_port, *of_service.after)
