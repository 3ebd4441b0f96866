#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_snapshot
short_description: Remember what grants privileged ports, and bring it back
version_added: 0.1.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Without O(restore) it looks at all that the role P(netbind.privport.privport#role) may change for the services, and
    returns it. That is the drop-in of each unit, the C(security.capability) attribute of each program, the authbind
    rules for each user and port, and whether the units run.
  - With O(restore) it brings the host back to that, byte by byte with owners and modes, starts, restarts or stops the
    units whose state is another one than before, and waits until the services listen on their ports as they did.
  - A unit that has run all the time since is not restarted, because a process keeps what it was started with. One that
    was stopped or had failed before is stopped.
  - Touches nothing but these files, attributes and units. A drop-in that somebody else has written meanwhile is left
    alone, and a program that was replaced by one of another owner or mode gets no capability back.
extends_documentation_fragment:
  - netbind.privport.attributes
  - netbind.privport.services
options:
  restore:
    description: The RV(snapshot) to bring back, of the same services.
    type: dict
  timeout:
    description: How many seconds to wait until the services listen as they did before.
    type: int
    default: 30
notes:
  - Run it as root (C(become=true)).
  - Fails when a part cannot be brought back, and says which. The rest is brought back all the same.
seealso:
  - module: netbind.privport.privport_info
  - module: netbind.privport.privport_verify
"""

EXAMPLES = r"""
- name: Change a grant, or leave the host as it was
  vars:
    services:
      - name: caddy
        ports: [80, 443]
        unit: caddy.service
  block:
    - name: Remember what is there
      netbind.privport.privport_snapshot:
        services: "{{ services }}"
      register: before

    - name: Grant the ports
      netbind.privport.privport_ambient:
        unit: caddy.service

    - name: Prove it
      netbind.privport.privport_verify:
        services: "{{ services }}"
  rescue:
    - name: Bring it back
      netbind.privport.privport_snapshot:
        services: "{{ services }}"
        restore: "{{ before.snapshot }}"
"""

RETURN = r"""
snapshot:
  description: What was there, for O(restore). Its form belongs to this version of the collection.
  returned: without O(restore)
  type: dict
restored:
  description: What was done, and which ports are listened on as before, each as a sentence.
  returned: with O(restore)
  type: list
  elements: str
  sample:
    - removed /etc/systemd/system/caddy.service.d/50-privport.conf
    - restarted caddy.service
left:
  description: What could not be brought back, each as a sentence. The module fails when there is any.
  returned: with O(restore)
  type: list
  elements: str
  sample: []
"""

from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netbind.privport.plugins.module_utils._apply.snapshot import restore, take
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.snapshot import Snapshot
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump, load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import SERVICES
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host


def run(params: Mapping[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises PrivportError."""
    services = parse_services(params["services"])
    if params["restore"] is None:
        return {"changed": False, "snapshot": dump(take(host, services))}
    before = load(Snapshot, params["restore"], where="restore")
    done = restore(host, before, services=services, seconds=params["timeout"], check_mode=check_mode)
    return {
        "changed": done.changed,
        "diff": list(done.diff),
        "restored": list(done.done),
        "left": list(done.left),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": SERVICES,
            "restore": {"type": "dict"},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    try:
        host = Host()
        with host.locked(needed=module.params["restore"] is not None and not module.check_mode):
            result = run(module.params, host=host, check_mode=module.check_mode)
    except PrivportError as error:
        result = {"changed": False, "restored": [], "left": [str(error)]}
    if result.get("left"):
        module.fail_json(msg="; ".join(result["left"]), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
