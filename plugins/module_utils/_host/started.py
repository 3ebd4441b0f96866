# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server starts for a connection: it is asked for one, and who gets it is looked at; a part of the seam."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Callable, Dict, Iterator, NamedTuple, Optional, Sequence, Set, Tuple, TypeVar

_CONNECT_SECONDS = 1.5
_START_SECONDS = 2.0
_PAUSE_SECONDS = 0.002
# A program that ends at once may have ended before it was seen.
_TRIES = 4
# include/net/tcp_states.h
_ESTABLISHED, _OF_UDP = "01", "07"

T = TypeVar("T")


class Asked(NamedTuple):
    """A server's port, and the paths of what it starts."""

    address: str
    port: int
    protocol: str
    programs: Sequence[str]


class _Sockets(NamedTuple):
    """The inodes of the sockets that the program gets, and whether the other side ended the connection."""

    inodes: Callable[[], Set[int]]
    ended: Callable[[], bool]


class Looking(NamedTuple):
    """How a process is looked at: holders gives those that hold sockets, executes the path of what one runs."""

    holders: Callable[[Set[int]], Dict[int, Tuple[int, ...]]]
    executes: Callable[[int], Optional[str]]


def look(asked: Asked, looking: Looking, *, see: Callable[[int], Optional[T]]) -> Optional[T]:
    """What see() says of the program that the server starts, while it is there; None where it could not be seen."""
    for _number in range(_TRIES):
        try:
            with _connected(asked) as found:
                seen = _await(asked, found, looking, see=see)
        except OSError:
            return None
        if seen is not None:
            return seen
    return None


def _await(asked: Asked, found: _Sockets, looking: Looking, *, see: Callable[[int], Optional[T]]) -> Optional[T]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        # Between its fork and its exec the server itself holds it, with what it has not given up yet.
        pids = {pid for held in looking.holders(found.inodes()).values() for pid in held}
        started = next((pid for pid in sorted(pids) if looking.executes(pid) in asked.programs), None)
        seen = see(started) if started is not None else None
        if seen is not None or found.ended():
            return seen
        time.sleep(_PAUSE_SECONDS)
    return None


@contextlib.contextmanager
def _connected(asked: Asked) -> Iterator[_Sockets]:
    """Ask the server. Raises OSError."""
    if asked.protocol == "udp":
        family = socket.AF_INET6 if ":" in asked.address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sent:
            # It is empty: a program has nothing to answer.
            sent.sendto(b"", (asked.address, asked.port))
            yield _Sockets(lambda: _inodes("udp", asked.port, state=_OF_UDP), lambda: False)
        return
    with socket.create_connection((asked.address, asked.port), timeout=_CONNECT_SECONDS) as opened:
        own = opened.getsockname()[1]
        yield _Sockets(
            lambda: _inodes("tcp", asked.port, state=_ESTABLISHED, peer=own),
            # tcp(7), TCP_INFO: it begins with the state.
            lambda: opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != int(_ESTABLISHED),
        )


def _inodes(table: str, port: int, *, state: str, peer: int = 0) -> Set[int]:
    """proc_pid_net(5): the inodes of the sockets of this port and, where it is given, of that at the other end."""
    found = set()
    for path in (f"/proc/net/{table}", f"/proc/net/{table}6"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as lines:
            for fields in map(str.split, list(lines)[1:]):
                local, remote = (int(fields[at].rpartition(":")[2], 16) for at in (1, 2))
                if local == port and fields[3] == state and peer in (0, remote):
                    found.add(int(fields[9]))
    return found - {0}
