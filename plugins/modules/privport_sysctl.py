#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_sysctl
short_description: Let every user bind ports from a number on
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Lowers C(net.ipv4.ip_unprivileged_port_start), live and in C(/etc/sysctl.d/99-privport.conf) for the next boot. No
    other file is ever written.
  - It opens the lowest of O(ports) and B(every port above it) to B(every user) of the host. RV(opened) lists
    them. Prefer another strategy wherever one works.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.changes
options:
  ports:
    description:
      - The ports that are to be free, such as V(80), V(80-90) or V(443/udp). The lowest of them decides.
      - Required with O(state=present).
    type: list
    elements: raw
    default: []
  allow_raise:
    description:
      - Also raise a value that is lower already, which takes ports away from whoever uses them. Without it a lower
        value, live or of another file, stays.
    type: bool
    default: false
  state:
    description:
      - With V(absent) the collection's file is removed, and the live value becomes what the remaining files say, else
        the kernel's default, 1024. Without that file nothing is changed.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Needs root and Linux 4.11 or later.
  - The setting belongs to the network namespace that the module runs in. It holds for IPv4 and IPv6, TCP and UDP.
seealso:
  - module: netbind.privport.privport_ambient
  - module: netbind.privport.privport_setcap
"""

EXAMPLES = r"""
- name: Let every user bind ports from 80 on
  netbind.privport.privport_sysctl:
    ports: [80, 443]

- name: Take it back
  netbind.privport.privport_sysctl:
    state: absent
"""

RETURN = r"""
path:
  description: The file that keeps the setting for the next boot.
  returned: success
  type: str
  sample: /etc/sysctl.d/99-privport.conf
before:
  description: The first port that every user may bind, before the change.
  returned: success
  type: int
  sample: 1024
after:
  description: The same, after it.
  returned: success
  type: int
  sample: 80
opened:
  description: The ports below 1024 that every user may bind now, as C(N-M). Empty for none.
  returned: success
  type: str
  sample: 80-1023
"""

from typing import Any, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._apply import sysctl as _sysctl
from ansible_collections.netbind.privport.plugins.module_utils._apply import task
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module


def run(params: Mapping[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises PrivportError; then file and live value are what they were before."""
    state = _sysctl.read(host)
    if params["state"] == "present":
        start = sysctl.first_port(parse_ports(params["ports"], where="ports"))
        plan = sysctl.plan_present(state, start=start, allow_raise=params["allow_raise"])
    else:
        plan = sysctl.plan_absent(state)
    applied = task.apply(host, plan.desired, check_mode=check_mode)
    return {
        "changed": applied.changed,
        "diff": applied.diffs,
        "path": sysctl.OWN_PATH,
        "before": plan.live_before,
        "after": plan.live_after,
        "opened": sysctl.opened(plan.live_after),
    }


def main() -> None:
    run_module(
        run,
        host=Host(),
        locks=True,
        argument_spec={
            "ports": {"type": "list", "elements": "raw", "default": []},
            "allow_raise": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    )


if __name__ == "__main__":
    main()
