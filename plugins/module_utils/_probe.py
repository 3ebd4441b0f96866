# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying a port for real: a connection to it, and a bind by a stranger."""

from __future__ import annotations

import errno
import os
import pwd
import socket

from ansible_collections.netbind.privport.plugins.module_utils._core.model import Listener, ServiceFacts
from ansible_collections.netbind.privport.plugins.module_utils._core.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.verdict import Probe

_CONNECT_SECONDS = 3.0
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_FIRST_STRANGER = 65000


def probe(facts: ServiceFacts, *, port: Port) -> Probe:
    """Try a port that somebody listens on; nothing was tried where nobody does."""
    on_port = [it for it in facts.listeners if (it.port, it.protocol) == (port.number, port.protocol)]
    if not on_port:
        return Probe()
    listener = on_port[0]
    own_uid = facts.account.uid if facts.account else -1
    return Probe(
        connect=connect(listener) if listener.protocol == "tcp" else None,
        stranger=bind_as_stranger(listener, own_uid=own_uid) if os.geteuid() == 0 else None,
    )


def connect(listener: Listener) -> str:
    """Open and close a TCP connection; '' or the errno's name."""
    address, _percent, interface = listener.address.partition("%")
    target = _LOOPBACK.get(address, address) + (f"%{interface}" if interface and address not in _LOOPBACK else "")
    try:
        with socket.create_connection((target, listener.port), timeout=_CONNECT_SECONDS):
            return ""
    except OSError as failure:
        return _errno_name(failure)


def bind_as_stranger(listener: Listener, *, own_uid: int) -> str | None:
    """bind(2) the listener's address in a child that has another uid, no groups and no capabilities.

    '' or the errno's name. The kernel looks at the privilege before it looks whether the address is
    in use (net/ipv4/af_inet.c, __inet_bind), so a busy port tells it too.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = "EIO"
        try:
            outcome = _bind_with_uid(listener, uid=_stranger_uid(own_uid))
        finally:
            os.write(write_end, outcome.encode())
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as told:
        outcome = told.read().decode()
    os.waitpid(child, 0)
    return outcome


def _bind_with_uid(listener: Listener, *, uid: int) -> str:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        with socket.socket(family, _KINDS[listener.protocol]) as candidate:
            candidate.bind((listener.address.partition("%")[0], listener.port))
    except OSError as failure:
        return _errno_name(failure)
    return ""


def _stranger_uid(own_uid: int) -> int:
    """A uid that no account has."""
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {own_uid}
    return next(uid for uid in range(_FIRST_STRANGER, 1, -1) if uid not in taken)


def _errno_name(failure: OSError) -> str:
    return errno.errorcode.get(failure.errno or 0, type(failure).__name__)
