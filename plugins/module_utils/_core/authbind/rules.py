# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What authbind's rule files permit: the algorithm of authbind-helper, as a pure function.

Source: helper.c of authbind 2.1.3, which authbind(1), "Access control", describes; where the two differ the
program is followed. authbind does not know protocols: a rule for a port is a rule for TCP and for UDP.
"""

from __future__ import annotations

import ipaddress
from typing import FrozenSet, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.byuid import parse_byuid, pton
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.acl import EXECUTE, Acl
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

ROOT = "/etc/authbind"
BYPORT = ROOT + "/byport"
BYADDR = ROOT + "/byaddr"
BYUID = ROOT + "/byuid"
# The folders that the calling user must be able to search; byuid is read with the helper's own rights.
FOLDERS = (ROOT, BYPORT, BYADDR)
HELPER = "/usr/lib/authbind/helper"
FIRST_PORT = 1
LAST_PORT = 1023
# authbind(1), "Ports 512-1023": rule files for these have a leading exclamation mark in their names.
FIRST_MARKED_PORT = 512
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104


class RuleFile(NamedTuple):
    """A file below /etc/authbind (or one of FOLDERS, with empty content); mode is the permission bits."""

    path: str
    uid: int
    gid: int
    mode: int
    content: str = ""
    acl: Optional[Acl] = None


class Principal(NamedTuple):
    """Who calls bind(2): the real uid and every group of the process."""

    uid: int
    gids: FrozenSet[int]


class Verdict(NamedTuple):
    """Whether authbind lets a bind through, the file that decided (None: no file matched) and why.

    errno_name is what the program's bind(2) fails with, '' when allowed.
    """

    allowed: bool
    deciding: Optional[str]
    errno_name: str
    reason: str


def check_port(port: int) -> int:
    """The port itself; InvalidInput when authbind does not handle it (libauthbind.c passes others through)."""
    if not FIRST_PORT <= port <= LAST_PORT:
        raise InvalidInput(f"ports: {port} is outside {FIRST_PORT}-{LAST_PORT}, the only ports that authbind handles")
    return port


def parse_address(text: str) -> Tuple[int, int]:
    """(4 or 6, the address as a number) of a text that inetpton(3) accepts; InvalidInput for any other."""
    parsed = pton(text)
    if parsed is None:
        raise InvalidInput(f"addresses: '{text}' is no IPv4 or IPv6 address; write it like 192.0.2.1 or 2001:db8::1")
    return parsed


def canonical_address(text: str) -> str:
    """The address as inet_ntop(3) writes it, which is the form in authbind's file names."""
    version, number = parse_address(text)
    return _ntop(version, number)


def byport_path(port: int) -> str:
    """The byport file that authbind asks for a port."""
    return f"{BYPORT}/{_mark(port)}{port}"


def byaddr_paths(*, port: int, address: str) -> Tuple[str, ...]:
    """The byaddr files that authbind asks for an address and port, in its order.

    IPv4 has `A:P`, then `A,P` (so does helper.c, although authbind(1) tells the opposite order); IPv6 has `A,P`
    with the address as inet_ntop(3) writes it, then with every word of it written out.
    """
    version, number = parse_address(address)
    text = _ntop(version, number)
    stem = f"{BYADDR}/{_mark(port)}"
    if version == 4:
        return (f"{stem}{text}:{port}", f"{stem}{text},{port}")
    full = ":".join(f"{word:x}" for word in _words(number))
    return tuple(dict.fromkeys((f"{stem}{text},{port}", f"{stem}{full},{port}")))


def byuid_path(*, port: int, uid: int) -> str:
    """The byuid file that authbind reads for a user and port: `!UID` from port 512, `UID` below."""
    return f"{BYUID}/{_mark(port)}{uid}"


