# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities as numbers, as text and as the bytes of the security.capability attribute.

Sources: capabilities(7), cap_from_text(3), cap_to_text(3) of libcap, include/uapi/linux/capability.h
and security/commoncap.c of Linux.
"""

from __future__ import annotations

import re
import struct
from typing import Dict, NamedTuple, Set

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, UnknownFormat

CAP_NET_BIND_SERVICE = 10
CAP_SETFCAP = 31

NAMES: tuple[str, ...] = (
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
)
ALL: frozenset[int] = frozenset(range(len(NAMES)))
# Two 32-bit words in every structure of the kernel since 2.6.25.
BITS = 64

_NUMBERS: dict[str, int] = {name: number for number, name in enumerate(NAMES)}
_WAY_OUT = "write for example cap_net_bind_service=ep, as cap_from_text(3) describes it"


def name_of(number: int) -> str:
    """The name of a capability, or the number in decimal where linux/capability.h has no name for it."""
    return NAMES[number] if 0 <= number < len(NAMES) else str(number)


def parse_name(text: str) -> int:
    """The number of a capability's name, in any case, with its cap_ prefix; InvalidInput for anything else."""
    number = _NUMBERS.get(_lower(text))
    if number is None:
        raise InvalidInput(f"{text!r} is not the name of a capability; write for example cap_net_bind_service")
    return number


def parse_mask(hex_text: str) -> frozenset[int]:
    """The capabilities in a mask such as CapEff of /proc/PID/status (proc(5)); UnknownFormat where it is none."""
    text = hex_text.strip()
    if not re.fullmatch(r"[0-9a-fA-F]{1,16}", text):
        raise UnknownFormat(f"{hex_text!r} is not a capability mask in hexadecimal digits")
    return _bits(int(text, 16))


