# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on privileged ports, in each network namespace of a host."""

from __future__ import annotations

from typing import Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    FIRST_UNPRIVILEGED,
    LowListener,
    Skipped,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.texts import PortStart
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.units import UnitSeen
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import NAMES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    Listener,
    Process,
    SocketUnit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.netns import OWN_NETWORK
from ansible_collections.netbind.privport.plugins.module_utils._observe import processes
from ansible_collections.netbind.privport.plugins.module_utils._observe.network import unprivileged_port_start

LOW_PORTS = tuple(Port(it, protocol) for it in range(1, FIRST_UNPRIVILEGED) for protocol in ("tcp", "udp"))
_NAMED = "/run/netns"
_MOST_NAMESPACES = 64
_S_ISUID = 0o4000


class Networks(NamedTuple):
    """The listeners of all network namespaces, what else of them a grant is, and those that were left out."""

    listeners: Tuple[LowListener, ...]
    starts: Tuple[PortStart, ...]
    skipped: Tuple[Skipped, ...]


def look(host: Host, *, sockets: Sequence[SocketUnit], services: Sequence[UnitSeen]) -> Networks:
    """What listens in the host's own namespace and in others; sockets and services tell who answers for systemd."""
    users = {it.name: it.properties.get("User", "") for it in services}
    found: List[LowListener] = list(_listeners(host, "", sockets=sockets, users=users))
    starts: List[PortStart] = []
    skipped: List[Skipped] = []
    others = _namespaces(host)
    for path in others[:_MOST_NAMESPACES]:
        name = _name_of(host, path)
        try:
            with host.network(path):
                found += _listeners(host, name, sockets=(), users=users)
                starts.append(PortStart(unprivileged_port_start(host), None, name, path.startswith(_NAMED)))
        except PrivportError as problem:
            # The number of a process says nothing to anybody, and is another one at each look.
            skipped.append(Skipped(f"network namespace {name}", str(problem).replace(path, "it")))
    if len(others) > _MOST_NAMESPACES:
        text = f"more than {_MOST_NAMESPACES} network namespaces: the others were not looked at"
        skipped.append(Skipped("network namespaces", text))
    return Networks(tuple(found), tuple(starts), tuple(skipped))


def _namespaces(host: Host) -> List[str]:
    """What leads to each namespace but the own one: its name where it has one (ip-netns(8)), else a process."""
    named = [f"{_NAMED}/{name}" for name in host.names_in(_NAMED)]
    of_processes = [f"/proc/{pid}/ns/net" for pid in host.names_in("/proc") if pid.isdigit()]
    found: Dict[Tuple[int, int], str] = {}
    own = host.namespace(OWN_NETWORK)
    for path in (*named, *of_processes):
        identity = host.namespace(path)
        if identity is not None and identity != own:
            found.setdefault(identity, path)
    return list(found.values())


def _name_of(host: Host, path: str) -> str:
    """The namespace's own name, else the unit or the program of a process in it: numbers of processes change."""
    if path.startswith(_NAMED):
        return path.rpartition("/")[2]
    record = host.process(int(path.split("/")[2]))
    process = processes.read_process(record) if record is not None else None
    return f"of {process.unit or process.executable}" if process is not None else "of a process that ended"


def _listeners(
    host: Host, network: str, *, sockets: Sequence[SocketUnit], users: Mapping[str, str]
) -> Iterator[LowListener]:
    for it in processes.listeners(host, LOW_PORTS):
        yield _listener(host, it, network, sockets=sockets, users=users)


def _listener(
    host: Host, it: Listener, network: str, *, sockets: Sequence[SocketUnit], users: Mapping[str, str]
) -> LowListener:
    others = [owner for owner in it.owners if owner.pid != 1]
    handing = next((unit for unit in sockets if unit.active and str(Port(it.port, it.protocol)) in unit.ports), None)
    low = LowListener(
        protocol=it.protocol,
        address=it.address,
        port=it.port,
        network=network,
        unit="",
        executable="",
        user="",
        uid=None,
        capabilities=(),
        root=None,
    )
    if others:
        return _held(host, low, others)
    if handing is None or not it.owners:
        return low
    # systemd holds it for a service that does not run: its unit tells who will answer.
    unit = next(iter(handing.triggers), handing.name)
    user = users.get(unit, "")
    return low._replace(unit=unit, user=user or "root", root=user in ("", "root", "0"))


def _shortly(capabilities: Tuple[str, ...]) -> Tuple[str, ...]:
    return ("all",) if len(capabilities) >= len(NAMES) else capabilities


def _held(host: Host, low: LowListener, owners: Sequence[Process]) -> LowListener:
    # Of a master and its workers the one with most privileges tells what a fault of it comes to.
    first = max(owners, key=lambda it: (it.is_root, len(it.status.effective), -it.pid))
    status = host.status(first.executable) if first.executable else None
    return low._replace(
        unit=first.unit,
        executable=first.executable,
        user=first.user or str(first.status.uid),
        uid=first.status.uid,
        capabilities=_shortly(first.status.effective),
        root=any(it.is_root for it in owners),
        set_user_id=status is not None and bool(status.mode & _S_ISUID),
    )
