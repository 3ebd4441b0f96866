# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof: what was observed and probed of each port, judged check by check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.model import Listener, Process
from ansible_collections.netbind.privport.plugins.module_utils._core.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.strategies import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.strategies.base import Case, Strategy

PASS, FAIL, UNKNOWN = "pass", "fail", "unknown"
NOT_LISTENING = "granted, not listening"


@dataclass(frozen=True)
class Probe:
    """What was tried on a port: '' for success, else the errno's name; None where it could not be tried."""

    connect: str | None = None
    # bind(2) by a uid that nobody granted anything.
    stranger: str | None = None


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; text tells what was seen."""

    code: str
    verdict: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """The proof for one port of one service. The process is the one that holds the port, if it was seen."""

    service: str
    port: str
    strategy: str
    verdict: str
    reasons: tuple[str, ...]
    source: str
    addresses: tuple[str, ...]
    process: Process | None
    checks: tuple[Check, ...]


def combine(verdicts: tuple[str, ...]) -> str:
    """fail where one failed, else unknown where one is unknown (or nothing was looked at), else pass."""
    if FAIL in verdicts:
        return FAIL
    return UNKNOWN if UNKNOWN in verdicts or not verdicts else PASS


def strategy_in_force(case: Case) -> tuple[str, str]:
    """The strategy to prove, and '' or why there is none.

    A named one; under auto the one that granted something, else the one that would be chosen.
    """
    if case.service.strategy != "auto":
        return case.service.strategy, ""
    granted = [name for name, strategy in STRATEGIES.items() if strategy.granted(case)]
    if len(granted) == 1:
        return granted[0], ""
    decision = decide(case.host, [case.service])[0]
    return decision.strategy, decision.error


def prove(case: Case, *, probes: Mapping[Port, Probe]) -> tuple[Evidence, ...]:
    """The evidence for each port of a service that is to be present."""
    name, error = strategy_in_force(case)
    if error:
        checks = (Check("strategy", FAIL, error),)
        return tuple(_evidence(case, port, strategy="", checks=checks) for port in case.service.ports)
    return tuple(
        _evidence(case, port, strategy=name, checks=_checks(case, port, STRATEGIES[name], probes.get(port, Probe())))
        for port in case.service.ports
    )


def _evidence(case: Case, port: Port, *, strategy: str, checks: tuple[Check, ...]) -> Evidence:
    listeners = _on(case, port)
    owners = _owners(case, listeners)
    return Evidence(
        service=case.service.name,
        port=str(port),
        strategy=strategy,
        verdict=combine(tuple(check.verdict for check in checks)),
        reasons=tuple(check.text for check in checks if check.verdict != PASS),
        source=case.host.socket_source,
        addresses=tuple(listener.address for listener in listeners),
        process=owners[0] if owners else None,
        checks=checks,
    )


def _on(case: Case, port: Port) -> tuple[Listener, ...]:
    return tuple(
        listener
        for listener in case.facts.listeners
        if (listener.port, listener.protocol) == (port.number, port.protocol)
    )


def _owners(case: Case, listeners: tuple[Listener, ...]) -> tuple[Process, ...]:
    """The processes of the service among those that hold the sockets."""
    holders = (process for listener in listeners for process in listener.owners)
    return tuple(process for process in holders if case.owns(process))


def _checks(case: Case, port: Port, strategy: Strategy, probe: Probe) -> tuple[Check, ...]:
    grant = _grant_check(case, strategy)
    listeners = _on(case, port)
    if not listeners:
        return (grant, _not_listening(case, port, granted=grant.verdict == PASS))
    owner = _owner_check(case, port, listeners)
    processes = _owners(case, listeners)
    held = tuple(check for process in processes for check in _process_checks(case, process, strategy))
    return (grant, owner, *held, *_probe_checks(case, port, strategy, probe))


def _grant_check(case: Case, strategy: Strategy) -> Check:
    missing = [step for step in strategy.pending(case) if step not in ("restart", "start")]
    if missing:
        return Check(
            "grant", FAIL, f"the grant of strategy {strategy.name} is not in place: {', '.join(missing)} missing"
        )
    return Check("grant", PASS, f"the grant of strategy {strategy.name} is in place")


def _not_listening(case: Case, port: Port, *, granted: bool) -> Check:
    unit = case.facts.unit
    if unit is not None:
        state = f"{unit.name} is {unit.says('ActiveState')} ({unit.says('SubState')}, result {unit.says('Result')})"
        return Check("listening", FAIL, f"nothing listens on port {port}; {state}; see journalctl -u {unit.name}")
    if granted:
        return Check("listening", UNKNOWN, NOT_LISTENING)
    return Check("listening", FAIL, f"nothing listens on port {port}")


def _owner_check(case: Case, port: Port, listeners: tuple[Listener, ...]) -> Check:
    if _owners(case, listeners):
        return Check("owner", PASS, f"port {port} is held by {case.service.name}")
    if not all(listener.owners_known for listener in listeners):
        return Check("owner", UNKNOWN, f"who holds port {port} is hidden from this user; look as root")
    holders = ", ".join(str(process) for listener in listeners for process in listener.owners)
    whose = f"{holders}, which is" if holders else "a process of another PID namespace,"
    return Check("owner", FAIL, f"port {port} is held by {whose} not part of {case.service.name}")


def _process_checks(case: Case, process: Process, strategy: Strategy) -> tuple[Check, ...]:
    return (_user_check(case, process), _held_check(case, process, strategy))


def _user_check(case: Case, process: Process) -> Check:
    uid, account = process.status.uid, case.facts.account
    if uid == 0:
        return Check("user", FAIL, f"{process} runs as root")
    if account is not None and uid != account.uid:
        return Check("user", FAIL, f"{process} does not run as {account.name} (uid {account.uid})")
    return Check("user", PASS, f"pid {process.pid} runs as {account.name if account else uid}")


def _held_check(case: Case, process: Process, strategy: Strategy) -> Check:
    expected = strategy.expects(case)
    lacking, exceeding = expected.lacking(process), expected.exceeding(process)
    if lacking:
        return Check("held", FAIL, f"{process} lacks {'; '.join(lacking)}; restart it")
    if exceeding:
        text = f"{process} holds more than strategy {strategy.name} and its unit give: {'; '.join(exceeding)}"
        return Check("held", FAIL, text)
    if expected.authbind and process.authbind is None:
        return Check("held", UNKNOWN, f"{process} does not show whether libauthbind is mapped; look as root")
    held = ", ".join(process.status.effective) or "no capability"
    return Check("held", PASS, f"pid {process.pid} holds {held} in {process.threads} threads and nothing more")


def _probe_checks(case: Case, port: Port, strategy: Strategy, probe: Probe) -> tuple[Check, ...]:
    checks: tuple[Check, ...] = ()
    if port.protocol == "tcp":
        checks += (_connect_check(port, probe.connect),)
    if port in case.privileged_ports and strategy.name != "unneeded":
        checks += (_stranger_check(port, probe.stranger),)
    return checks


def _connect_check(port: Port, outcome: str | None) -> Check:
    if outcome is None:
        return Check("connect", UNKNOWN, f"no connection to port {port} was tried")
    if outcome:
        return Check("connect", FAIL, f"a connection to port {port} fails with {outcome}")
    return Check("connect", PASS, f"port {port} accepts a connection")


def _stranger_check(port: Port, outcome: str | None) -> Check:
    if outcome is None:
        return Check("stranger", UNKNOWN, f"whether a stranger may bind port {port} can be tried by root only")
    if outcome == "EACCES":
        return Check("stranger", PASS, f"another user is refused port {port} with EACCES")
    return Check("stranger", FAIL, f"another user's bind of port {port} ends in {outcome or 'success'}, not in EACCES")
