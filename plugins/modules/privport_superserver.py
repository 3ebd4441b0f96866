#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_superserver
short_description: Start a program for each connection to a low port
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Has a server bind low ports and start a program for each connection, as a user of your choice and without any
    capability. The connection is the program's standard input and output.
  - V(systemd) gets a socket unit with C(Accept=yes), V(xinetd) a file in C(/etc/xinetd.d), and V(inetd) lines between
    marks in C(/etc/inetd.conf). V(tcpserver) and V(tcpsvd) are run by a unit for each port.
  - xinetd and inetd read their files again, and are never restarted, so no other service of theirs loses a connection.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.changes
options:
  name:
    description: The service's name, by which what belongs to it is found again.
    type: str
    required: true
  ports:
    description:
      - The ports, such as V(79), V(79-81) or V(69/udp). Those that are not named any more go.
      - Required with O(state=present).
    type: list
    elements: raw
    default: []
  superserver:
    description:
      - What starts the program. Required with O(state=present). With another one than before, what there is of that one
        goes.
      - V(s6) and V(nosh) are refused, with the reason.
    type: str
    choices: [systemd, xinetd, inetd, tcpserver, tcpsvd, s6, nosh]
  command:
    description:
      - The program with its absolute path, and its arguments, as a list of words or as a text that is split into words
        as a shell does.
      - Required with O(state=present).
    type: raw
  user:
    description:
      - The user that the program runs as, in all its groups. V(tcpserver) and V(tcpsvd) leave it the primary one alone.
      - Required with O(state=present).
    type: str
    default: ''
  families:
    description: By which of V(ipv4) and V(ipv6) the ports are reached. By default by both where server and kernel can.
    type: list
    elements: str
    default: []
  options:
    description: What the server heeds. What it cannot express is refused, with the name of one that can.
    type: dict
    default: {}
    suboptions:
      bind:
        description: The addresses that are bound. By default all.
        type: list
        elements: str
      only_from:
        description:
          - The addresses and networks whose clients are served, such as V([192.0.2.0/24, '2001:db8::/32']). By default
            all are.
        type: list
        elements: str
      instances:
        description: How many connections are served at a time. By default as many as the server says.
        type: int
      per_source:
        description: The same of each client's address.
        type: int
      cps:
        description: How many connections are taken in a second. V(inetd) counts them by the minute.
        type: int
      wait:
        description:
          - Whether the program gets the listening socket and takes what comes by itself, as it is with UDP.
        type: bool
      log:
        description: Whether the server writes the address of each client to the system's log.
        type: bool
  state:
    description: With V(absent) everything that was made for O(name) is removed, whatever its server and ports.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Needs root, and systemd.
  - A program that serves a connection when its service is removed goes on until that ends.
seealso:
  - module: netbind.privport.privport_socket
  - name: systemd.socket(5)
    description: Socket units, with Accept= and the limits of connections.
    link: https://www.freedesktop.org/software/systemd/man/latest/systemd.socket.html
"""

EXAMPLES = r"""
- name: Tell the time to whoever connects to port 13
  netbind.privport.privport_superserver:
    name: daytime
    ports: [13]
    superserver: systemd
    command: [/bin/date]
    user: nobody

- name: Let a network ask who owns a connection, by xinetd
  netbind.privport.privport_superserver:
    name: ident
    ports: [113]
    superserver: xinetd
    command: /usr/sbin/identd -i
    user: identd
    options:
      only_from: [192.0.2.0/24]
      instances: 20
      per_source: 5

- name: Take everything back
  netbind.privport.privport_superserver:
    name: daytime
    state: absent
"""

RETURN = r"""
units:
  description: The units that serve, or were to be removed; none of xinetd and inetd, whose own units stay as they are.
  returned: success
  type: list
  elements: str
  sample: [privport-superserver-daytime.socket]
paths:
  description: The files and links that are there for it, or were removed; a file of others is among them where it has
    lines for it.
  returned: success
  type: list
  elements: str
  sample: [/etc/xinetd.d/privport-superserver-ident]
"""

from typing import Any, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._apply import superserver as _superserver
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import (
    Service,
    parse_ports,
    parse_services,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import (
    SUPERSERVER_OPTIONS,
    SUPERSERVERS,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module


def run(params: Mapping[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises PrivportError; then files and units are what they were before."""
    if not params["name"].strip():
        raise InvalidInput("name is empty; give the service's name, such as 'daytime'")
    if params["state"] == "present":
        change = _superserver.plan_present(host, _superserver.request(host, _described(params)))
    else:
        ports = parse_ports(params["ports"], where="ports") if params["ports"] else ()
        change = _superserver.plan_absent(host, params["name"], ports=ports)
    applied = _superserver.apply(host, change, check_mode=check_mode)
    return {
        "changed": applied.changed,
        "diff": applied.diffs,
        "units": list(change.units),
        "paths": list(change.paths),
    }


def _described(params: Mapping[str, Any]) -> Service:
    """The options are those of a service's description, but for the name of one."""
    keys = ("name", "ports", "superserver", "command", "user", "families")
    given = {key: params[key] for key in keys if params[key] not in (None, "")}
    return parse_services([{**given, "strategy": "superserver", "superserver_options": params["options"]}])[0]


def main() -> None:
    run_module(
        run,
        host=Host(),
        locks=True,
        argument_spec={
            "name": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "raw", "default": []},
            "superserver": {"type": "str", "choices": list(SUPERSERVERS)},
            "command": {"type": "raw"},
            "user": {"type": "str", "default": ""},
            "families": {"type": "list", "elements": "str", "default": []},
            "options": {"type": "dict", "default": {}, "options": dict(SUPERSERVER_OPTIONS)},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    )


if __name__ == "__main__":
    main()
