# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A description of what has its ports on hosts today, for the role to begin from."""

from __future__ import annotations

import json
from typing import Iterator, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import Scan
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, port_words
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import template_of

_HEAD = """---
# What has its privileged ports on these hosts today. Read it before you use it: the role then keeps all of it so, and
# whatever is not in it is nobody's. ansible-playbook netbind.privport.plan -e @THIS_FILE shows what would change.
privport_services: "{{ privport_services_of[inventory_hostname] | default([]) }}"
privport_services_of:
"""


def description_of(scans: Mapping[str, Scan]) -> str:
    """YAML with the services of each host: units of systemd that listen on privileged ports in the host's network."""
    lines = [_HEAD]
    for host, scan in scans.items():
        services = list(_services(scan))
        lines.append(f"  {json.dumps(host)}:" + ("\n" if services else " []\n"))
        lines += [f"    - {line}\n" for line in services]
    return "".join(lines)


def _services(scan: Scan) -> Iterator[str]:
    ports: dict[str, set[Port]] = {}
    for it in scan.listeners:
        if it.unit.endswith(".service") and not it.network:
            ports.setdefault(it.unit, set()).add(Port(it.port, it.protocol))
    for unit, held in sorted(ports.items()):
        name = unit.rpartition(".")[0]
        service = {"name": name, "ports": list(port_words(sorted(held))), "unit": template_of(unit) or unit}
        if template_of(unit):
            service["instances"] = [name.partition("@")[2]]
        # JSON is YAML.
        yield json.dumps(service)
