#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_verify
short_description: Prove that services listen on their privileged ports as they should
version_added: 0.1.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Looks at each port of each service with C(ss) and C(/proc) and judges what it sees. The grant is in place. The port
    is open over the declared protocol and families. It is held by the service's own processes, which are found by the
    socket's inode, and none of their threads is root or holds anything but what the strategy and the unit give. A
    connection to each address succeeds, and another user is still refused the port. The grant survives a restart of
    the service and a boot of the host.
  - Fails when a check fails, and says what to do, with the last lines of the unit's journal. What cannot be seen is
    unknown and never counts as passed.
  - A service whose parent stays root while its workers drop to a user, as nginx and Apache do when packaged, is told
    as that and fails. Its workers are judged like other processes.
  - A service that nothing on the host starts and that does not listen has the verdict V(unknown), with the reason
    V(granted, not listening).
extends_documentation_fragment:
  - netbind.privport.attributes.observes
  - netbind.privport.services
options:
  timeout:
    description: How many seconds to wait for slow starters before a check counts as failed.
    type: int
    default: 30
notes:
  - Run it as root (C(become=true)). Other users do not see who holds a port.
  - Each address of a port gets one connection that is closed at once, and each of its families one attempt to bind the
    port as an unknown user, which the kernel refuses.
  - No check can be skipped.
seealso:
  - module: netbind.privport.privport_info
"""

EXAMPLES = r"""
- name: Prove that caddy has its ports
  netbind.privport.privport_verify:
    services:
      - name: caddy
        ports: [80, 443]
        unit: caddy.service

- name: Prove a server that no unit starts
  netbind.privport.privport_verify:
    services:
      - name: files
        ports: [80]
        executable: /usr/bin/webfsd
        user: www-data
    timeout: 5
"""

RETURN = r"""
verdict:
  description: V(fail) when one check failed, V(unknown) when one could not be made, otherwise V(pass).
  returned: always
  type: str
  sample: pass
reasons:
  description: Every check that did not pass, as a sentence with the service's name.
  returned: always
  type: list
  elements: str
journal:
  description: The last 30 lines of the journal of each unit that has a port with a failed check, by the unit's name.
  returned: always
  type: dict
evidence:
  description: What was seen of each port of each service.
  returned: always
  type: list
  elements: dict
  contains:
    service:
      description: The service's name.
      type: str
    port:
      description: The port, with V(/udp) for UDP.
      type: str
    strategy:
      description: The strategy that was proven.
      type: str
    verdict:
      description: V(pass), V(fail) or V(unknown).
      type: str
    reasons:
      description: The checks of this port that did not pass.
      type: list
      elements: str
    unit:
      description: The systemd unit that runs the service, empty for none.
      type: str
    notes:
      description: What fails nothing but is worth knowing, such as a unit that no boot starts.
      type: list
      elements: str
    advice:
      description: What to do about the checks that failed.
      type: list
      elements: str
    source:
      description: Where listening sockets were read from, V(ss) or V(/proc/net).
      type: str
    addresses:
      description: The addresses that are listened on.
      type: list
      elements: str
    process:
      description:
        - The service's first process that holds the port and is no root parent, with its unit, user ids and
          capabilities, the number of its threads, and those threads that differ (C(unlike)).
      type: dict
    processes:
      description: Every process of the service that holds the port.
      type: list
      elements: dict
    checks:
      description:
        - Each check with its code, verdict and text. The codes are V(strategy), V(grant), V(listening), V(family),
          V(owner), V(root_parent), V(user), V(held), V(connect), V(stranger), V(restart) and V(boot).
      type: list
      elements: dict
"""

import time
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service, parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import SERVICES
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.advice import advise, message
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import FAIL, Probe
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import (
    Evidence,
    combine,
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


def collect(host: Host, services: Sequence[Service]) -> tuple[Proof, ...]:
    """The proof of each of these services, as of now."""
    observation = observe(host, services)
    cases = [
        Case(
            host=observation,
            service=service,
            facts=facts,
            others=tuple(other for other in services if other is not service),
        )
        for service, facts in zip(services, observation.services)
    ]
    return tuple(Proof(case, prove(case, probes=_probes(host, case))) for case in cases)


def _probes(host: Host, case: Case) -> dict[Port, Probe]:
    """What came of trying each port, where the service runs."""
    with host.network(case.facts.network.path if case.facts.listeners else ""):
        return {port: probe(case.facts, port=port, inner=inner_port(case, port)) for port in case.service.ports}


def run(params: dict[str, Any], *, host: Host) -> dict[str, Any]:
    """The module's result: evidence that holds, or the last that was seen when the time was up."""
    services = [service for service in parse_services(params["services"]) if service.state == "present"]
    deadline = time.monotonic() + params["timeout"]
    proofs = collect(host, services)
    while _worth_waiting(proofs) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        proofs = collect(host, services)
    failed = {it.unit for proof in proofs for it in proof.evidence if it.unit and it.verdict == FAIL}
    journal = {unit: last_lines(host, unit) for unit in sorted(failed)}
    evidence = [it for proof in proofs for it in _advised(host, proof, journal=journal)]
    result = {
        "changed": False,
        "verdict": combine(tuple(it.verdict for it in evidence)),
        "reasons": [f"{it.service}: {reason}" for it in evidence for reason in it.reasons],
        "evidence": dump(evidence),
        "journal": dump(journal),
    }
    return {**result, "msg": message(evidence, journal=journal)} if result["verdict"] == FAIL else result


def _advised(host: Host, proof: Proof, *, journal: Mapping[str, Sequence[str]]) -> Iterator[Evidence]:
    program = proof.case.facts.program
    for it in proof.evidence:
        lines = journal.get(it.unit, ())
        refused = denials(host, program=program.real_path if program else "", lines=lines) if it.verdict == FAIL else ()
        yield advise(proof.case, it, journal=lines, denials=refused)


def _worth_waiting(proofs: Sequence[Proof]) -> bool:
    """Whether every service that failed may yet pass: where one never will, no time helps the whole."""
    failed = [proof for proof in proofs if any(it.verdict == FAIL for it in proof.evidence)]
    return bool(failed) and all(proof.may_yet_pass for proof in failed)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": SERVICES,
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, host=Host())
    except PrivportError as error:
        result = {"verdict": FAIL, "reasons": [str(error)], "evidence": [], "journal": {}, "msg": str(error)}
    if result["verdict"] == FAIL:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
