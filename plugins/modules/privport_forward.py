#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_forward
short_description: Forward a low port to where a service listens
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Puts a forwarder in front of a service that can be changed in nothing. It takes TCP connections to a low port and
    hands them to the high port that the service listens on.
  - Each port gets units of its own, C(privport-forward-NAME-PORT.socket) and C(.service) of that name. systemd binds
    the port and hands the socket over, so the forwarder runs as a dynamic user without any capability. V(socat) binds
    by itself and has C(CAP_NET_BIND_SERVICE) alone.
  - Where sysv-rc runs the host and not systemd, each port gets an init script C(privport-forward-NAME-PORT). It runs
    V(socat) as a user that nobody else is. Nothing starts that anew when it ends by itself.
  - The packaged units and configurations of haproxy and nginx are never touched.
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
      - The TCP ports that are forwarded, such as V(80) or V(80-82). Those that are not named any more go.
      - Required with O(state=present).
    type: list
    elements: raw
    default: []
  backend_ports:
    description:
      - "For each of O(ports) the port that the service listens on, as V({80: 8080}), on V(127.0.0.1). Another address
        is written as V({80: '[::1]:8080'})."
    type: dict
    default: {}
  families:
    description: By which of V(ipv4) and V(ipv6) the ports are reached. By default by both where the kernel has IPv6.
    type: list
    elements: str
    default: []
  with:
    description:
      - What forwards. V(proxyd) is C(systemd-socket-proxyd). With it and with V(socat) the service sees every client as
        the forwarder's own address. By default it is V(proxyd), and V(socat) where systemd does not run the host.
      - V(haproxy) tells the service the client's address by the PROXY protocol, version 2, which the service must
        expect.
      - V(nginx) is for HTTP without TLS, and tells the client's address in C(X-Real-IP) and C(X-Forwarded-For).
    type: str
    choices: [proxyd, socat, haproxy, nginx]
  unit:
    description:
      - The service's own unit, which then starts its forwarders with it. Without it every boot starts them. Where
        systemd does not run the host it means nothing.
      - Where a process of this unit still holds one of O(ports), the forwarder takes it over when the unit is next
        restarted, and RV(restart_required) is true.
    type: str
    default: ''
  restart:
    description:
      - With O(state=absent), restart O(unit) as soon as the ports are free, because it binds them itself from then on.
        Nothing is restarted where there was no forwarder.
    type: bool
    default: false
  state:
    description: With V(absent) everything that was made for O(name) is removed, whatever its ports.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Needs root, and systemd 235 or later or sysv-rc.
  - Where sysv-rc has insserv, that numbers the links of other init scripts anew when one comes or goes.
seealso:
  - module: netbind.privport.privport_ambient
  - name: systemd-socket-proxyd(8)
    description: The forwarder that comes with systemd.
    link: https://www.freedesktop.org/software/systemd/man/latest/systemd-socket-proxyd.html
"""

EXAMPLES = r"""
- name: Reach a service on port 80 that listens on 127.0.0.1:8080
  netbind.privport.privport_forward:
    name: legacy
    ports: [80]
    backend_ports: {80: 8080}
    unit: legacy.service

- name: Tell a service that speaks the PROXY protocol who its clients are
  netbind.privport.privport_forward:
    name: mail
    ports: [25]
    backend_ports: {25: 10025}
    with: haproxy
    unit: mail.service

- name: Take everything back
  netbind.privport.privport_forward:
    name: legacy
    state: absent
"""

RETURN = r"""
units:
  description: The units that forward, or were to be removed.
  returned: success
  type: list
  elements: str
  sample: [privport-forward-legacy-80.socket, privport-forward-legacy-80.service]
paths:
  description: The files and links that are there for it, or were removed.
  returned: success
  type: list
  elements: str
with:
  description: What forwards; empty with O(state=absent).
  returned: success
  type: str
  sample: proxyd
restart_required:
  description: Whether O(unit) holds one of the ports itself, which its next restart hands over.
  returned: success
  type: bool
"""

from typing import Any, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._apply import forward as _forward
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import forwarder as forward
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_families, parse_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import FORWARDERS
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import unit_name
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module


def run(params: Mapping[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises PrivportError; then files and units are what they were before."""
    if not params["name"].strip():
        raise InvalidInput("name is empty; give the service's name, such as 'legacy'")
    present = params["state"] == "present"
    unit = unit_name(params["unit"], where="unit") if params["unit"] else ""
    request = _request(params, unit=unit) if present else None
    change = _forward.plan_present(host, request) if request else _plan_absent(host, params, unit=unit)
    restarting = unit if params["restart"] and not present else ""
    applied = _forward.apply(host, change, restarting=restarting, check_mode=check_mode)
    return {
        "changed": applied.changed,
        "diff": applied.diffs,
        "units": list(change.units),
        "paths": list(change.paths),
        "with": change.forwarder,
        "restart_required": bool(change.held),
    }


def _plan_absent(host: Host, params: Mapping[str, Any], *, unit: str) -> _forward.Change:
    ports = parse_ports(params["ports"], where="ports") if params["ports"] else ()
    return _forward.plan_absent(host, params["name"], ports=[port.number for port in ports], unit=unit)


def _request(params: Mapping[str, Any], *, unit: str) -> forward.Request:
    ports = parse_ports(params["ports"], where="ports")
    backends = forward.parse_backends(params["backend_ports"], where="backend_ports")
    return forward.Request(
        name=params["name"],
        ports=ports,
        backends={port: backends[port.number] for port in ports if port.number in backends},
        families=parse_families(params["families"], where="families"),
        forwarder=params["with"] or "",
        unit=unit,
    )


def main() -> None:
    run_module(
        run,
        host=Host(),
        locks=True,
        argument_spec={
            "name": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "raw", "default": []},
            "backend_ports": {"type": "dict", "default": {}},
            "families": {"type": "list", "elements": "str", "default": []},
            "with": {"type": "str", "choices": list(FORWARDERS)},
            "unit": {"type": "str", "default": ""},
            "restart": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    )


if __name__ == "__main__":
    main()
