# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else's daemons that serve by a file of the collection's: they read it again, and are never restarted."""

from __future__ import annotations

import time
from typing import Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Reload
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_ports
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import processes

_PAUSE_SECONDS = 0.02
# A signal asks for it, and nothing tells when it is done but the ports.
_MOST_SECONDS = 2.0


def states(host: Host, asked: Sequence[Reload]) -> Tuple[Reload, ...]:
    """The same as they are: whether the daemon holds each port now."""
    ports = {it.port: parse_ports([it.port], where="port")[0] for it in asked}
    holders = {
        (owner.unit, (it.port, it.protocol))
        for it in processes.listeners(host, sorted(set(ports.values())))
        for owner in it.owners
    }
    return tuple(it._replace(held=(it.unit, tuple(ports[it.port])) in holders) for it in asked)


def reload(host: Host, wanted: Sequence[Reload]) -> None:
    """Have one daemon read its files again, and wait until it holds these ports, or not. Raises HostError.

    One that does not run reads them when it starts.
    """
    host.run(["systemctl", "try-reload-or-restart", "--", wanted[0].unit]).checked()
    deadline = time.monotonic() + _MOST_SECONDS
    while states(host, wanted) != tuple(wanted) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        host.begin()
