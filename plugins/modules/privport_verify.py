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
  - Looks at each port of each service with C(ss) and C(/proc) and judges what it sees. The grant is in place, the port
    is held by the service's own process, which is found by the socket's inode, that process is not root and holds what
    the strategy gives, a connection succeeds, and another user is still refused the port.
  - Fails when a check fails. What cannot be seen is unknown and never counts as passed.
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
  - Each port gets one connection that is closed at once, and one attempt to bind it as an unknown user, which the
    kernel refuses.
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
    source:
      description: Where listening sockets were read from, V(ss) or V(/proc/net).
      type: str
    addresses:
      description: The addresses that are listened on.
      type: list
      elements: str
    process:
      description: The service's process that holds the port, with its unit, uid and capabilities.
      type: dict
    checks:
      description: Each check with its code, verdict and text.
      type: list
      elements: dict
"""

import time
from typing import Any, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netbind.privport.plugins.module_utils._core.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.service import Port, Service, parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.strategies.base import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.verdict import (
    FAIL,
    Evidence,
    Probe,
    combine,
    prove,
)
from ansible_collections.netbind.privport.plugins.module_utils._host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import observe
from ansible_collections.netbind.privport.plugins.module_utils._probe import probe

_PAUSE_SECONDS = 0.25
# A slow starter mends these by itself; no time mends a missing grant or a wrong owner.
_WORTH_WAITING = ("listening", "connect")


def collect(host: Host, services: Sequence[Service]) -> tuple[Evidence, ...]:
    """The evidence for every port of these services, as of now."""
    observation = observe(host, services)
    cases = [
        Case(host=observation, service=service, facts=facts) for service, facts in zip(services, observation.services)
    ]
    return tuple(evidence for case in cases for evidence in prove(case, probes=_probes(host, case)))


def _probes(host: Host, case: Case) -> dict[Port, Probe]:
    """What came of trying each port, where the service runs."""
    with host.network(case.facts.network.path if case.facts.listeners else ""):
        return {port: probe(case.facts, port=port) for port in case.service.ports}


def run(params: dict[str, Any], *, host: Host) -> dict[str, Any]:
    """The module's result: evidence that holds, or the last that was seen when the time was up."""
    services = [service for service in parse_services(params["services"]) if service.state == "present"]
    deadline = time.monotonic() + params["timeout"]
    evidence = collect(host, services)
    while _may_yet_pass(evidence) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        evidence = collect(host, services)
    return {
        "changed": False,
        "verdict": combine(tuple(it.verdict for it in evidence)),
        "reasons": [f"{it.service}: {reason}" for it in evidence for reason in it.reasons],
        "evidence": dump(evidence),
    }


def _may_yet_pass(evidence: Sequence[Evidence]) -> bool:
    failed = {check.code for it in evidence for check in it.checks if check.verdict == FAIL}
    return bool(failed) and failed <= set(_WORTH_WAITING)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "default": []},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, host=Host())
    except PrivportError as error:
        result = {"verdict": FAIL, "reasons": [str(error)], "evidence": []}
    if result["verdict"] == FAIL:
        module.fail_json(msg="; ".join(dict.fromkeys(result["reasons"])), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
