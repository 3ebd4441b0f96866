#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_verify
short_description: Prove that services listen on their privileged ports as they should
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Looks at each port of each service with C(ss) and C(/proc) and judges what it sees. The grant is in place. The port
    is open over the declared protocol and families. It is held by the service's own processes, which are found by the
    socket's inode, and none of their threads is root or holds anything but what the strategy and the unit give. A
    connection to each address succeeds, and another user is still refused the port. The grant survives a restart of
    the service and a boot of the host. A process that gives its privileges up once it listens holds less than it was
    granted, and passes.
  - A rule that leads what other hosts send to the port elsewhere, a redirect of old times for example, fails it.
  - An address that this host itself cannot come by, for a filter keeps it out or the host does not have the address,
    makes the connection V(unknown).
  - Fails when a check fails, and says what to do, with the last lines of the unit's journal. What cannot be seen is
    unknown and never counts as passed.
  - A service whose parent stays root while its workers drop to a user, as nginx and Apache do when packaged, is told
    as that and fails. Its workers are judged like other processes. One that starts as root and has wholly become
    another user by the time that it listens, as unbound and dnsmasq do, passes, and it is told what it keeps.
  - A service that nothing on the host starts and that does not listen has the verdict V(unknown), with the reason
    V(granted, not listening).
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.observes
  - netbind.privport._services
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
        - Of a service that a server starts for each connection it is what was started for that of the proof.
      type: dict
    processes:
      description: Every process of the service that holds the port.
      type: list
      elements: dict
    checks:
      description: Each thing that was looked at.
      type: list
      elements: dict
      contains:
        code:
          description:
            - Which one it is, of V(strategy), V(grant), V(listening), V(address), V(family), V(trial), V(owner),
              V(root_parent), V(user), V(groups), V(held), V(connect), V(taken), V(stranger), V(restart) and V(boot).
          type: str
        verdict:
          description: V(pass), V(fail) or V(unknown).
          type: str
        text:
          description: What was seen.
          type: str
"""

from typing import Any, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import SERVICES
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.advice import message
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import FAIL
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import combine
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.recording import RecordingHost
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module
from ansible_collections.netbind.privport.plugins.module_utils._observe.proof import await_proof, evidence_of
from ansible_collections.netbind.privport.plugins.module_utils._observe.units import resolved


def run(params: Mapping[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The module's result: evidence that holds, or the last that was seen when the time was up."""
    host.be_patient(params["timeout"])
    try:
        described = [service for service in parse_services(params["services"]) if service.state == "present"]
        services = resolved(host, described)
        evidence, journal = evidence_of(host, await_proof(host, services, seconds=params["timeout"]))
    except PrivportError as error:
        told = {"verdict": FAIL, "reasons": [str(error)], "evidence": [], "journal": {}, "msg": str(error)}
        return {**told, "failed": True}
    result = {
        "changed": False,
        "verdict": combine(tuple(it.verdict for it in evidence)),
        "reasons": [f"{it.service}: {reason}" for it in evidence for reason in it.reasons],
        "evidence": dump(evidence),
        "journal": dump(journal),
    }
    failed = {"failed": True, "msg": message(evidence, journal=journal)}
    return {**result, **failed} if result["verdict"] == FAIL else result


def main() -> None:
    run_module(
        run, host=RecordingHost(), argument_spec={"services": SERVICES, "timeout": {"type": "int", "default": 30}}
    )


if __name__ == "__main__":
    main()
