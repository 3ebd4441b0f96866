# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes and the sockets that they hold; a part of the seam to the machine.

A process has another number after every start. What is asked is therefore never "process 4711", but a whole that is
found by something that lasts: a port, a unit, a file. Nothing is interpreted here but what finds the next thing.
"""

from __future__ import annotations

import re
import sys
from typing import Dict, Iterable, Iterator, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._host.accounts import Accounts
from ansible_collections.netbind.privport.plugins.module_utils._host.commands import Commands
from ansible_collections.netbind.privport.plugins.module_utils._host.files import Files

SS, PROC_NET = "ss", "/proc/net"
# A superset: ss prints names that users choose. Whose socket it is, who reads the line knows.
_INODE_OF_SS = r"\bino:(\d{1,20})\b"
# The lines of proc_pid_status(5) that tell who a process is and what it may do, and those that differ by thread.
IDENTITY = ("Name:", "PPid:", "Uid:", "Cap", "NoNewPrivs:")
_BY_THREAD = ("Uid:", "Cap", "NoNewPrivs:")
# include/net/tcp_states.h: TCP_LISTEN; of UDP TCP_CLOSE.
_LISTENING = {"tcp": "0A", "udp": "07"}


class ProcessRecord(NamedTuple):
    """A process as raw texts; None is what is closed to us."""

    pid: int
    # The lines of /proc/PID/status that tell its identity and privileges.
    status: str
    # How many threads it has, and the same lines of those that differ from the first, by thread.
    threads: int
    unlike: Mapping[str, str]
    cgroup: str
    # The control group of process 1.
    init_cgroup: str
    # What /proc/PID/exe leads to, and whether that is still the file of this name (proc_pid_exe(5)).
    executable: Optional[str]
    same: Optional[bool]
    # Whether libauthbind is mapped.
    authbind: Optional[bool]
    # The identity of its network namespace, and its AppArmor label.
    network: Optional[Tuple[int, int]]
    label: Optional[str]
    # The name of its effective user, '' for none.
    user: str
    # Its parent, the parent of that, and so on up to process 1, which is left out.
    ancestors: Tuple[int, ...] = ()
    # Whether its user namespace is that of process 1; None where that is closed to us.
    of_host: Optional[bool] = None


class Sockets(NamedTuple):
    """The sockets on some ports, as raw text by table: 'ss', or 'tcp', 'tcp6', 'udp' and 'udp6' of /proc/net."""

    source: str
    texts: Mapping[str, str]
    little_endian: bool
    # The processes that hold each socket, by its inode; complete is False where some could not be asked.
    holders: Mapping[int, Tuple[int, ...]]
    processes: Mapping[int, ProcessRecord]
    complete: bool


class Processes(Files, Commands, Accounts):
    """The processes of this machine."""

    def status_lines(self, pid: str, fields: Sequence[str]) -> str | None:
        """The lines of proc_pid_status(5) that begin with these names; None where the process is gone.

        pid may be 'self'. The others, such as counters, are different at each look.
        """
        status = self.read(f"/proc/{pid}/status")
        return _lines(status, fields) if status else None

    def process(self, pid: int) -> ProcessRecord | None:
        """A process by its number; None where it is gone."""
        lines = self.status_lines(str(pid), IDENTITY)
        if lines is None:
            return None
        threads = {tid: self.read(f"/proc/{pid}/task/{tid}/status") for tid in self.names_in(f"/proc/{pid}/task")}
        there = {tid: text for tid, text in threads.items() if text}
        privileges = _lines(lines, _BY_THREAD)
        executable = self.link_target(f"/proc/{pid}/exe")
        mapped = self.contains(f"/proc/{pid}/maps", ["/libauthbind.so"])
        return ProcessRecord(
            pid=pid,
            status=lines,
            threads=max(1, len(there)),
            unlike={
                tid: _lines(text, IDENTITY) for tid, text in there.items() if _lines(text, _BY_THREAD) != privileges
            },
            cgroup=self.read(f"/proc/{pid}/cgroup") or "",
            init_cgroup=self.read("/proc/1/cgroup") or "",
            executable=executable,
            same=self.same_file(f"/proc/{pid}/exe", re.sub(r" \(deleted\)$", "", executable or "")),
            authbind=None if mapped is None else mapped[0],
            network=self.namespace(f"/proc/{pid}/ns/net"),
            label=self.read(f"/proc/{pid}/attr/apparmor/current"),
            user=self._user(lines),
            ancestors=tuple(self._ancestors(lines)),
            of_host=self._is_of_host(pid),
        )

    def _is_of_host(self, pid: int) -> bool | None:
        own, first = (self.namespace(f"/proc/{it}/ns/user") for it in (pid, 1))
        return own == first if own and first else None

    def _ancestors(self, status: str) -> Iterator[int]:
        seen = {1}
        parent = _parent(status)
        while parent and parent not in seen:
            yield parent
            # One that ended meanwhile may have given its number to a child.
            seen.add(parent)
            parent = _parent(self.read(f"/proc/{parent}/status") or "")

    def _user(self, status: str) -> str:
        # proc_pid_status(5): the real user id, then the effective one.
        match = re.search(r"^Uid:\t[0-9]+\t([0-9]+)", status, re.MULTILINE)
        name = self.user_name(int(match[1])) if match else ""
        return "" if name.isdecimal() else name

    def daemon(self, pid_file: str) -> ProcessRecord | None:
        """The process that a file below /run names; None for none."""
        pid = (self.read(pid_file) or "").strip()
        return self.process(int(pid)) if re.fullmatch("[0-9]{1,10}", pid) else None

    def socket_source(self) -> str:
        """Where listening sockets are read from: 'ss', or '/proc/net' on a host without it."""
        return SS if self.which("ss") else PROC_NET

    def sockets(self, ranges: Sequence[Tuple[int, int]], *, holders: bool = True) -> Sockets:
        """The listening sockets on ports, given as ranges with both ends, and who holds them.

        holders=False leaves the processes out, which is cheap. Raises HostError where ss fails.
        """
        source = self.socket_source()
        texts = self._from_ss(ranges) if source == SS else self._from_proc_net(ranges)
        inodes = {int(it) for table, text in texts.items() for it in _inodes(table, text)} if holders else set()
        held = self._holders(inodes)
        found = {pid: self.process(pid) for pids in held.values() for pid in pids}
        return Sockets(
            source=source,
            texts=texts,
            little_endian=sys.byteorder == "little",
            holders=held,
            processes={pid: record for pid, record in found.items() if record is not None},
            complete=self.effective_uid() == 0,
        )

    def _from_ss(self, ranges: Sequence[Tuple[int, int]]) -> Dict[str, str]:
        # The filter runs in the kernel: a host with many sockets is never dumped whole.
        wanted = (
            f"sport = :{first}" if first == last else f"( sport >= :{first} and sport <= :{last} )"
            for first, last in ranges
        )
        argv = ["ss", "-H", "-O", "-n", "-l", "-t", "-u", "-e", " or ".join(wanted)]
        return {SS: self.query(argv).checked().stdout if ranges else ""}

    def _from_proc_net(self, ranges: Sequence[Tuple[int, int]]) -> Dict[str, str]:
        tables = ((f"{protocol}{version}", protocol) for protocol in ("tcp", "udp") for version in ("", "6"))
        return {
            table: _of_ports(self.read(f"{PROC_NET}/{table}") or "", ranges, state=_LISTENING[protocol])
            for table, protocol in tables
        }

    def _holders(self, inodes: Set[int]) -> Dict[int, Tuple[int, ...]]:
        """The processes that hold each of these sockets, by one walk through /proc."""
        found: Dict[int, Tuple[int, ...]] = {}
        links = {f"socket:[{inode}]": inode for inode in inodes}
        for pid in filter(str.isdigit, self.names_in("/proc") if inodes else ()):
            for inode in (links[link] for link in self._targets_in(f"/proc/{pid}/fd") if link in links):
                found[inode] = (*found.get(inode, ()), int(pid))
        # Texts are in another order in every process: the same sockets are to be the same answer.
        return dict(sorted(found.items()))


def _parent(status: str) -> int:
    match = re.search(r"^PPid:\t([0-9]+)", status, re.MULTILINE)
    return int(match[1]) if match else 0


def _lines(status: str, beginnings: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in status.split("\n") if line.startswith(tuple(beginnings)))


def _inodes(table: str, text: str) -> Iterable[str]:
    if table == SS:
        return re.findall(_INODE_OF_SS, text)
    # proc_pid_net(5): the inode is the tenth field.
    return (fields[9] for fields in map(str.split, text.split("\n")[1:]) if len(fields) > 9)


def _of_ports(table: str, ranges: Sequence[Tuple[int, int]], *, state: str) -> str:
    """The head of a table of /proc/net, and its lines of sockets that wait for clients on these ports."""
    head, *lines = table.split("\n")
    kept = [head, *(line for line in lines if _is_of_ports(line.split(), ranges, state=state))]
    return "".join(f"{line}\n" for line in kept)


def _is_of_ports(fields: Sequence[str], ranges: Sequence[Tuple[int, int]], *, state: str) -> bool:
    """Lines of another form are kept, for whoever parses them."""
    if len(fields) < 4 or not re.fullmatch("[0-9A-F]+:[0-9A-F]{4}", fields[1]):
        return bool(fields)
    port = int(fields[1][-4:], 16)
    return fields[3] == state and any(first <= port <= last for first, last in ranges)
