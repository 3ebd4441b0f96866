#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport
short_description: Give services their privileged ports, prove it, or leave the host as it was
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Does the whole job for a list of services in one transaction on the host. It observes the host, decides which
    strategy each service gets, grants what is missing, starts and restarts units by need, proves the result, and
    removes grants that are no longer needed.
  - Everything that cannot work is refused, with its reasons, before anything is changed. A second run changes nothing.
  - When a proof fails, that service and those that share a resource with it get back what they had. When the host
    cannot carry on, all of them do. The module fails with the reasons and says what was restored.
  - The transaction ends by itself on the host when the controller or the connection is gone. A journal in
    C(/var/lib/netbind.privport) tells the next run of one that was killed, and its undo is finished first.
  - Runs on one host that change something come one after the other. A run that changes nothing waits for none.
  - This is an action plugin. The decision by O(policy) is made on the controller, from what was observed on the host.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.changes
  - netbind.privport._attributes.action
  - netbind.privport._attributes.synchronous
  - netbind.privport._services
options:
  policy:
    description:
      - Rules of the site's own, as in the filter P(netbind.privport.privport_plan#filter). Each names a strategy to
        V(forbid), V(prefer) or V(require), with V(when), a JMESPath expression over the observation, and V(why).
    type: list
    elements: dict
    default: []
  keep:
    description:
      - Have the host itself give file capabilities back that an upgrade takes away, by a systemd path unit
        (O(netbind.privport.privport_setcap#module:keep)).
    type: bool
    default: false
  state:
    description: The state of every service, whatever its description says. Without it each description says so.
    type: str
    choices: [present, absent]
  restart_absent:
    description:
      - Whether to restart the units whose running process keeps what V(absent) took back. Without it such a process
        keeps its privilege until it ends, and a warning says so.
    type: bool
    default: false
  undo:
    description:
      - What a failed proof takes back, that of the V(failed) services and of those that share a resource with them, or
        V(all) that this run changed on the host.
    type: str
    choices: [failed, all]
    default: failed
  timeout:
    description:
      - How many seconds a service may take until it listens. On a slow host it also gives more time to each command,
        such as C(systemctl daemon-reload), which has 30 seconds at least.
    type: int
    default: 30
  digest:
    description:
      - What P(netbind.privport.privport_plan_digest#filter) makes of a plan. Where something else would be done by now,
        the run refuses and changes nothing. By default it does what it decides.
    type: str
    default: ""
  decided:
    description:
      - What the action plugin decided, set by it alone. V(rules) are the rules of O(policy) that apply, by the
        service's name; V(digest) is that of the decisions. V(key) and V(request) go with what is remembered for the
        next look (M(netbind.privport.privport_look)).
    type: dict
    default: {}
notes:
  - Run it as root (C(become=true)).
seealso:
  - module: netbind.privport.privport_verify
  - module: netbind.privport.privport_info
"""

EXAMPLES = r"""
- name: Give caddy its ports
  netbind.privport.privport:
    services:
      - name: caddy
        ports: [80, 443, 443/udp]
        unit: caddy.service

- name: Take them back
  netbind.privport.privport:
    services:
      - name: caddy
        ports: [80, 443, 443/udp]
        unit: caddy.service
    state: absent
    restart_absent: true
"""

RETURN = r"""
plan:
  description: The decision for each service, as the filter P(netbind.privport.privport_plan#filter) returns it.
  returned: always
  type: list
  elements: dict
steps:
  description: What was done for each service, or would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    service:
      description: The service's name.
      type: str
    text:
      description: What was done, such as V(restarted caddy.service).
      type: str
evidence:
  description: The proof of each port, as M(netbind.privport.privport_verify) returns it.
  returned: always
  type: list
  elements: dict
journal:
  description: The last lines of the journal of each unit with a failed check, by the unit's name.
  returned: always
  type: dict
verdict:
  description: V(fail), V(unknown) or V(pass) for all ports together. Empty where nothing was proven.
  returned: always
  type: str
restored:
  description: What was brought back, each as a sentence.
  returned: always
  type: list
  elements: str
left:
  description: What could not be brought back, each as a sentence.
  returned: always
  type: list
  elements: str
reasons:
  description: What went wrong beside the proofs, each as a sentence.
  returned: always
  type: list
  elements: str
"""

import contextlib
from typing import Any, Dict, Mapping, NoReturn

from ansible_collections.netbind.privport.plugins.module_utils._apply.judge import judge
from ansible_collections.netbind.privport.plugins.module_utils._apply.request import request_of, result_of
from ansible_collections.netbind.privport.plugins.module_utils._apply.transaction import (
    Interrupted,
    Outcome,
    Request,
    run,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import SERVICES
from ansible_collections.netbind.privport.plugins.module_utils._host import packed
from ansible_collections.netbind.privport.plugins.module_utils._host.questions import (
    PATH,
    Judged,
    digest_of,
    evidence_of,
    save,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.recording import RecordingHost
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module
from ansible_collections.netbind.privport.plugins.module_utils._observe.units import resolved


def carry_out(params: Mapping[str, Any], *, host: RecordingHost, check_mode: bool) -> Dict[str, Any]:
    """The module's result. Raises PrivportError where nothing was changed."""
    request = request_of(params)
    request = request._replace(services=resolved(host, request.services))
    if host.effective_uid() != 0:
        raise HostError(f"this runs with uid {host.effective_uid()}; granting ports needs root: say become: true")
    host.be_patient(request.seconds)
    host.outlive_connection(_interrupted)
    outcome = run(host, request, check_mode=check_mode)
    if not check_mode:
        # Without them the next look takes longer, and that is all.
        with contextlib.suppress(PrivportError):
            _remember(host, outcome, request, decided=params["decided"])
    return result_of(host, outcome, request, check_mode=check_mode)


def _remember(host: RecordingHost, outcome: Outcome, request: Request, *, decided: Mapping[str, Any]) -> None:
    """Save what the next look is to ask, and what the answers of now mean; where nothing is left to look at, forget it.

    decided["request"] is what they are judged for, '' where the controller judges more than the host knows.
    """
    if outcome.proofs:
        called = decided.get("request", "")
        judged = _judged(host, request, called=called) if called else None
        save(host, PATH, host.questions, key=decided.get("key", ""), judged=judged)
    elif outcome.changed:
        host.remove(PATH, with_folder=True)


def _judged(host: RecordingHost, request: Request, *, called: str) -> Judged | None:
    """What the next look will have to tell if the host stays as it is; None where that is not that all is well."""
    evidence = evidence_of(host, host.questions)
    found = judge(evidence, request, check_mode=False)
    if found is None or found.outcome is None:
        return None
    result = result_of(found.host, found.outcome, request, check_mode=False)
    return None if result["failed"] else Judged(called, digest_of(evidence), packed.pack(result))


def _interrupted(signal: str) -> NoReturn:
    raise Interrupted(f"the run was asked to end by {signal}")


def main() -> None:
    run_module(
        carry_out,
        host=RecordingHost(),
        argument_spec={
            "services": SERVICES,
            "policy": {"type": "list", "elements": "dict", "default": []},
            "keep": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"]},
            "restart_absent": {"type": "bool", "default": False},
            "undo": {"type": "str", "choices": ["failed", "all"], "default": "failed"},
            "timeout": {"type": "int", "default": 30},
            "digest": {"type": "str", "default": ""},
            "decided": {"type": "dict", "default": {}},
        },
    )


if __name__ == "__main__":
    main()
