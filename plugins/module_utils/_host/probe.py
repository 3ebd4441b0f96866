# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying a port for real: a connection to each of its addresses, and a bind by a stranger."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import pwd
import socket
import struct
from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener, ServiceFacts
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import CLOSED, Probe, families_of

_CONNECT_SECONDS = 3.0
# A forwarder accepts a connection before it has one to the service, and closes it when it gets none.
_FORWARDER_SECONDS = 0.3
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_LOOPBACK = {"ipv4": "127.0.0.1", "ipv6": "::1"}
_WILDCARDS = {"ipv4": "0.0.0.0", "ipv6": "::"}
_FIRST_STRANGER = 65000
# include/uapi/linux/sockios.h
_SIOCGIFADDR = 0x8915


def probe(facts: ServiceFacts, *, port: Port, inner: Port) -> Probe:
    """Try the port inner, on which the service listens, on every address that somebody listens on there.

    Nothing is tried where nobody does. Where port is another one, it is tried over loopback.
    """
    on_inner = facts.listeners_on(inner)
    own_uid = facts.account.uid if facts.account else -1
    in_front = port != inner and bool(on_inner)
    families = sorted(_FAMILIES if in_front else {family for it in on_inner for family in families_of(it)})
    return Probe(
        connect={it.address: connect(it) for it in on_inner if it.protocol == "tcp"},
        front=_front(on_inner, port=port, families=families) if in_front and port.protocol == "tcp" else {},
        stranger={
            family: bind_as_stranger(port, family=family, own_uid=own_uid) if os.geteuid() == 0 else None
            for family in families
        },
    )


def _front(on_inner: Sequence[Listener], *, port: Port, families: Sequence[str]) -> dict[str, str | None]:
    """A forwarder that finds nobody behind it closes the connection at once; so do some services by themselves."""
    found = {family: _connect_to(_LOOPBACK[family], port.number, staying=_FORWARDER_SECONDS) for family in families}
    if CLOSED not in found.values():
        return dict(found)
    targets = [(target, listener.port) for listener in on_inner for target in _targets(listener)]
    closes = any(_connect_to(*target, staying=_FORWARDER_SECONDS) == CLOSED for target in targets)
    return {family: "" if closes and outcome == CLOSED else outcome for family, outcome in found.items()}


def connect(listener: Listener) -> str | None:
    """Open and close a TCP connection to each family that the socket serves.

    '' or the first errno's name; None where this host has no address that leads to the socket.
    """
    outcomes = [_connect_to(target, listener.port) for target in _targets(listener)]
    # Where IPv6 is switched off, a wildcard serves the other family alone.
    tried = [it for it in outcomes if it not in ("EADDRNOTAVAIL", "EAFNOSUPPORT") or len(outcomes) == 1]
    return next((outcome for outcome in tried if outcome), "") if tried else None


def _targets(listener: Listener) -> list[str]:
    address, _percent, interface = listener.address.partition("%")
    if address not in _WILDCARDS.values():
        return [listener.address]
    families = sorted(families_of(listener))
    if not interface or interface == "lo":
        return [_LOOPBACK[family] for family in families]
    # A socket of one interface answers on the addresses of that interface alone.
    own = [_address_of(interface, family) for family in families]
    return [target for target in own if target]


def _address_of(interface: str, family: str) -> str:
    """An address of an interface, '' for none."""
    if family == "ipv6":
        with open("/proc/net/if_inet6", encoding="ascii") as table:
            words = next((line.split() for line in table if line.split()[5] == interface), None)
        # proc_pid_net(5): if_inet6 begins with the address as 32 hex digits.
        return f"{socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0]))}%{interface}" if words else ""
    request = array.array("B", struct.pack("16s24x", interface.encode()))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            fcntl.ioctl(asked, _SIOCGIFADDR, request, True)
    except OSError:
        return ""
    # netdevice(7): struct ifreq holds a struct sockaddr_in behind the name.
    return socket.inet_ntop(socket.AF_INET, request.tobytes()[20:24])


def _connect_to(target: str, port: int, *, staying: float = 0) -> str:
    """'' or the errno's name; CLOSED for a connection that is closed within the seconds staying, unasked."""
    try:
        with socket.create_connection((target, port), timeout=_CONNECT_SECONDS) as connection:
            return _stays(connection, seconds=staying) if staying else ""
    except OSError as failure:
        return _errno_name(failure)


def _stays(connection: socket.socket, *, seconds: float) -> str:
    connection.settimeout(seconds)
    try:
        return "" if connection.recv(1) else CLOSED
    except socket.timeout:
        return ""


def bind_as_stranger(port: Port, *, family: str, own_uid: int) -> str | None:
    """bind(2) the port in a child that has another uid, no groups and no capabilities.

    '' or the errno's name. The kernel looks at the privilege before it looks whether the address is
    in use (net/ipv4/af_inet.c, __inet_bind), so a busy port tells it too.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = "EIO"
        try:
            outcome = _bind_with_uid(port, family=family, uid=_stranger_uid(own_uid))
        finally:
            os.write(write_end, outcome.encode())
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as told:
        outcome = told.read().decode()
    os.waitpid(child, 0)
    return outcome


def _bind_with_uid(port: Port, *, family: str, uid: int) -> str:
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        with socket.socket(_FAMILIES[family], _KINDS[port.protocol]) as candidate:
            # The wildcard: an address that the host has no more would fail before the privilege is looked at.
            candidate.bind((_WILDCARDS[family], port.number))
    except OSError as failure:
        return _errno_name(failure)
    return ""


def _stranger_uid(own_uid: int) -> int:
    """A uid that no account has."""
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {own_uid}
    return next(uid for uid in range(_FIRST_STRANGER, 1, -1) if uid not in taken)


def _errno_name(failure: OSError) -> str:
    if isinstance(failure, socket.timeout):
        return "ETIMEDOUT"
    return errno.errorcode.get(failure.errno or 0, type(failure).__name__)