def candidate_paths(*, port: int, address: str, uid: int) -> Tuple[str, ...]:
    """Every file that authbind consults for this bind, in its order; the last one is the byuid file.

    A dual-stack bind is one to '::'. InvalidInput for ports outside 1-1023 and for texts that are no address.
    """
    check_port(port)
    return (byport_path(port), *byaddr_paths(port=port, address=address), byuid_path(port=port, uid=uid))


def judge(rules: Mapping[str, RuleFile], *, principal: Principal, port: int, address: str) -> Verdict:
    """What authbind-helper answers; rules holds every existing file of candidate_paths, by path.

    FOLDERS may be among the rules; a folder that is not is taken as searchable by everyone.
    """
    *flags, byuid = candidate_paths(port=port, address=address, uid=principal.uid)
    for path in flags:
        closed = _closed_folder(rules, path, principal)
        if closed is not None:
            return Verdict(False, closed, "EACCES", f"{closed} cannot be searched by this user, so no rule is found")
        file = rules.get(path)
        if file is not None:
            return _flag_verdict(file, principal)
    return _byuid_verdict(rules.get(byuid), path=byuid, port=port, address=address)


def permits_execution(file: RuleFile, principal: Principal) -> bool:
    """access(2) with X_OK: the first class that applies decides, a more generous one behind it does not help.

    acl(5), "Access check algorithm": of several groups one that permits is enough.
    """
    acl = file.acl or Acl(group=file.mode >> 3 & 0o7)
    users, groups = dict(acl.users), ((file.gid, acl.group), *acl.groups)
    mine = [permissions for gid, permissions in groups if gid in principal.gids]
    if principal.uid == 0:
        return bool(file.mode & 0o111)
    if file.uid == principal.uid:
        return bool(file.mode & 0o100)
    if principal.uid in users:
        return bool(users[principal.uid] & EXECUTE)
    if mine:
        return any(permissions & EXECUTE for permissions in mine)
    return bool(file.mode & 0o001)


def _mark(port: int) -> str:
    return "!" if port >= FIRST_MARKED_PORT else ""


def _closed_folder(rules: Mapping[str, RuleFile], path: str, principal: Principal) -> Optional[str]:
    for folder in FOLDERS:
        known = rules.get(folder)
        if known is None or not path.startswith(folder + "/") or principal.uid == 0:
            continue
        if not permits_execution(known, principal):
            return folder
    return None


def _flag_verdict(file: RuleFile, principal: Principal) -> Verdict:
    beside = ", an access control list" if file.acl else ""
    owner = f"{file.path} (uid {file.uid}, gid {file.gid}, mode {file.mode:04o}{beside})"
    if permits_execution(file, principal):
        return Verdict(True, file.path, "", f"{owner} is executable for this user")
    return Verdict(False, file.path, "EACCES", f"{owner} is not executable for this user, and no other rule is asked")


def _byuid_verdict(file: Optional[RuleFile], *, path: str, port: int, address: str) -> Verdict:
    if file is None:
        return Verdict(False, None, "EPERM", f"no rule file exists for port {port} on {address} and this user")
    version, number = parse_address(address)
    for line in parse_byuid(file.content):
        if line.grant is not None and line.grant.covers(version=version, number=number, port=port):
            return Verdict(True, path, "", f"line {line.number} of {path} permits it")
    return Verdict(False, path, "ENOENT", f"no line of {path} permits port {port} on {address}")


def _words(number: int) -> Tuple[int, ...]:
    return tuple((number >> shift) & 0xFFFF for shift in range(112, -1, -16))


def _ntop(version: int, number: int) -> str:
    """inet_ntop(3) of glibc, which writes IPv4-mapped and IPv4-compatible addresses with a dotted tail."""
    if version == 4:
        return str(ipaddress.IPv4Address(number))
    tail = str(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    if number >> 32 == 0xFFFF:
        return f"::ffff:{tail}"
    if number >> 32 == 0 and number >> 16:
        return f"::{tail}"
    return str(ipaddress.IPv6Address(number))
