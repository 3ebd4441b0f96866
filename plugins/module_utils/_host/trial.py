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
from typing import Callable

from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.denial import TRIAL_COMM
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.policy import parse_label
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Account
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port

LIBRARY = "/usr/lib/authbind/libauthbind.so.1"
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


def attached_profile(path: str) -> tuple[str, str] | None:
    """The profile, with its mode, that confines what is started from this path; None where that cannot be tried.

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
            return parse_label(file.read().decode(errors="surrogateescape"))
    except OSError:
        return None
    finally:
        os.waitpid(child, 0)


def bind_in_profile(profile: str, *, port: Port) -> str | None:
    """bind(2) with every capability that the profile leaves.

    '' where it works, else what is refused: 'socket' or 'bind'. None where it cannot be tried.
    """

    def prepare() -> None:
        _own_network(port)

    return _tried(lambda: _bind_all(profile, port=port, prepare=prepare, library=""))


def authbind_in_profile(profile: str, *, port: Port, account: Account) -> str | None:
    """The same as the service's user through authbind, with a rule that lets the user have the port.

    What is refused can also be 'library', the mapping of libauthbind.
    """

    def prepare() -> None:
        _own_network(port)
        _own_mounts()
        _own_rules(port, account=account)
        os.setgroups(list(account.groups))
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
        # A process that changed its user may else not write to its own /proc.
        _checked(_libc().prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))

    return _tried(lambda: _bind_all(profile, port=port, prepare=prepare, library=LIBRARY))


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


def _bind_all(profile: str, *, port: Port, prepare: Callable[[], None], library: str) -> str:
    """What is refused for the family that works, else for IPv4."""
    with open("/proc/self/comm", "w", encoding="utf-8") as file:
        file.write(TRIAL_COMM)
    prepare()
    libc = _libc()
    with open("/proc/self/attr/apparmor/current", "wb", buffering=0) as attribute:
        attribute.write(b"changeprofile " + profile.encode(errors="surrogateescape"))
    if library:
        try:
            libc = ctypes.CDLL(library, use_errno=True)
        except OSError:
            return "library"
    refused = [_bind(libc, family, rest, port=port) for family, rest in _FAMILIES]
    return "" if "" in refused else refused[0]


def _bind(libc: ctypes.CDLL, family: int, rest: bytes, *, port: Port) -> str:
    try:
        descriptor = socket.socket(family, _KINDS[port.protocol]).detach()
    except OSError:
        return "socket"
    # In the byte order of the machine and of the network.
    address = struct.pack("=H", family) + struct.pack(">H", port.number) + rest
    return "bind" if libc.bind(descriptor, address, len(address)) else ""


def _own_network(port: Port) -> None:
    _checked(_libc().unshare(_CLONE_NEWNET))
    # The port is to be a privileged one there as well.
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w", encoding="utf-8") as file:
        file.write(str(port.number + 1))


def _own_mounts() -> None:
    _checked(_libc().unshare(_CLONE_NEWNS))
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def _own_rules(port: Port, *, account: Account) -> None:
    _mount("none", _RULES, "tmpfs", 0)
    os.umask(0o022)
    os.chmod(_RULES, 0o755)
    os.mkdir(f"{_RULES}/byport")
    # authbind(1): from 512 on a rule's name begins with '!'.
    path = f"{_RULES}/byport/{'!' if port.number >= 512 else ''}{port.number}"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o500))
    os.chown(path, account.uid, -1)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    words = [word.encode(errors="surrogateescape") for word in (source, target, kind)]
    _checked(_libc().mount(*words, flags, None))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
