# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes and the sockets that they hold, from ss and /proc.

An owner is found by the inode of its socket, never by the name that ss prints.
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple, Sequence

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
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

_SOCKET_LINK = re.compile(r"socket:\[(\d+)\]")


def socket_source(host: Host) -> str:
    """Where listening sockets are read from: 'ss', or '/proc/net' on a host without it."""
    return "ss" if host.which("ss") else "/proc/net"


def read_process(host: Host, pid: int) -> Process | None:
    """A process by its id; None where it is gone."""
    status = host.read(f"/proc/{pid}/status")
    if not status:
        return None
    main = parse_status(status)
    threads = _threads(host, pid)
    maps = host.read(f"/proc/{pid}/maps")
    # proc_pid_exe(5): a program that was removed since has the mark behind its name.
    executable = re.sub(r" \(deleted\)$", "", host.link_target(f"/proc/{pid}/exe") or "")
    same = host.same_file(f"/proc/{pid}/exe", executable)
    return Process(
        pid=pid,
        status=main,
        threads=max(1, len(threads)),
        unlike=tuple(thread for thread in threads if _privileges(thread.status) != _privileges(main)),
        unit=parse_cgroup(host.read(f"/proc/{pid}/cgroup") or ""),
        executable=executable,
        replaced=None if same is None else not same,
        authbind=None if maps is None else "/libauthbind.so" in maps,
    )


def _threads(host: Host, pid: int) -> tuple[Thread, ...]:
    """The threads that are there; one that ends while it is read is left out."""
    texts = {tid: host.read(f"/proc/{pid}/task/{tid}/status") for tid in host.names_in(f"/proc/{pid}/task")}
    return tuple(Thread(tid=int(tid), status=parse_status(text)) for tid, text in texts.items() if text)


def _privileges(status: ProcessStatus) -> tuple[tuple[object, ...], ...]:
    return status.uids, status.effective, status.permitted, status.ambient


def listeners(host: Host, ports: Sequence[Port]) -> tuple[Listener, ...]:
    """Who listens on these ports, owners included."""
    sockets = _sockets(host, ports) if ports else ()
    owners = _owners(host, {socket.inode for socket in sockets})
    return tuple(
        Listener(
            protocol=socket.protocol,
            address=socket.address,
            port=socket.port,
            v6only=socket.v6only,
            owners=owners.of(host, socket.inode),
            owners_known=bool(owners.pids.get(socket.inode)) or owners.complete,
        )
        for socket in sockets
    )


def _sockets(host: Host, ports: Sequence[Port]) -> tuple[Socket, ...]:
    found = _from_ss(host, ports) if socket_source(host) == "ss" else _from_proc(host)
    return tuple(socket for socket in found if Port(socket.port, socket.protocol) in ports)


def _from_ss(host: Host, ports: Sequence[Port]) -> tuple[Socket, ...]:
    # The filter runs in the kernel: a host with many sockets is never dumped whole.
    expression = " or ".join(f"sport = :{number}" for number in sorted({port.number for port in ports}))
    return parse_ss(host.run(["ss", "-H", "-O", "-n", "-l", "-t", "-u", "-e", expression]).checked().stdout)


def _from_proc(host: Host) -> tuple[Socket, ...]:
    found: list[Socket] = []
    for protocol in ("tcp", "udp"):
        for version in ("", "6"):
            text = host.read(f"/proc/net/{protocol}{version}") or ""
            found.extend(parse_proc_net(text, protocol=protocol, little_endian=sys.byteorder == "little"))
    return tuple(found)


class _Owners(NamedTuple):
    """The ids of the processes that hold each socket; complete is False where some could not be asked."""

    pids: dict[int, tuple[int, ...]]
    complete: bool

    def of(self, host: Host, inode: int) -> tuple[Process, ...]:
        found = (read_process(host, pid) for pid in self.pids.get(inode, ()))
        return tuple(process for process in found if process is not None)


def _owners(host: Host, inodes: set[int]) -> _Owners:
    pids: dict[int, tuple[int, ...]] = {}
    complete = host.effective_uid() == 0
    for pid in host.names_in("/proc") if inodes else ():
        if not pid.isdigit():
            continue
        for inode in _held(host, pid) & inodes:
            pids[inode] = (*pids.get(inode, ()), int(pid))
    return _Owners(pids=pids, complete=complete)


def _held(host: Host, pid: str) -> set[int]:
    folder = f"/proc/{pid}/fd"
    links = (host.link_target(f"{folder}/{descriptor}") or "" for descriptor in host.names_in(folder))
    matches = (_SOCKET_LINK.fullmatch(link) for link in links)
    return {int(match[1]) for match in matches if match}
