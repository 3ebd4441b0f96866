#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_socket
short_description: Have systemd bind ports and hand them to a service
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Writes a socket unit for a service that accepts C(LISTEN_FDS), the link that starts it at boot, and the drop-in
    C(/etc/systemd/system/UNIT.d/50-privport.conf), which ties the service to it. No other file is ever written.
  - systemd binds the ports. No process of the service needs a privilege, and no setting of its sandbox is in the way.
  - Does not restart the service, which goes on with what it has. The socket unit starts with the next start of the
    service, and keeps the ports while that is restarted later.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.changes
options:
  unit:
    description: The service unit, such as V(web.service). C(.service) may be left out.
    type: str
    required: true
  ports:
    description:
      - The ports that are to be handed over, such as V(80), V(80-90) or V(443/udp).
      - They become descriptors in ascending order, TCP before UDP of the same number. The first is 3.
      - Required with O(state=present).
    type: list
    elements: raw
    default: []
  families:
    description:
      - Those over which the service is to be reached. By default, and with both, one socket serves both (IPv6 with
        C(BindIPv6Only=both)), V(ipv4) alone is C(0.0.0.0), and V(ipv6) alone C(::) without IPv4.
      - To C(nginx), which knows its sockets by their addresses, both are two sockets, C(0.0.0.0) and C(::), each for
        its own C(listen) line. Without this option it needs C(listen [::]:80 ipv6only=off).
    type: list
    elements: str
    default: []
  backlog:
    description: How many connections may wait to be accepted. A program that calls C(listen) itself sets its own.
    type: int
  no_delay:
    description: Whether small packets are sent at once (C(TCP_NODELAY)).
    type: bool
  reuse_port:
    description: Whether other sockets may be bound to the same ports (C(SO_REUSEPORT)).
    type: bool
  address_allow:
    description:
      - Whom O(address_deny) does not concern. Addresses, networks, or the names of O(address_deny).
    type: list
    elements: str
    default: []
  address_deny:
    description:
      - From whom packets are dropped. Addresses, networks such as V(10.0.0.0/8), V(any), V(localhost), V(link-local) or
        V(multicast).
      - It holds for the sockets, connections that they accepted included, whatever the service's own
        C(IPAddressDeny=) says, which does not concern sockets that are handed over.
    type: list
    elements: str
    default: []
  state:
    description: Whether the service is to have the socket unit.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Needs root and a host that systemd runs.
  - Whether a program accepts C(LISTEN_FDS) is known to its owner alone. Caddy does from version 2.9 on, and an older
    one is refused.
  - Where the program is C(nginx), the drop-in also sets C(NGINX), by which it finds its sockets.
  - A socket unit of the same name that somebody else made is left alone and refused. It hands its ports over by
    itself once it runs.
  - To stop the socket unit stops the service as well. To stop the service alone leaves the ports open, and the next
    connection starts it again.
seealso:
  - module: netbind.privport.privport_ambient
  - module: netbind.privport.privport_setcap
"""

EXAMPLES = r"""
- name: Have systemd bind port 80 for a service
  netbind.privport.privport_socket:
    unit: web.service
    ports: [80]
  register: handed

- name: Restart it only when it does not have its sockets
  ansible.builtin.systemd_service:
    name: web.service
    state: restarted
  when: handed.restart_required

- name: Hand two sockets to nginx, which says 'listen 80' and 'listen [::]:80'
  netbind.privport.privport_socket:
    unit: nginx.service
    ports: [80]
    families: [ipv4, ipv6]

- name: Serve one network alone
  netbind.privport.privport_socket:
    unit: web.service
    ports: [80]
    address_deny: [any]
    address_allow: [10.0.0.0/8, localhost]

- name: Take the socket unit away
  netbind.privport.privport_socket:
    unit: web.service
    state: absent
"""

RETURN = r"""
unit:
  description: The service unit's full name. An alias is resolved.
  returned: success
  type: str
  sample: web.service
socket:
  description: The socket unit's name.
  returned: success
  type: str
  sample: web.socket
socket_path:
  description: Its file.
  returned: success
  type: str
  sample: /etc/systemd/system/web.socket
dropin_path:
  description: The drop-in of the service unit.
  returned: success
  type: str
  sample: /etc/systemd/system/web.service.d/50-privport.conf
restart_required:
  description:
    - Whether the service has to be started anew to have its sockets. Read from its processes, whatever
      RV(ignore:changed) says. A service that does not run has none.
    - With O(state=absent), whether its running process keeps sockets that this run took away.
  returned: success
  type: bool
"""

from typing import Any, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._apply import socket as sockets
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import (
    Port,
    parse_families,
    parse_ports,
    parse_socket,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import SOCKET_OPTIONS
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import socket_unit
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import unit_name
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module
from ansible_collections.netbind.privport.plugins.module_utils._observe import processes, units


def run(params: Mapping[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises PrivportError; then the files are what they were before."""
    asked = unit_name(params["unit"], where="unit")
    present = params["state"] == "present"
    handed = _handed(params) if present else {}
    properties = units.show_unit(host, asked, state=params["state"])
    unit = properties["Id"]
    if present:
        program = sockets.program_of(host, properties)
        interface = properties.get("BindNetworkInterface", "")
        wanted = socket_unit.Handed(unit=unit, program=program, interface=interface, **handed)
        planned = sockets.plan_present(host, properties, handed=wanted)
    else:
        planned = sockets.plan_absent(host, properties)
    found = planned.found
    if present:
        stale = bool(found.unread) or found.files != wanted.files
        required = stale or _lacks(host, unit, ports=handed["ports"])
    else:
        required = bool(found.active) and units.main_process(host, properties) is not None
    applied = sockets.apply(host, planned, check_mode=check_mode)
    return {
        "changed": applied.changed,
        "diff": applied.diffs,
        "unit": unit,
        "socket": socket_unit.socket_name(unit),
        "socket_path": socket_unit.paths(unit)[0],
        "dropin_path": planned.dropin_path,
        "restart_required": required,
    }


def _handed(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ports": parse_ports(params["ports"], where="ports"),
        "families": parse_families(params["families"], where="families"),
        "options": parse_socket({name: params[name] for name in SOCKET_OPTIONS}, where="option"),
    }


def _lacks(host: Host, unit: str, *, ports: tuple[Port, ...]) -> bool:
    """Whether the unit's processes and systemd do not hold a socket of each port together."""
    found = processes.listeners(host, ports)
    on_ports = ([it for it in found if Port(it.port, it.protocol) == port] for port in ports)
    return not all(socket_unit.is_handed(it, owns=lambda process: process.unit == unit) for it in on_ports)


def main() -> None:
    run_module(
        run,
        host=Host(),
        locks=True,
        argument_spec={
            "unit": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "raw", "default": []},
            "families": {"type": "list", "elements": "str", "default": []},
            "backlog": {"type": "int"},
            "no_delay": {"type": "bool"},
            "reuse_port": {"type": "bool"},
            "address_allow": {"type": "list", "elements": "str", "default": []},
            "address_deny": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    )


if __name__ == "__main__":
    main()
