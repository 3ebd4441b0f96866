# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves services on a host, and waits for those that are slow to start."""

from __future__ import annotations

import time
from typing import Iterator, Mapping, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.advice import advise
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import FAIL, Probe
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import (
    Evidence,
    inner_port,
    prove,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.probe import probe
from ansible_collections.netbind.privport.plugins.module_utils._observe.journal import denials, last_lines
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe

_PAUSE_SECONDS = 0.25
# A slow starter mends these by itself; no time mends a missing grant or a wrong owner.
_WORTH_WAITING = ("listening", "connect")


class Proof(NamedTuple):
    """A service on this host, and the evidence for each of its ports, as of one moment."""

    case: Case
    evidence: tuple[Evidence, ...]

    @property
    def may_yet_pass(self) -> bool:
        """Whether time alone may mend what failed: nothing starts a unit again that failed for good."""
        failed = {check.code for it in self.evidence for check in it.checks if check.verdict == FAIL}
        unit = self.case.facts.unit
        over = unit is not None and unit.says("ActiveState") == "failed" and unit.says("Restart") == "no"
        return bool(failed) and failed <= set(_WORTH_WAITING) and not over


def prove_services(host: Host, services: Sequence[Service]) -> tuple[Proof, ...]:
    """The proof of each of these services, as of now."""
    observation = observe(host, services)
    cases = [
        Case(host=observation, service=service, facts=facts) for service, facts in zip(services, observation.services)
    ]
    return tuple(Proof(case, prove(case, probes=_probes(host, case))) for case in cases)


def _probes(host: Host, case: Case) -> dict[Port, Probe]:
    """What came of trying each port, where the service runs."""
    with host.network(case.facts.network.path if case.facts.listeners else ""):
        return {port: probe(case.facts, port=port, inner=inner_port(case, port)) for port in case.service.ports}


def await_proof(host: Host, services: Sequence[Service], *, seconds: float) -> tuple[Proof, ...]:
    """The proof of these services once it holds, or the last one when the time is up."""
    deadline = time.monotonic() + seconds
    proofs = prove_services(host, services)
    while _worth_waiting(proofs) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        proofs = prove_services(host, services)
    return proofs


def _worth_waiting(proofs: Sequence[Proof]) -> bool:
    """Whether every service that failed may yet pass: where one never will, no time helps the whole."""
    failed = [proof for proof in proofs if any(it.verdict == FAIL for it in proof.evidence)]
    return bool(failed) and all(proof.may_yet_pass for proof in failed)


def evidence_of(host: Host, proofs: Sequence[Proof]) -> tuple[tuple[Evidence, ...], dict[str, tuple[str, ...]]]:
    """The evidence of all ports with what to do about what failed, and the last lines of each unit that failed."""
    failed = {it.unit for proof in proofs for it in proof.evidence if it.unit and it.verdict == FAIL}
    journal = {unit: last_lines(host, unit) for unit in sorted(failed)}
    return tuple(it for proof in proofs for it in _advised(host, proof, journal=journal)), journal


def _advised(host: Host, proof: Proof, *, journal: Mapping[str, Sequence[str]]) -> Iterator[Evidence]:
    program = proof.case.facts.program
    for it in proof.evidence:
        lines = journal.get(it.unit, ())
        refused = denials(host, program=program.real_path if program else "", lines=lines) if it.verdict == FAIL else ()
        yield advise(proof.case, it, journal=lines, denials=refused)
