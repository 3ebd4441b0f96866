# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine on which plain.service holds its sockets, and what is observed of it."""

from __future__ import annotations

from typing import Any

from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    Observation,
    ServiceFacts,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.process.sockets import parse_ss
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import observe as observing
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    PID,
    FakeHost,
    captured_unit,
    fixture,
    process_files,
    socket_links,
)

SS = fixture("ss-iproute2-6.1.txt")
INODES = [found.inode for found in parse_ss(SS) if found.port == 80]
TABLES = {f"/proc/net/{name}": fixture(f"proc-net-{name}-linux6.18.txt") for name in ("tcp", "tcp6", "udp", "udp6")}
PLAIN = {**captured_unit("plain.service"), "MainPID": PID}
UNIT_FILE = {"/etc/systemd/system/plain.service": "[Service]\nUser=web\nExecStart=-/usr/bin/python3 /srv/a.py\n"}
OURS = render_ambient(capabilities=["cap_net_bind_service"])


def machine(**fields: Any) -> FakeHost:
    """A machine on which plain.service holds its sockets."""
    files = {**UNIT_FILE, **process_files(), **fields.pop("files", {})}
    links = {**socket_links(INODES), **fields.pop("links", {})}
    return FakeHost(**{"units": [PLAIN], "sockets": SS, **fields, "files": files, "links": links})


def observe(host: Host, **description: Any) -> Observation:
    service = {"name": "web", "ports": [80], "unit": "plain.service", **description}
    return observing.observe(host, parse_services([service]))


def only(host: Host, **description: Any) -> ServiceFacts:
    return observe(host, **description).services[0]
