# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What authbind's rule files permit: the algorithm of authbind-helper, as a pure function.

Source: helper.c of authbind 2.1.3, which authbind(1), "Access control", describes; where the two differ the
program is followed. authbind does not know protocols: a rule for a port is a rule for TCP and for UDP.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import FrozenSet, Iterator, Mapping, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.errors import InvalidInput

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
WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class RuleFile:
    """A file below /etc/authbind (or one of FOLDERS, with empty content); mode is the permission bits."""

    path: str
    uid: int
    gid: int
    mode: int
    content: str = ""


@dataclass(frozen=True)
class Principal:
    """Who calls bind(2): the real uid and every group of the process."""

    uid: int
    gids: FrozenSet[int]


@dataclass(frozen=True)
class Verdict:
    """Whether authbind lets a bind through, the file that decided (None: no file matched) and why.

    errno_name is what the program's bind(2) fails with, '' when allowed.
    """

    allowed: bool
    deciding: Optional[str]
    errno_name: str
    reason: str


@dataclass(frozen=True)
class ByuidGrant:
    """What one line of a byuid file permits; spec is the address part as it was written."""

    spec: str
    version: int
    low: int
    high: int
    first_port: int
    last_port: int

    def covers(self, *, version: int, number: int, port: int) -> bool:
        """Whether a bind to the address (as a number) and port is within the grant."""
        inside = self.version == version and self.low <= number <= self.high
        return inside and self.first_port <= port <= self.last_port


@dataclass(frozen=True)
class ByuidLine:
    """One line as authbind reads it: a grant, or ignored; problem says why, unless it is blank or a comment."""

    number: int
    raw: str
    grant: Optional[ByuidGrant]
    problem: Optional[str]


def check_port(port: int) -> int:
    """The port itself; InvalidInput when authbind does not handle it (libauthbind.c passes others through)."""
    if not FIRST_PORT <= port <= LAST_PORT:
        raise InvalidInput(f"ports: {port} is outside {FIRST_PORT}-{LAST_PORT}, the only ports that authbind handles")
    return port


def parse_address(text: str) -> Tuple[int, int]:
    """(4 or 6, the address as a number) of a text that inet_pton(3) accepts; InvalidInput for any other."""
    parsed = _pton(text)
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
    """The byaddr files that authbind asks for an address and port, in its order; the last but for IPv6 is `A,P`.

    helper.c asks `A:P` before `A,P`, although authbind(1) tells the opposite; IPv6 has `A,P` in two spellings.
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


def parse_byuid(content: str) -> Tuple[ByuidLine, ...]:
    """Every line of a byuid file as the helper's fgets and sscanf see it; the raw parts add up to the content."""
    return tuple(_byuid_line(number, raw) for number, raw in enumerate(_chunks(content), 1))


def permits_execution(file: RuleFile, principal: Principal) -> bool:
    """access(2) with X_OK: the first class that applies decides, a more generous one behind it does not help."""
    if principal.uid == 0:
        return bool(file.mode & 0o111)
    if file.uid == principal.uid:
        return bool(file.mode & 0o100)
    if file.gid in principal.gids:
        return bool(file.mode & 0o010)
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
    owner = f"{file.path} (uid {file.uid}, gid {file.gid}, mode {file.mode:04o})"
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


# fgets(3) with the helper's buffer returns at most 298 bytes; the rest of a longer line is a line of its own.
_CHUNK = re.compile(rb"[^\n]{0,297}\n|[^\n]{1,298}")
# isspace(3) in the C locale, and what %u of sscanf(3) takes after it.
_BLANK = "[ \t\n\v\f\r]*"
_NUMBER = _BLANK + "([+-]?[0-9]+)"
_COLON_FORM = re.compile(
    _NUMBER
    + r"\."
    + _NUMBER
    + r"\."
    + _NUMBER
    + r"\."
    + _NUMBER
    + "/"
    + _NUMBER
    + ":"
    + _NUMBER
    + ","
    + _NUMBER
    + _BLANK
)
_ONE_NUMBER = re.compile(_NUMBER + _BLANK)
_TWO_NUMBERS = re.compile(_NUMBER + "-" + _NUMBER + _BLANK)
_WIDTH = {4: 32, 6: 128}