class FileCapabilities(NamedTuple):
    """What the security.capability attribute of a file says; an attribute that grants nothing has empty sets.

    effective is one flag for the whole file (capabilities(7), "File capabilities"). rootid is None for
    version 2, else the user id that is root of the user namespace in which a version 3 attribute counts.
    """

    permitted: frozenset[int] = frozenset()
    inheritable: frozenset[int] = frozenset()
    effective: bool = False
    rootid: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it grants nothing. Such an attribute still clears the ambient set on exec."""
        return not self.permitted and not self.inheritable

    @property
    def foreign(self) -> bool:
        """Whether it counts in another user namespace only."""
        return bool(self.rootid)

    @property
    def binds(self) -> bool:
        """Whether an ordinary user who executes the file has CAP_NET_BIND_SERVICE in effect."""
        return self.effective and CAP_NET_BIND_SERVICE in self.permitted and not self.foreign

    @property
    def named(self) -> frozenset[int]:
        """Every capability in it, whatever its flags."""
        return self.permitted | self.inheritable


# The C locale's isspace(3); clauses are split by it.
_BLANKS = r"[ \t\n\v\f\r]+"
_CLAUSE = r"(?P<names>[A-Za-z0-9_,]*)(?P<actions>(?:=[eip]*)?(?:[+-][eip]+)*)"
_ACTION = r"([=+-])([eip]*)"
# strtoul(3) with base 0. The 0b of glibc 2.38 and later is left out: older ones refuse it.
_NUMBER = r"0[xX](?P<hex>[0-9a-fA-F]+)|0(?P<octal>[0-7]*)|(?P<decimal>[1-9][0-9]*)"
_LARGEST = 20

_Flags = Dict[str, Set[int]]


def parse_text(text: str) -> FileCapabilities:
    """Read the text form of cap_from_text(3), as setcap(8) would store it on a file.

    Raises InvalidInput, naming the text, for what the setcap of libcap 2.75 refuses: also blank text, and
    effective capabilities that are neither none nor all of the permitted and inheritable ones (older
    versions store something else than was written). An effective one beyond those counts for nothing.
    """
    flags: _Flags = {"e": set(), "i": set(), "p": set()}
    clauses = [clause for clause in re.split(_BLANKS, text) if clause]
    if not clauses:
        raise InvalidInput(f"capabilities {text!r} names no capability; {_WAY_OUT}")
    for clause in clauses:
        _apply(clause, text=text, flags=flags)
    _check_effective(flags, text=text)
    return FileCapabilities(
        permitted=frozenset(flags["p"]), inheritable=frozenset(flags["i"]), effective=bool(flags["e"])
    )


def _apply(clause: str, *, text: str, flags: _Flags) -> None:
    match = re.fullmatch(_CLAUSE, clause)
    if match is None or not match["actions"]:
        raise InvalidInput(f"capabilities {text!r} has the clause {clause!r}, which is not NAMES=FLAGS; {_WAY_OUT}")
    if not match["names"] and not re.fullmatch(r"=[eip]*", match["actions"]):
        raise InvalidInput(
            f"capabilities {text!r} has the clause {clause!r}, which needs names before + or -; {_WAY_OUT}"
        )
    chosen = _chosen(match["names"], text=text)
    for operator, letters in re.findall(_ACTION, match["actions"]):
        _act(operator, letters, chosen=chosen, flags=flags)


def _act(operator: str, letters: str, *, chosen: frozenset[int], flags: _Flags) -> None:
    for letter, held in flags.items():
        if operator == "=" or (operator == "-" and letter in letters):
            held.difference_update(chosen)
        if operator != "-" and letter in letters:
            held.update(chosen)


def _chosen(names: str, *, text: str) -> frozenset[int]:
    if not names:
        return ALL
    chosen: set[int] = set()
    for name in names.split(","):
        # In libcap "all" replaces what stands before it in the list, also numbers without a name.
        chosen = set(ALL) if _lower(name) == "all" else chosen | {_number(name, text=text)}
    return frozenset(chosen)


def _number(name: str, *, text: str) -> int:
    number = _NUMBERS.get(_lower(name))
    if number is None:
        number = _parse_number(name)
    if number is None:
        raise InvalidInput(f"capabilities {text!r} names {name!r}, which is not a capability; {_WAY_OUT}")
    return number


def _parse_number(text: str) -> int | None:
    match = re.fullmatch(_NUMBER, text)
    if match is None:
        return None
    digits, base = next(
        (match[group], base) for group, base in (("hex", 16), ("octal", 8), ("decimal", 10)) if match[group] is not None
    )
    significant = digits.lstrip("0") or "0"
    # Python refuses to convert thousands of digits; nothing near that is a capability.
    number = int(significant, base) if len(significant) <= _LARGEST else BITS
    return number if number < BITS else None


def _check_effective(flags: _Flags, *, text: str) -> None:
    granted = flags["p"] | flags["i"]
    if not flags["e"] or (granted and granted <= flags["e"]):
        return
    if not granted:
        raise InvalidInput(
            f"capabilities {text!r} does not bind: the effective flag alone grants nothing; "
            "add p as in cap_net_bind_service=ep"
        )
    raise InvalidInput(
        f"capabilities {text!r} makes only some capabilities effective, but Linux has one effective flag "
        "for the whole file; give all of them e, as in cap_net_bind_service,cap_net_raw=ep, or none"
    )


def _lower(text: str) -> str:
    # str.lower() would also fold letters outside ASCII, such as the Kelvin sign, into names.
    return text.lower() if text.isascii() else text


def format_text(caps: FileCapabilities) -> str:
    """The text that getcap of libcap 2.41 and later prints after the file's name; '=' where nothing is granted.

    parse_text() reads it back. Like getcap it leaves out the root id: describe() is for people.
    """
    states = {number: _state(caps, number) for number in range(BITS)}
    common = _most_common([states[number] for number in sorted(ALL)])
    clauses = [f"={common}"]
    for state in _STATES:
        numbers = [number for number in sorted(ALL) if states[number] == state != common]
        if numbers:
            clauses.append(_clause(numbers, state=state, common=common))
    # cap_to_text(3): "= cap_kill+ep" is written "cap_kill=ep".
    if common == "" and len(clauses) > 1:
        clauses[:2] = [clauses[1].replace("+", "=", 1)]
    for state in _STATES[:-1]:
        numbers = [number for number in range(len(NAMES), BITS) if states[number] == state]
        if numbers:
            clauses.append(_clause(numbers, state=state, common=""))
    return " ".join(clauses)


def describe(caps: FileCapabilities) -> str:
    """format_text(), marked as getcap -n does when it counts in another user namespace only."""
    return format_text(caps) + (f" [rootid={caps.rootid}]" if caps.foreign else "")


# The order in which cap_to_text(3) lists the groups: the number of a state is e=1, p=2, i=4, from high to low.
_STATES = ("eip", "ip", "ei", "i", "ep", "p", "e", "")


def _state(caps: FileCapabilities, number: int) -> str:
    inheritable = number in caps.inheritable
    permitted = number in caps.permitted
    effective = caps.effective and (inheritable or permitted)
    return ("e" if effective else "") + ("i" if inheritable else "") + ("p" if permitted else "")


def _most_common(states: list[str]) -> str:
    # Of several the one with the lowest number wins: _STATES in reverse, first maximum.
    return max(reversed(_STATES), key=states.count)


def _clause(numbers: list[int], *, state: str, common: str) -> str:
    added = "".join(letter for letter in state if letter not in common)
    taken = "".join(letter for letter in common if letter not in state)
    text = ",".join(name_of(number) for number in numbers)
    return text + (f"+{added}" if added else "") + (f"-{taken}" if taken else "")


# include/uapi/linux/capability.h: VFS_CAP_REVISION_* and VFS_CAP_FLAGS_EFFECTIVE.
_FLAG_EFFECTIVE = 0x000001
_VERSION_1, _VERSION_2, _VERSION_3 = 0x01000000, 0x02000000, 0x03000000
_FORMS = {_VERSION_1: struct.Struct("<3I"), _VERSION_2: struct.Struct("<5I"), _VERSION_3: struct.Struct("<6I")}


def parse_xattr(value: bytes) -> FileCapabilities:
    """Read the bytes of security.capability (struct vfs_ns_cap_data, versions 1 to 3, little-endian).

    No bytes at all (the kernel refuses to store that, an image may hold it) read as empty sets. UnknownFormat,
    quoting the bytes, for anything else that security/commoncap.c would not accept.
    """
    if not value:
        return FileCapabilities()
    magic = struct.unpack("<I", value[:4])[0] if len(value) >= 4 else 0
    form = _FORMS.get(magic & ~_FLAG_EFFECTIVE)
    if form is None or form.size != len(value):
        raise UnknownFormat(f"security.capability holds {value.hex()!r}, which is no version of it that Linux knows")
    words = (*form.unpack(value), 0, 0)
    version = magic & ~_FLAG_EFFECTIVE
    high = (0, 0) if version == _VERSION_1 else words[3:5]
    return FileCapabilities(
        permitted=_bits(words[1] | high[0] << 32),
        inheritable=_bits(words[2] | high[1] << 32),
        effective=bool(magic & _FLAG_EFFECTIVE),
        rootid=words[5] if version == _VERSION_3 else None,
    )


def format_xattr(caps: FileCapabilities) -> bytes:
    """The bytes that setcap(8) stores: version 2, or 3 for another user namespace's root."""
    permitted, inheritable = _mask(caps.permitted), _mask(caps.inheritable)
    low = 0xFFFFFFFF
    words = (permitted & low, inheritable & low, permitted >> 32, inheritable >> 32)
    flag = _FLAG_EFFECTIVE if caps.effective else 0
    if caps.rootid:
        return _FORMS[_VERSION_3].pack(_VERSION_3 | flag, *words, caps.rootid)
    return _FORMS[_VERSION_2].pack(_VERSION_2 | flag, *words)


