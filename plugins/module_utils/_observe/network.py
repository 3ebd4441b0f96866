# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces: in which one a service runs, and what its settings say of ports there."""

from __future__ import annotations

import re

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Network, Unit
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.netns import OWN_NETWORK
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import ProcessRecord
from ansible_collections.netbind.privport.plugins.module_utils._host.units import NETWORK_OF

_SETTINGS = "/proc/sys/net/ipv4"
# Commit 4548b683b781 brought ip_unprivileged_port_start; before, PROT_SOCK was built in (include/net/sock.h).
_FIRST_KERNEL_THAT_ASKS = (4, 11)
_PROT_SOCK = 1024


def unprivileged_port_start(host: Host) -> int | None:
    """The first port that every user of this network namespace may bind; None where it cannot be read."""
    numbers = _numbers(host, "ip_unprivileged_port_start")
    if numbers is not None:
        return numbers[0]
    version = re.match(r"(\d+)\.(\d+)", host.kernel_release())
    old = version is not None and (int(version[1]), int(version[2])) < _FIRST_KERNEL_THAT_ASKS
    return _PROT_SOCK if old else None


def local_port_range(host: Host) -> tuple[int, ...] | None:
    """The first and the last port that the kernel itself gives out; None where they cannot be read."""
    return _numbers(host, "ip_local_port_range")


def _numbers(host: Host, setting: str) -> tuple[int, ...] | None:
    # The kernel shows the settings of the namespace of whoever opens the file (net/sysctl_net.c).
    text = host.read(f"{_SETTINGS}/{setting}")
    if text is None:
        return None
    if not text.split() or not all(word.isdigit() for word in text.split()):
        raise UnknownFormat(f"{setting} holds {text!r}, which is no port")
    return tuple(int(word) for word in text.split())


def host_network(host: Host) -> Network:
    """The network namespace that is observed from."""
    return Network(
        is_host=True,
        path="",
        unprivileged_port_start=unprivileged_port_start(host),
        local_port_range=local_port_range(host),
    )


def network_of(host: Host, unit: Unit | None, *, running: ProcessRecord | None, of_host: Network) -> Network:
    """The network namespace that the unit's process runs in, or would; that of the host for no unit.

    running: the unit's main process, None for none.
    """
    own = running.network if running else None
    path = _path(host, unit, own=own) if unit is not None else OWN_NETWORK
    found = own if path.startswith(NETWORK_OF) else host.namespace(path)
    if found is not None and found == host.namespace(OWN_NETWORK):
        return of_host
    other = Network(is_host=False, path=path, unprivileged_port_start=None, local_port_range=None)
    if found is None:
        # Nothing leads to it yet, or not us; a unit without such settings runs where systemd itself does.
        return of_host if path in (OWN_NETWORK, _SYSTEMDS) else other
    try:
        with host.network(path):
            return Network(
                is_host=False,
                path=path,
                unprivileged_port_start=unprivileged_port_start(host),
                local_port_range=local_port_range(host),
            )
    except HostError:
        return other


_SYSTEMDS = "/proc/1/ns/net"


def _path(host: Host, unit: Unit, *, own: tuple[int, int] | None) -> str:
    """What leads to the namespace: the unit's setting, its process where that runs elsewhere; '' for neither."""
    configured = unit.says("NetworkNamespacePath")
    if own not in (None, host.namespace(configured)):
        return NETWORK_OF + unit.name
    return configured or ("" if unit.is_on("PrivateNetwork") else _SYSTEMDS)
