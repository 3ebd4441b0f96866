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

# What a boot empties: it starts the daemons anew.
_FOLDER = "/run/netbind.privport"
_PAUSE_SECONDS = 0.02
# A signal asks for it, and nothing tells when it is done but the ports.
_MOST_SECONDS = 2.0


def _note(unit: str) -> str:
    """The file that is there while the daemon's files are changed, until it has read them again."""
    return f"{_FOLDER}/reload-{unit}"


def is_stale(host: Host, unit: str) -> bool:
    """Whether a run was killed that changed a file of the daemon."""
    return host.status_of_itself(_note(unit)) is not None


def remember(host: Host, unit: str) -> None:
    """Note that the daemon has to read its files again, before one is changed. Raises HostError."""
    host.make_folder(_FOLDER)
    host.write(_note(unit), content="")


def states(host: Host, asked: Sequence[Reload]) -> Tuple[Reload, ...]:
    """The same as they are: whether the daemon holds each port now."""
    ports = {it.port: parse_ports([it.port], where="port")[0] for it in asked if it.port}
    holders = {
        (owner.unit, (it.port, it.protocol))
        for it in processes.listeners(host, sorted(set(ports.values())))
        for owner in it.owners
    }
    return tuple(
        it._replace(held=(it.unit, tuple(ports[it.port])) in holders if it.port else is_stale(host, it.unit))
        for it in asked
    )


def reload(host: Host, wanted: Sequence[Reload]) -> None:
    """Have one daemon read its files again, and wait until it holds these ports, or not. Raises HostError.

    One that does not run reads them when it starts.
    """
    unit, named = wanted[0].unit, tuple(it for it in wanted if it.port)
    host.run(["systemctl", "try-reload-or-restart", "--", unit]).checked()
    host.remove(_note(unit))
    host.remove_folder_if_empty(_FOLDER)
    deadline = time.monotonic() + _MOST_SECONDS
    while states(host, named) != named and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        host.begin()