class _Ignored(Exception):
    """authbind skips the line silently; str() is why."""


def _chunks(content: str) -> Iterator[str]:
    for found in _CHUNK.finditer(content.encode("utf-8", "surrogateescape")):
        yield found.group().decode("utf-8", "surrogateescape")


def _byuid_line(number: int, raw: str) -> ByuidLine:
    # C sees the text up to a NUL; latin-1 keeps one character a byte.
    text = raw.encode("utf-8", "surrogateescape").decode("latin-1").partition("\0")[0]
    if not text.strip(" \t\n\v\f\r") or text.startswith("#"):
        return ByuidLine(number, raw, None, None)
    try:
        return ByuidLine(number, raw, _grant(text), None)
    except _Ignored as why:
        return ByuidLine(number, raw, None, str(why))


def _grant(text: str) -> ByuidGrant:
    colon_form = _COLON_FORM.fullmatch(text)
    if colon_form is not None:
        *octets, length, first, last = (_unsigned(group) for group in colon_form.groups())
        if max(octets) > 255:
            raise _Ignored("its address is none")
        address = ".".join(str(octet) for octet in octets)
        return _prefix_grant(address, length, first, last)
    spec, comma, ports = text.partition(",")
    if not comma:
        raise _Ignored("it has no comma between address and port")
    if "/" in spec and "-" in spec:
        raise _Ignored("it mixes a prefix length with an address range")
    first, last = _port_range(ports)
    if "/" in spec:
        address, _slash, length_text = spec.partition("/")
        found = _ONE_NUMBER.fullmatch(length_text)
        if found is None:
            raise _Ignored("its prefix length is no number")
        return _prefix_grant(address, _unsigned(found.group(1)), first, last)
    return _range_grant(spec, first, last)


def _prefix_grant(address: str, length: int, first: int, last: int) -> ByuidGrant:
    version, low = _address_of_line(address)
    if length > _WIDTH[version]:
        raise _Ignored(f"its prefix length is above {_WIDTH[version]}")
    host_bits = (1 << (_WIDTH[version] - length)) - 1
    if low & host_bits:
        raise _Ignored("its address has bits set beyond the prefix length")
    return _port_checked(ByuidGrant(f"{address}/{length}", version, low, low | host_bits, first, last))


def _range_grant(spec: str, first: int, last: int) -> ByuidGrant:
    low_text, hyphen, high_text = spec.partition("-")
    version, low = _address_of_line(low_text)
    high_version, high = _address_of_line(high_text if hyphen else low_text)
    if high_version != version or low > high:
        raise _Ignored("its address range is empty")
    return _port_checked(ByuidGrant(spec, version, low, high, first, last))


def _port_checked(grant: ByuidGrant) -> ByuidGrant:
    if grant.first_port > grant.last_port:
        raise _Ignored("its first port is above its last port")
    return grant


def _port_range(text: str) -> Tuple[int, int]:
    two = _TWO_NUMBERS.fullmatch(text)
    if two is not None:
        return _unsigned(two.group(1)), _unsigned(two.group(2))
    one = _ONE_NUMBER.fullmatch(text)
    if one is not None:
        return _unsigned(one.group(1)), _unsigned(one.group(1))
    raise _Ignored("its port is no number or range")


def _address_of_line(text: str) -> Tuple[int, int]:
    parsed = _pton(text)
    if parsed is None:
        raise _Ignored("its address is none")
    return parsed


def _unsigned(text: str) -> int:
    """%u of sscanf(3) on a 64-bit system: strtoul(3), stored in 32 bits."""
    magnitude = min(int(text.lstrip("+-")), 2**64 - 1)
    saturated = magnitude == 2**64 - 1
    return (-magnitude if text.startswith("-") and not saturated else magnitude) % 2**32


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")


def _pton(text: str) -> Optional[Tuple[int, int]]:
    """inet_pton(3) for either family; stricter than the ipaddress of some Python versions."""
    if _IPV4.fullmatch(text):
        return 4, int(ipaddress.IPv4Address(text))
    if ":" not in text or "%" in text or ("." in text and not _IPV4.fullmatch(text.rpartition(":")[2])):
        return None
    try:
        return 6, int(ipaddress.IPv6Address(text))
    except ValueError:
        return None


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