def same(left: FileCapabilities | None, right: FileCapabilities | None) -> bool:
    """Whether both mean the same to the kernel: version 3 with root id 0 is version 2. None is no attribute."""
    if left is None or right is None:
        return left is right
    return format_xattr(left) == format_xattr(right)


def merge(existing: FileCapabilities | None, wanted: FileCapabilities) -> FileCapabilities:
    """What wanted says of its own capabilities, and what existing says of all others.

    The effective flag is one for the file: it is set when either has it. InvalidInput when existing counts in
    another user namespace, because one attribute cannot serve two.
    """
    if existing is None or existing.is_empty:
        return wanted
    if existing.rootid and existing.rootid != wanted.rootid:
        raise InvalidInput(
            f"merge cannot keep {describe(existing)}, which counts in another user namespace only; "
            "use merge: false to replace it"
        )
    return FileCapabilities(
        permitted=existing.permitted - wanted.named | wanted.permitted,
        inheritable=existing.inheritable - wanted.named | wanted.inheritable,
        effective=existing.effective or wanted.effective,
        rootid=wanted.rootid,
    )


def without(existing: FileCapabilities, named: frozenset[int]) -> FileCapabilities | None:
    """What is left of existing when the named capabilities go, whatever their flags; None when nothing is."""
    left = FileCapabilities(
        permitted=existing.permitted - named,
        inheritable=existing.inheritable - named,
        effective=existing.effective,
        rootid=existing.rootid,
    )
    return None if left.is_empty else left


def _bits(mask: int) -> frozenset[int]:
    return frozenset(number for number in range(BITS) if mask >> number & 1)


def _mask(numbers: frozenset[int]) -> int:
    return sum(1 << number for number in numbers)
