# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves services on a host, and waits for those that are slow to start."""

from __future__ import annotations

import time
from typing import Iterable, Iterator, Mapping, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case, cases
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.advice import (
    advise,
    cannot_start,
    is_refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import FAIL, Check, Probe
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import Evidence, inner_ports, prove
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import advice_to_look, is_unit
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import supervision, units
from ansible_collections.netbind.privport.plugins.module_utils._observe.journal import denials, last_lines
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe
from ansible_collections.netbind.privport.plugins.module_utils._observe.probes import probe, try_in_unit
from ansible_collections.netbind.privport.plugins.module_utils._observe.processes import parse_sockets, ranges_of

_PAUSE_SECONDS = 0.25
# A slow starter mends these by itself; no time mends a missing grant or a wrong owner.
_WORTH_WAITING = ("listening", "address", "connect")
_STATE = ("Id", "ActiveState", "NRestarts")


class Proof(NamedTuple):
    """A service on this host, and the evidence for each of its ports, as of one moment."""

    case: Case
    evidence: tuple[Evidence, ...]

    @property
    def failed(self) -> frozenset[str]:
        """The codes of the checks that failed."""
        return frozenset(check.code for it in self.evidence for check in it.checks if check.verdict == FAIL)

    def of_restless(self, unit: str, *, times: int) -> Proof:
        """The same, failed, for a unit that systemd started again so often while it was waited for."""
        told = f"{unit} does not stay up: systemd started it again {times} times; {advice_to_look(unit)}"
        check = Check("listening", FAIL, told)
        return self._replace(evidence=tuple(it.failed_by(check) for it in self.evidence))

    @property
    def may_yet_pass(self) -> bool:
        """Whether time alone may mend what failed: nothing starts a unit again that failed for good."""
        return bool(self.failed) and self.failed <= set(_WORTH_WAITING) and not self._is_over

    @property
    def _is_over(self) -> bool:
        unit = self.case.facts.unit
        if unit is None:
            return False
        state = unit.says("ActiveState")
        if state == "inactive":
            return unit.says("Job") in ("", "0")
        # One that waits for its next start is activating (systemd.service(5), Restart=).
        return state == "failed" or (self.starts_again and cannot_start(unit))

    @property
    def starts_again(self) -> bool:
        """Whether systemd starts the unit anew because it failed."""
        unit = self.case.facts.unit
        return unit is not None and unit.says("NRestarts") not in ("", "0")


def prove_services(host: Host, services: Sequence[Service]) -> tuple[Proof, ...]:
    """The proof of each of these services, as of now. Raises PrivportError where a tool fails."""
    observation = observe(host, services)
    return prove_cases(host, cases(observation, services))


def prove_cases(host: Host, cases: Sequence[Case]) -> tuple[Proof, ...]:
    """The same for what was just observed; only their ports are still to be tried."""
    return tuple(Proof(case, prove(case, probes=_probes(host, case))) for case in cases)


def _probes(host: Host, case: Case) -> dict[Port, Probe]:
    """What came of trying each port, where the service runs."""
    if not case.facts.listeners:
        trial = try_in_unit(host, case) if case.on_demand else None
        return dict.fromkeys(case.service.ports, Probe(trial=trial))
    with host.network(case.facts.network.path):
        return {port: probe(host, case, port=port, inner=inner) for port, inner in inner_ports(case).items()}


def await_proof(
    host: Host, services: Sequence[Service], *, seconds: float, seen: Sequence[Case] = ()
) -> tuple[Proof, ...]:
    """The proof of these services once it holds, or the last one when the time is up or none would mend it.

    seconds is the time of services that say none themselves. seen are their cases where they were just observed.
    In between only sockets and the states of units are looked at. Raises PrivportError where a tool fails.
    """
    begun, since = time.monotonic(), time.time()
    if not seen:
        host.begin()
    proofs = prove_cases(host, seen) if seen else prove_services(host, services)
    while waited_for := _worth_waiting(host, proofs, since=since):
        deadline = begun + max(it.case.service.seconds(seconds) for it in waited_for)
        changed = _await_change(host, proofs, deadline=deadline)
        late = time.monotonic() >= deadline
        if changed:
            host.begin()
            proofs = prove_services(host, services)
        if late:
            break
    return proofs


def _worth_waiting(host: Host, proofs: Sequence[Proof], *, since: float) -> list[Proof]:
    """Those that failed and may yet pass: one that never will takes no time from the others."""
    return [proof for proof in proofs if proof.may_yet_pass and not _is_refused(host, proof, since=since)]


def _is_refused(host: Host, proof: Proof, *, since: float) -> bool:
    """Whether the service died since, and logged that it is refused its port."""
    unit, strategy = proof.case.facts.unit, next((it.strategy for it in proof.evidence), "")
    if unit is None or not proof.starts_again:
        return False
    return is_refused(last_lines(host, unit.name, since=since), strategy=strategy)


class _Glance(NamedTuple):
    """Who listens where, and of each unit its ActiveState and how often it was started again.

    A socket is there once for each service that it concerns: two of them may be bound to one address (SO_REUSEPORT).
    """

    sockets: tuple[tuple[str, str, str, int], ...]
    active: tuple[str, ...]
    restarts: tuple[str, ...]


def _await_change(host: Host, proofs: Sequence[Proof], *, deadline: float) -> bool:
    """Wait until a full look may tell something new; False where the deadline comes first and nothing would be new."""
    # A socket that does not answer yet looks the same once it does.
    silent = any("connect" in proof.failed for proof in proofs)
    before = now = _seen(proofs)
    while time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        now = _glance(host, proofs)
        if silent or now != before:
            return True
    return now != before


def _seen(proofs: Sequence[Proof]) -> _Glance:
    """The same as _glance(), as the proofs saw it."""
    facts = [proof.case.facts for proof in proofs]
    shown = {it.unit.name: it.unit.properties for it in facts if it.unit}
    sockets = ((it.network.path, own.protocol, own.address, own.port) for it in facts for own in it.listeners)
    return _summary(sockets, shown)


def _glance(host: Host, proofs: Sequence[Proof]) -> _Glance:
    host.begin()
    names = sorted({proof.case.facts.unit.name for proof in proofs if proof.case.facts.unit})
    services: dict[str, list[Service]] = {}
    for proof in proofs:
        services.setdefault(proof.case.facts.network.path, []).append(proof.case.service)
    sockets = (it for path, of_network in services.items() for it in _sockets_in(host, path, of_network))
    shown = units.show(host, [name for name in names if is_unit(name)], properties=_STATE)
    shown.update({name: seen.properties for name, seen in supervision.look(host, names).items()})
    return _summary(sockets, shown)


def _sockets_in(host: Host, path: str, services: Sequence[Service]) -> Iterator[tuple[str, str, str, int]]:
    """Those of services in one network; none where it is gone, or cannot be entered yet."""
    wanted: dict[Port, list[Service]] = {}
    for service in services:
        for port in dict.fromkeys(service.all_ports):
            wanted.setdefault(port, []).append(service)
    ports = sorted(wanted)
    try:
        with host.network(path):
            found = parse_sockets(host.sockets(ranges_of(ports), holders=False), ports)
    except HostError:
        return
    for it in found:
        for own in wanted[Port(it.port, it.protocol)]:
            if own.serves_by(it.address, v6only=it.v6only):
                yield path, it.protocol, it.address, it.port


def _summary(sockets: Iterable[tuple[str, str, str, int]], shown: Mapping[str, Mapping[str, str]]) -> _Glance:
    states = [shown[name] for name in sorted(shown)]
    return _Glance(
        sockets=tuple(sorted(sockets)),
        active=tuple(it.get("ActiveState", "") for it in states),
        restarts=tuple(it.get("NRestarts", "") for it in states),
    )


def evidence_of(host: Host, proofs: Sequence[Proof]) -> tuple[tuple[Evidence, ...], dict[str, tuple[str, ...]]]:
    """The evidence of all ports with what to do about what failed, and the last lines of each unit that failed."""
    failed = {it.unit for proof in proofs for it in proof.evidence if it.unit and it.verdict == FAIL}
    journal = {unit: last_lines(host, unit) for unit in sorted(failed)}
    return tuple(it for proof in proofs for it in _advised(host, proof, journal=journal)), journal


def _advised(host: Host, proof: Proof, *, journal: Mapping[str, Sequence[str]]) -> Iterator[Evidence]:
    program = proof.case.facts.program
    found: dict[str, tuple[str, ...]] = {}
    for it in proof.evidence:
        lines = journal.get(it.unit, ())
        if it.verdict == FAIL and it.unit not in found:
            found[it.unit] = denials(host, program=program.real_path if program else "", lines=lines)
        yield advise(proof.case, it, journal=lines, denials=found.get(it.unit, ()))
