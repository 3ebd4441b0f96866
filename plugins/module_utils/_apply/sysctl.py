# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""net.ipv4.ip_unprivileged_port_start on a host: its files and its live value."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.network import (
    local_port_range,
    unprivileged_port_start,
)


def read(host: Host) -> sysctl.State:
    """The files and the live value. Raises HostError for a kernel without the setting."""
    live, local = unprivileged_port_start(host), local_port_range(host)
    if live is None or local is None or host.read(sysctl.LIVE) is None:
        raise HostError(f"{sysctl.LIVE} cannot be read; the setting needs Linux 4.11 or later")
    return sysctl.State(
        files=read_files(host), live=live, local_first=local[0], leftovers=host.leftovers(sysctl.OWN_PATH)
    )


def read_files(host: Host) -> dict[str, str]:
    """The text of every file that sysctl.d(5) names, by path; one that cannot be read counts as empty."""
    paths = [
        f"{folder}/{name}" for folder in sysctl.FOLDERS for name in host.names_in(folder) if name.endswith(".conf")
    ]
    return {path: host.read(path) or "" for path in paths}
