# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of authbind's byuid files: what authbind-helper reads in them, and their editing.

Source: helper.c of authbind 2.1.3; authbind(1), "Access control", has the three forms. Lines that authbind does
not understand are ignored by it silently; here they are ignored too, but carry the reason.
"""

from __future__ import annotations

import ipaddress
import re
from typing import AbstractSet, Iterator, List, NamedTuple, Optional, Sequence, Tuple


class ByuidGrant(NamedTuple):
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


class ByuidLine(NamedTuple):
    """One line as authbind reads it: a grant, or ignored; problem says why, unless it is blank or a comment."""

    number: int
    raw: str
    grant: Optional[ByuidGrant]
    problem: Optional[str]


def parse_byuid(content: str) -> Tuple[ByuidLine, ...]:
    """Every line of a byuid file as the helper's fgets and sscanf see it; the raw parts add up to the content."""
    return tuple(_byuid_line(number, raw) for number, raw in enumerate(_chunks(content), 1))


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
        if max(octets) > 255 or max(first, last) > 65535:
            raise _Ignored("its address or port is too large")
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
    parsed = pton(text)
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


def pton(text: str) -> Optional[Tuple[int, int]]:
    """inetpton(3) for either family; stricter than the ipaddress of some Python versions."""
    if _IPV4.fullmatch(text):
        return 4, int(ipaddress.IPv4Address(text))
    if ":" not in text or "%" in text or ("." in text and not _IPV4.fullmatch(text.rpartition(":")[2])):
        return None
    try:
        return 6, int(ipaddress.IPv6Address(text))
    except ValueError:
        return None


Scope = Tuple[str, int, int, int]
EVERY_ADDRESS: Tuple[Scope, ...] = (("0.0.0.0/0", 4, 0, 2**32 - 1), ("::/0", 6, 0, 2**128 - 1))


def missing_ports(content: str, scope: Scope, ports: Sequence[int]) -> List[int]:
    """The ports that no single line permits on the whole scope: (address part, 4 or 6, lowest, highest)."""
    _spec, version, low, high = scope
    wide = [
        line.grant
        for line in parse_byuid(content)
        if line.grant and line.grant.version == version and line.grant.low <= low and line.grant.high >= high
    ]
    return [port for port in ports if not any(grant.first_port <= port <= grant.last_port for grant in wide)]


def with_ports(content: str, scopes: Sequence[Scope], ports: Sequence[int]) -> str:
    """The content with lines added for the ports, sorted, that are not permitted on each scope already."""
    lines = [f"{scope[0]},{run}\n" for scope in scopes for run in _runs(missing_ports(content, scope, ports))]
    if lines and content and not content.endswith("\n"):
        content += "\n"
    return content + "".join(lines)


def without_port(content: str, port: int, *, named: AbstractSet[Tuple[int, int]], served: Tuple[int, int]) -> str:
    """The content with the port taken out of every line; of those for one of the named addresses when any is given.

    served is the lowest and highest port that the file is asked for: what lies beyond in a changed line goes too.
    """
    return "".join(_line_without(line, port, named, served) for line in parse_byuid(content))


def _line_without(line: ByuidLine, port: int, named: AbstractSet[Tuple[int, int]], served: Tuple[int, int]) -> str:
    grant = line.grant
    if grant is None or not grant.first_port <= port <= grant.last_port:
        return line.raw
    if named and not (grant.low == grant.high and (grant.version, grant.low) in named):
        return line.raw
    sides = ((max(grant.first_port, served[0]), port - 1), (port + 1, min(grant.last_port, served[1])))
    return "".join(f"{grant.spec},{_run(first, last)}\n" for first, last in sides if first <= last)


def _runs(ports: Sequence[int]) -> Iterator[str]:
    """Sorted ports as N and N-M."""
    start = 0
    for index, port in enumerate(ports):
        if index + 1 == len(ports) or ports[index + 1] != port + 1:
            yield _run(ports[start], port)
            start = index + 1


def _run(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
