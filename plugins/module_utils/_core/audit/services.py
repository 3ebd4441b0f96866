# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A description of what has its ports on hosts today, for the role to begin from."""

from __future__ import annotations

import json
from typing import Any, Iterator, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import REDIRECT, LowListener, Scan
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, port_words
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import template_of

_HEAD = """---
# What has its privileged ports on these hosts today. Read it before you use it: the role then keeps all of it so, and
# whatever is not in it is nobody's. ansible-playbook netbind.privport.plan -e @THIS_FILE shows what would change.
# Lines that begin with # say what cannot be taken over as it is, and what to do first.
privport_services: "{{ privport_services_of[inventory_hostname] | default([]) }}"
privport_services_of:
"""


def description_of(scans: Mapping[str, Scan]) -> str:
    """YAML with the services of each host: units of systemd that listen on privileged ports in the host's network."""
    lines = [_HEAD]
    for host, scan in scans.items():
        services = list(_services(scan))
        lines.append(f"  {json.dumps(host)}:" + ("\n" if services else " []\n"))
        # JSON is YAML.
        lines += [f"    - {json.dumps(it)}\n" for it in services]
        lines += [f"    # {' '.join(it.split())}\n" for it in _others(scan)]
    return "".join(lines)


def _services(scan: Scan) -> Iterator[dict[str, Any]]:
    rooted = {it.unit for it in scan.listeners if it.root}
    for unit, held in _by_unit(scan).items():
        if unit not in rooted:
            yield _service(unit, held)


def _by_unit(scan: Scan) -> dict[str, set[Port]]:
    ports: dict[str, set[Port]] = {}
    for it in scan.listeners:
        if it.unit.endswith(".service") and not it.network:
            ports.setdefault(it.unit, set()).add(Port(it.port, it.protocol))
    return dict(sorted(ports.items()))


def _service(unit: str, held: set[Port]) -> dict[str, Any]:
    name = unit.rpartition(".")[0]
    service = {"name": name, "ports": list(port_words(sorted(held))), "unit": template_of(unit) or unit}
    return {**service, "instances": [name.partition("@")[2]]} if template_of(unit) else service


def _others(scan: Scan) -> Iterator[str]:
    """Sentences on what has a privileged port and cannot be described as it is."""
    rooted = {it.unit: it for it in scan.listeners if it.root}
    for unit, held in _by_unit(scan).items():
        if unit in rooted:
            told = json.dumps(_service(unit, held))
            way = f", and {rooted[unit].strategy} would do" if rooted[unit].strategy else ""
            yield f"{unit} is root: give it a user of its own (User=){way}: {told}"
    yield from dict.fromkeys(_without_unit(it) for it in scan.listeners if not it.unit.endswith(".service"))
    for grant in scan.grants:
        if grant.mechanism == REDIRECT and " privport_" not in grant.subject:
            told = f"ports: {list(grant.ports)}, and its own ports as backend_ports"
            yield f"{grant.subject}: describe the service behind it, with {told}, then remove this rule"


def _without_unit(it: LowListener) -> str:
    where = f" in network namespace {it.network}" if it.network else ""
    who = it.executable or it.unit or "somebody"
    return f"port {it.written}{where}: {who} is started by no unit of the system; name its executable and user"
