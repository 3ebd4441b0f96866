# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening sockets, from ss(8) and from /proc/net.

Only the address and the inode are taken from ss: the process names that it prints are the
processes' own choice and may imitate another's pid.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ansible_collections.netbind.privport.plugins.module_utils._core.errors import UnknownFormat

_SS_LINE = re.compile(
    r"(?P<protocol>tcp|udp)\s+(?:LISTEN|UNCONN)\s+\d+\s+\d+\s+"
    r"(?P<address>\S+):(?P<port>\d+)\s+\S+(?P<rest>.*)"
)
_INODE = re.compile(r"\bino:(?P<inode>\d+)\b")
_LISTENING = {"tcp": "0A", "udp": "07"}  # include/net/tcp_states.h: TCP_LISTEN, TCP_CLOSE


@dataclass(frozen=True)
class Socket:
    """A listening socket. address is an IP address, with %INTERFACE where bound to one."""

    protocol: str
    address: str
    port: int
    inode: int
    v6only: bool


def parse_ss(text: str) -> tuple[Socket, ...]:
    """`ss -HOnlptue`-like output with -e (extended) and -t -u. Raises UnknownFormat, quoting the line."""
    return tuple(_parse_ss_line(line) for line in text.splitlines() if line.strip())


def _parse_ss_line(line: str) -> Socket:
    match = _SS_LINE.match(line)
    # The users:(…) part can hold anything; the fields of -e follow it.
    inodes = _INODE.findall(re.sub(r"users:\(\(.*\)\)", "", match["rest"])) if match else []
    if match is None or not inodes:
        raise UnknownFormat(f"ss printed the line {line.strip()!r}, which holds no listening socket with an inode")
    address = match["address"].replace("[", "").replace("]", "")
    return Socket(
        protocol=match["protocol"],
        address="::" if address == "*" else address,
        port=int(match["port"]),
        inode=int(inodes[-1]),
        v6only="v6only:1" in match["rest"],
    )


def parse_proc_net(text: str, *, protocol: str, little_endian: bool) -> tuple[Socket, ...]:
    """The listening sockets of /proc/net/{tcp,udp}[6] (proc_pid_net(5)). v6only is not told there: False.

    Addresses are printed as 32-bit words in the byte order of the machine.
    """
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or ":" not in fields[1]:
            raise UnknownFormat(f"/proc/net/{protocol} holds the line {line.strip()!r}")
        if fields[3] != _LISTENING[protocol]:
            continue
        address, port = fields[1].split(":")
        found.append(
            Socket(
                protocol=protocol,
                address=_kernel_address(address, little_endian=little_endian),
                port=int(port, 16),
                inode=int(fields[9]),
                v6only=False,
            )
        )
    return tuple(found)


def _kernel_address(text: str, *, little_endian: bool) -> str:
    words = (bytes.fromhex(text[start : start + 8]) for start in range(0, len(text), 8))
    return str(ipaddress.ip_address(b"".join(word[::-1] if little_endian else word for word in words)))
