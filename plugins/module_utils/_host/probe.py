# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying a port for real: a connection to an address, and a bind by a stranger; a part of the seam to the machine.

What comes of it is '' or the name of an errno.
"""

from __future__ import annotations

import array
import errno
import fcntl
import functools
import pwd
import socket
import struct

from ansible_collections.netbind.privport.plugins.module_utils._host import another

# The outcome of a connection that the other side ends at once.
CLOSED = "CLOSED"
_CONNECT_SECONDS = 1.5
_ANY_PORT = 9
_FIRST_STRANGER = 65000
# include/uapi/linux/sockios.h
_SIOCGIFADDR = 0x8915
_IF_INET6 = "/proc/net/if_inet6"


def interface_address(interface: str, family: str) -> str:
    """An address of an interface, '' for none."""
    if family == "ipv6":
        return _ipv6_address(interface)
    request = array.array("B", struct.pack("16s24x", interface.encode()))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            fcntl.ioctl(asked, _SIOCGIFADDR, request, True)
    except OSError:
        return ""
    # netdevice(7): struct ifreq holds a struct sockaddr_in behind the name.
    return socket.inet_ntop(socket.AF_INET, request.tobytes()[20:24])


def _ipv6_address(interface: str) -> str:
    """One that clients elsewhere can use, else one of the link."""
    try:
        with open(_IF_INET6, encoding="ascii") as table:
            lines = [line.split() for line in table]
    except OSError:
        # A kernel without IPv6.
        return ""
    # proc_pid_net(5): the address as 32 hex digits, and at the end the interface.
    own = (socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0])) for words in lines if words[5] == interface)
    found = sorted(own, key=lambda address: address.startswith("fe80:"))
    # getaddrinfo(3) takes an interface with an address of one link alone.
    return "" if not found else f"{found[0]}%{interface}" if found[0].startswith("fe80:") else found[0]


def addresses(family: str) -> tuple[str, ...]:
    """An address of each interface but loopback."""
    names = (name for _index, name in socket.if_nameindex())
    found = (interface_address(name, family) for name in names if name != "lo")
    return tuple(address for address in found if address)


def connect(address: str, port: int, *, staying: float) -> str:
    """Open and close a TCP connection; CLOSED for one that is closed within the seconds staying, unasked.

    EADDRNOTAVAIL for an address that is not this host's: a server can listen on such a one (ip(7), IP_FREEBIND), and
    another host would answer.
    """
    try:
        if not _is_own(address):
            return "EADDRNOTAVAIL"
        with socket.create_connection((address, port), timeout=_CONNECT_SECONDS) as connection:
            return _stays(connection, seconds=staying) if staying else ""
    except OSError as failure:
        return _errno_name(failure)


def _is_own(address: str) -> bool:
    """Whether a packet to the address would come from it: the kernel sends from the host's own (ip(7)).

    Raises OSError where no route leads there.
    """
    family, kind, _protocol, _name, target = socket.getaddrinfo(address, _ANY_PORT, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as asked:
        # Of a datagram socket, connect(2) sends nothing.
        asked.connect(target)
        return bool(asked.getsockname()[0] == target[0]) or address.startswith("127.")


def _stays(connection: socket.socket, *, seconds: float) -> str:
    connection.settimeout(seconds)
    try:
        return "" if connection.recv(1) else CLOSED
    except socket.timeout:
        return ""


def bind_as_stranger(port: int, *, protocol: str, family: str, own_uid: int) -> str:
    """bind(2) the port as a user that no account has.

    The kernel looks at the privilege before it looks whether the address is in use (net/ipv4/af_inet.c, __inet_bind),
    so a busy port tells it too.
    """
    return another.bind(port, protocol=protocol, family=family, uid=_stranger_uid(own_uid))


def _stranger_uid(own_uid: int) -> int:
    """A uid that no account has; name services are asked for it alone."""
    return next(uid for uid in range(_FIRST_STRANGER, 1, -1) if uid != own_uid and not _is_taken(uid))


@functools.lru_cache(maxsize=None)
def _is_taken(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _errno_name(failure: OSError) -> str:
    if isinstance(failure, socket.timeout):
        return "ETIMEDOUT"
    return errno.errorcode.get(failure.errno or 0, type(failure).__name__)
