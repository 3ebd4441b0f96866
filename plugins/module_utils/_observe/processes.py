# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes and the sockets that they hold, from ss and /proc.

An owner is found by the inode of its socket, never by the name that ss prints.
"""

from __future__ import annotations

import re
from typing import Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener, Process, Thread
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.process.sockets import (
    Socket,
    parse_proc_net,
    parse_ss,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.process.status import (
    ProcessStatus,
    parse_cgroup,
    parse_status,
    parse_user_cgroup,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import SS, ProcessRecord, Sockets


def read_process(record: ProcessRecord) -> Process:
    """A process as data."""
    main = _on_host(record, record.status)
    threads = (Thread(tid=int(tid), status=_on_host(record, text)) for tid, text in record.unlike.items())
    return Process(
        pid=record.pid,
        status=main,
        threads=record.threads,
        unlike=tuple(thread for thread in threads if _privileges(thread.status) != _privileges(main)),
        unit=parse_cgroup(record.cgroup, init=record.init_cgroup),
        # proc_pid_exe(5): a program that was removed since has the mark behind its name.
        executable=re.sub(r" \(deleted\)$", "", record.executable or ""),
        replaced=None if record.same is None else not record.same,
        authbind=record.authbind,
        user=record.user,
        ancestors=record.ancestors,
        user_unit=parse_user_cgroup(record.cgroup, init=record.init_cgroup),
    )


def _on_host(record: ProcessRecord, text: str) -> ProcessStatus:
    """What is in force on the host: a capability counts in its user namespace and those below (user_namespaces(7))."""
    status = parse_status(text)
    return status._replace(effective=(), permitted=(), ambient=()) if record.of_host is False else status


def _privileges(status: ProcessStatus) -> tuple[tuple[object, ...], ...]:
    return status.uids, status.effective, status.permitted, status.ambient


def listeners(host: Host, ports: Sequence[Port]) -> tuple[Listener, ...]:
    """Who listens on these ports, owners included."""
    if not ports:
        return ()
    seen = host.sockets(ranges_of(ports))
    processes = {pid: read_process(record) for pid, record in seen.processes.items()}
    return tuple(_listener(socket, seen=seen, processes=processes) for socket in parse_sockets(seen, ports))


def _listener(socket: Socket, *, seen: Sockets, processes: Mapping[int, Process]) -> Listener:
    pids = seen.holders.get(socket.inode, ())
    return Listener(
        protocol=socket.protocol,
        address=socket.address,
        port=socket.port,
        v6only=socket.v6only,
        owners=tuple(processes[pid] for pid in pids if pid in processes),
        owners_known=bool(pids) or seen.complete,
    )


def parse_sockets(seen: Sockets, ports: Sequence[Port]) -> tuple[Socket, ...]:
    """The sockets on these ports, of which the host may tell more."""
    wanted = set(ports)
    return tuple(socket for socket in _parse(seen) if Port(socket.port, socket.protocol) in wanted)


def _parse(seen: Sockets) -> tuple[Socket, ...]:
    if seen.source == SS:
        return parse_ss(seen.texts[SS])
    return tuple(
        socket
        for table, text in seen.texts.items()
        for socket in parse_proc_net(text, protocol=table.rstrip("6"), little_endian=seen.little_endian)
    )


def ranges_of(ports: Sequence[Port]) -> tuple[tuple[int, int], ...]:
    """The numbers of ports as ranges with both ends, of whatever protocol."""
    found: list[tuple[int, int]] = []
    for number in sorted({port.number for port in ports}):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)
