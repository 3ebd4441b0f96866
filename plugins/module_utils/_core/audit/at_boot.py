# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the next boot loads a redirect again: who loads rules then, from which files, and whether it is in one."""

from __future__ import annotations

import re
from typing import Iterator, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port

NFTABLES = "nftables.service"
# What these units load, where their commands do not name it: nft(8), iptables-persistent(8), and Fedora's.
FILES_OF: Mapping[str, Tuple[str, ...]] = {
    NFTABLES: ("/etc/nftables.conf",),
    "netfilter-persistent.service": ("/etc/iptables/rules.v4", "/etc/iptables/rules.v6"),
    "iptables.service": ("/etc/sysconfig/iptables",),
    "ip6tables.service": ("/etc/sysconfig/ip6tables",),
}
# Words in the name or the command of a unit that makes rules of its own, of which no file tells.
_MAKES_RULES = re.compile(r"firewall|\b(?:ufw|ferm|shorewall|dockerd?|kubelet|kube-proxy|nft|ip6?tables)\b")
# The collection's own units.
_OWN = "privport-"
_LEADS = re.compile(r"\b(?:redirect|dnat)\b", re.IGNORECASE)
# A variable, a set, a map or a name in the place of a number.
_NAMED = re.compile(r"[$@]|\bmap\b|\bdports?\s+[a-z]", re.IGNORECASE)
_INCLUDE = re.compile(r"""^\s*include\s+["'](?P<path>[^"']+)["']""", re.MULTILINE)
_FILE_OPTION = re.compile(r"\bnft\b[^;]*?\s-f\s*(?P<path>/[^\s;]+)")


class AtBoot(NamedTuple):
    """What a boot loads: the texts of the files by path with the unit that reads each, and units that make their own.

    told is False where nobody can say, because no systemd starts the host.
    """

    files: Mapping[str, Tuple[str, str]] = {}
    opaque: Tuple[str, ...] = ()
    told: bool = True


def files_of(unit: str, command: str) -> Tuple[str, ...]:
    """The files that a unit loads rules from; none of another one. command is its ExecStart= as systemd shows it."""
    named = _FILE_OPTION.search(command) if unit == NFTABLES else None
    return (named["path"],) if named else FILES_OF.get(unit, ())


def makes_rules(unit: str, command: str) -> bool:
    """Whether a unit seems to make rules in a way that no file tells."""
    return unit not in FILES_OF and not unit.startswith(_OWN) and bool(_MAKES_RULES.search(f"{unit} {command}"))


def included(text: str) -> Tuple[str, ...]:
    """The paths and patterns of nft's include statements."""
    return tuple(it["path"] for it in _INCLUDE.finditer(text))


def persistence(found: AtBoot, ports: Sequence[Port], to: str) -> Tuple[bool | None, str]:
    """Whether a boot loads a rule that leads these ports to that one, None for unknown, and what tells it."""
    if not found.told:
        return None, "nobody can tell what the next boot loads"
    numbers = [str(it.number) for it in ports] + ([to] if to.isdigit() else [])
    doubts = []
    for path, (unit, text) in found.files.items():
        lines = list(_leading(text))
        if any(all(_holds(line, number) for number in numbers) for line in lines):
            return True, f"{unit} loads it from {path}"
        doubts += [f"{path} of {unit} has rules by names"] if any(map(_NAMED.search, lines)) else []
    doubts += [f"{unit} may make it" for unit in found.opaque]
    if doubts:
        return None, f"whether the next boot has it is unknown: {'; '.join(doubts)}"
    looked = ", ".join(found.files) or "none is loaded"
    return False, f"no file that the next boot loads has it ({looked})"


def _leading(text: str) -> Iterator[str]:
    """The lines with rules that lead packets away, without comments."""
    yield from (line for line in text.splitlines() if not line.lstrip().startswith("#") and _LEADS.search(line))


def _holds(line: str, number: str) -> bool:
    return bool(re.search(rf"(?<![0-9.]){number}(?![0-9.])", line))
