# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the kernel what an AppArmor profile does, by trying it in children with namespaces of their own.

The kernel tells neither which profile it would attach to a program nor which capabilities a profile allows, and the
text in /etc/apparmor.d need not be what is loaded. Nothing of a trial reaches the host but a line in the audit log.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import Callable, NamedTuple, Tuple

_LIBRARY = "/usr/lib/authbind/libauthbind.so.1"
_RULES = "/etc/authbind"
# A program that ends at once, to stand in for the service's own.
_HARMLESS = "/bin/true"
# sched.h, sys/mount.h and linux/prctl.h
_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PR_SET_DUMPABLE = 4
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
# The wildcard addresses of IPv4 and IPv6, with what follows the port in sockaddr_in and sockaddr_in6.
_FAMILIES = ((socket.AF_INET, bytes(12)), (socket.AF_INET6, bytes(24)))
_NOT_TRIED = 255
# What failed, by the exit status; '' where nothing did.
_STAGES = ("", "library", "socket", "bind")


class Socket(NamedTuple):
    """What is to be bound, and the name that the trial gives its process, by which the audit log tells it."""

    port: int
    protocol: str
    comm: str


class User(NamedTuple):
    """Who binds, with the primary group and all groups."""

    uid: int
    gid: int
    groups: Tuple[int, ...]


def attached_profile(path: str) -> str | None:
    """The label of what is started from this path, as the kernel writes it; None where that cannot be tried.

    The child executes a harmless program that is mounted over path for it alone, and is asked for its profile
    when it has ended: a process that nobody has waited for keeps it.
    """
    child = os.fork()
    if child == 0:
        try:
            _own_mounts()
            _mount(_HARMLESS, path, "", _MS_BIND)
            os.execv(path, [path])
        finally:
            os._exit(_NOT_TRIED)
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    try:
        if ended is None or (ended.si_code == os.CLD_EXITED and ended.si_status == _NOT_TRIED):
            return None
        with open(f"/proc/{child}/attr/apparmor/current", "rb") as file:
            return file.read().decode(errors="surrogateescape")
    except OSError:
        return None
    finally:
        os.waitpid(child, 0)


def bind_in_profile(profile: str, *, wanted: Socket) -> str | None:
    """bind(2) with every capability that the profile leaves.

    '' where it works, else what is refused: 'socket' or 'bind'. None where it cannot be tried.
    """

    def prepare() -> None:
        _own_network(wanted.port)

    return _tried(lambda: _bind_all(profile, wanted=wanted, prepare=prepare, library=""))


def authbind_in_profile(profile: str, *, wanted: Socket, user: User) -> str | None:
    """The same as the service's user through authbind, with a rule that lets the user have the port.

    What is refused can also be 'library', the mapping of libauthbind.
    """

    def prepare() -> None:
        _own_network(wanted.port)
        _own_mounts()
        _own_rules(wanted.port, uid=user.uid)
        os.setgroups(list(user.groups))
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        # A process that changed its user may else not write to its own /proc.
        _checked(_libc().prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))

    return _tried(lambda: _bind_all(profile, wanted=wanted, prepare=prepare, library=_LIBRARY))


def _tried(attempt: Callable[[], str]) -> str | None:
    """What an attempt in a child tells."""
    child = os.fork()
    if child == 0:
        status = _NOT_TRIED
        try:
            status = _STAGES.index(attempt())
        finally:
            os._exit(status)
    _pid, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        # A profile in the mode kill.
        return "bind"
    status = os.WEXITSTATUS(ended)
    return None if status == _NOT_TRIED else _STAGES[status]


def _bind_all(profile: str, *, wanted: Socket, prepare: Callable[[], None], library: str) -> str:
    """What is refused for the family that works, else for IPv4."""
    with open("/proc/self/comm", "w", encoding="utf-8") as file:
        file.write(wanted.comm)
    prepare()
    libc = _libc()
    with open("/proc/self/attr/apparmor/current", "wb", buffering=0) as attribute:
        attribute.write(b"changeprofile " + profile.encode(errors="surrogateescape"))
    if library:
        try:
            libc = ctypes.CDLL(library, use_errno=True)
        except OSError:
            return "library"
    refused = [_bind(libc, family, rest, wanted=wanted) for family, rest in _FAMILIES]
    return "" if "" in refused else refused[0]


def _bind(libc: ctypes.CDLL, family: int, rest: bytes, *, wanted: Socket) -> str:
    try:
        descriptor = socket.socket(family, _KINDS[wanted.protocol]).detach()
    except OSError:
        return "socket"
    # In the byte order of the machine and of the network.
    address = struct.pack("=H", family) + struct.pack(">H", wanted.port) + rest
    return "bind" if libc.bind(descriptor, address, len(address)) else ""


def _own_network(port: int) -> None:
    _checked(_libc().unshare(_CLONE_NEWNET))
    # The port is to be a privileged one there as well.
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w", encoding="utf-8") as file:
        file.write(str(port + 1))


def _own_mounts() -> None:
    _checked(_libc().unshare(_CLONE_NEWNS))
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def _own_rules(port: int, *, uid: int) -> None:
    _mount("none", _RULES, "tmpfs", 0)
    os.umask(0o022)
    os.chmod(_RULES, 0o755)
    os.mkdir(f"{_RULES}/byport")
    # authbind(1): from 512 on a rule's name begins with '!'.
    path = f"{_RULES}/byport/{'!' if port >= 512 else ''}{port}"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o500))
    os.chown(path, uid, -1)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    words = [word.encode(errors="surrogateescape") for word in (source, target, kind)]
    _checked(_libc().mount(*words, flags, None))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
