# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening sockets, from ss(8) and from /proc/net.

Only the address and the inode are taken from ss: the process names that it prints are the
processes' own choice and may imitate another's pid.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat

_SS_LINE = re.compile(
    r"(?P<protocol>tcp|udp)\s+(?:LISTEN|UNCONN)\s+\d+\s+\d+\s+"
    r"(?P<address>\S+):(?P<port>\d{1,5})\s+\S+\s+"
    # Users can name control groups: an inode counts only where ss puts it, before the cgroup: field.
    r"(?:users:\(\(.*\)\)\s+)?(?:uid:\d+\s+)?ino:(?P<inode>\d{1,20})\b(?P<rest>.*)"
)
_PROC_NET_LINE = re.compile(
    r"\s*\d+:\s+(?P<address>[0-9A-F]{8}|[0-9A-F]{32}):(?P<port>[0-9A-F]{4})\s+\S+\s+(?P<state>[0-9A-F]{2})"
    r"(?:\s+\S+){5}\s+(?P<inode>\d{1,20})\b"
)
# systemd.socket(5): what a socket unit listens on, and of what kind it is, as systemctl shows it.
_LISTEN = re.compile(r"(?P<subject>.*) \((?P<kind>[A-Z][A-Za-z ]+)\)")
_LISTEN_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\S+)?\]|[0-9.]+):(?P<port>[0-9]{1,5})(?:%\S+)?")
_PROTOCOLS = {"Stream": "tcp", "Datagram": "udp"}
_LISTENING = {"tcp": "0A", "udp": "07"}  # include/net/tcp_states.h: TCP_LISTEN, TCP_CLOSE


class Socket(NamedTuple):
    """A listening socket. address is an IP address, with %INTERFACE where bound to one."""

    protocol: str
    address: str
    port: int
    inode: int
    # None where that is not told.
    v6only: bool | None


def parse_ss(text: str) -> tuple[Socket, ...]:
    """`ss -HOnlptue`-like output with -e (extended) and -t -u. Raises UnknownFormat, quoting the line."""
    return tuple(_parse_ss_line(line) for line in text.split("\n") if line.strip())


def _parse_ss_line(line: str) -> Socket:
    match = _SS_LINE.match(line)
    if match is None:
        raise UnknownFormat(f"ss printed the line {line.strip()!r}, which holds no listening socket with an inode")
    address = match["address"].replace("[", "").replace("]", "")
    return Socket(
        protocol=match["protocol"],
        address=address.replace("*", "::", 1),
        port=int(match["port"]),
        inode=int(match["inode"]),
        v6only="v6only:1" in match["rest"],
    )


def parse_proc_net(text: str, *, protocol: str, little_endian: bool) -> tuple[Socket, ...]:
    """The listening sockets of /proc/net/{tcp,udp}[6] (proc_pid_net(5)). v6only is not told there: None.

    Addresses are printed as 32-bit words in the byte order of the machine.
    """
    found = []
    for line in text.splitlines()[1:]:
        match = _PROC_NET_LINE.match(line)
        if match is None:
            raise UnknownFormat(f"/proc/net/{protocol} holds the line {line.strip()!r}")
        if match["state"] != _LISTENING[protocol]:
            continue
        found.append(
            Socket(
                protocol=protocol,
                address=_kernel_address(match["address"], little_endian=little_endian),
                port=int(match["port"], 16),
                inode=int(match["inode"]),
                v6only=None,
            )
        )
    return tuple(found)


def _kernel_address(text: str, *, little_endian: bool) -> str:
    words = (bytes.fromhex(text[start : start + 8]) for start in range(0, len(text), 8))
    return str(ipaddress.ip_address(b"".join(word[::-1] if little_endian else word for word in words)))


def parse_listen(text: str) -> tuple[tuple[str, int], ...]:
    """The protocol and port of each IP socket in the Listen property of a socket unit, one line a socket.

    Raises UnknownFormat for a line that does not end in the kind of the socket.
    """
    found = []
    for line in filter(None, text.split("\n")):
        match = _LISTEN.fullmatch(line)
        if match is None:
            raise UnknownFormat(f"systemctl show printed Listen={line!r}, which tells no kind of socket")
        port = _LISTEN_PORT.fullmatch(match["subject"])
        if port is not None and match["kind"] in _PROTOCOLS:
            found.append((_PROTOCOLS[match["kind"]], int(port["port"])))
    return tuple(found)
