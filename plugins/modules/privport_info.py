#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_info
short_description: Observe what decides about privileged ports on a host
version_added: 0.1.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Observes the host and the named services. The filter P(netbind.privport.privport_plan#filter) decides from it
    which strategy each service gets.
  - One run observes all services. Nothing is ever changed.
extends_documentation_fragment:
  - netbind.privport.attributes.observes
  - netbind.privport.services
options:
  scan:
    description:
      - Also list every grant on the host, whoever made it. This looks at every file of the local file systems.
    type: bool
    default: false
notes:
  - Run it as root (C(become=true)). What other users cannot see, such as who holds a port, is returned as unknown.
seealso:
  - module: netbind.privport.privport_verify
  - plugin: netbind.privport.privport_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Observe the host and a service
  netbind.privport.privport_info:
    services:
      - name: caddy
        ports: [80, 443]
        unit: caddy.service
  register: observed

- name: Show what would be chosen and why
  ansible.builtin.debug:
    msg: "{{ observed.privport | netbind.privport.privport_plan(services) }}"

- name: List every grant on the host
  netbind.privport.privport_info:
    scan: true
  register: observed
"""

RETURN = r"""
privport:
  description: The observation, a JSON document.
  returned: success
  type: dict
  contains:
    format:
      description: The version of this document.
      type: int
    kernel:
      description: The release of the running kernel.
      type: str
    effective_uid:
      description: The user id that observed; what only root can see is unknown to others.
      type: int
    unprivileged_port_start:
      description: The first port that every user may bind. V(null) where the kernel has no such setting.
      type: int
      sample: 1024
    systemd:
      description: The version of the systemd that runs the host. V(null) where none does.
      type: int
      sample: 252
    systemd_features:
      description: What that systemd was built with and without.
      type: list
      elements: str
      sample: ["+SECCOMP", "-BPF_FRAMEWORK"]
    authbind:
      description: The program authbind and whether its helper can work. V(null) where it is not installed.
      type: dict
    socket_source:
      description: Where listening sockets were read from, V(ss) or V(/proc/net).
      type: str
    services:
      description: For each service its unit, program, account, authbind rules and who listens on its ports.
      type: list
      elements: dict
    grants:
      description: Every grant on the host (mechanism, subject and detail). V(null) unless O(scan=true).
      type: list
      elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netbind.privport.plugins.module_utils._core.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import observe
from ansible_collections.netbind.privport.plugins.module_utils._scan import scan


def run(params: dict[str, Any], *, host: Host) -> dict[str, Any]:
    """The observation as JSON data, with the grants of the whole host where they are asked for."""
    observation = dump(observe(host, parse_services(params["services"])))
    return {**observation, "grants": dump(scan(host)) if params["scan"] else None}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "default": []},
            "scan": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        observation = run(module.params, host=Host())
    except PrivportError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, privport=observation)


if __name__ == "__main__":
    main()
