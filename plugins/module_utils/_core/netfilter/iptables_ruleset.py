# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains of what iptables-save(8) prints of a table, as they concern one packet.

A match that is not known here applies perhaps (iptables-extensions(8)).
"""

from __future__ import annotations

import re
import shlex
from typing import Callable, Iterator, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.input_filter import (
    ACCEPT,
    DROP,
    GOTO,
    JUMP,
    LED,
    RETURN,
    Chain,
    Packet,
    Rule,
    both,
)

_VERDICTS = {
    "ACCEPT": ACCEPT,
    "DROP": DROP,
    "REJECT": DROP,
    "RETURN": RETURN,
    "TARPIT": DROP,
    "REDIRECT": LED,
    "DNAT": LED,
}
# Targets after which the packet goes on.
_PASSING = ("LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "AUDIT", "SET", "TRACE", "CLASSIFY", "")
_CHAIN = re.compile(r":(?P<name>\S+) (?P<policy>\S+) \[[0-9]+:[0-9]+\]")


class _Option(NamedTuple):
    """An option of a rule with its values; negated where a ! stands before it."""

    name: str
    values: Tuple[str, ...]
    negated: bool


def parse(text: str, packet: Packet, *, table: str = "filter") -> dict[str, Chain]:
    """The chains of a table, by name; none for a table that is not there. Raises UnknownFormat."""
    policies: dict[str, str] = {}
    rules: dict[str, list[str]] = {}
    for line in _of_table(text, table):
        declared = _CHAIN.fullmatch(line)
        if declared:
            policies[declared["name"]] = {"ACCEPT": ACCEPT, "DROP": DROP}.get(declared["policy"], "")
        elif line.startswith("-A "):
            rules.setdefault(line.split()[1], []).append(line)
        else:
            raise UnknownFormat(f"iptables-save printed {line!r}, which is no chain and no rule")
    try:
        return {name: _chain(name, policy, rules.get(name, []), policies, packet) for name, policy in policies.items()}
    except (ValueError, IndexError) as problem:
        raise UnknownFormat(f"iptables-save printed a rule that is not known: {problem!r}") from problem


def _of_table(text: str, name: str) -> Iterator[str]:
    table = ""
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("*"):
            table = line[1:]
        elif line and not line.startswith("#") and line != "COMMIT" and table == name:
            yield line


def _chain(name: str, policy: str, lines: list[str], chains: Mapping[str, str], packet: Packet) -> Chain:
    program = {"ipv4": "iptables", "ipv6": "ip6tables"}[packet.family]
    match = f"-p {packet.protocol} --dport {packet.port} -m conntrack --ctstate DNAT"
    return Chain(
        name=f"chain {name} of {program}",
        rules=tuple(_rule(line, chains=chains, packet=packet) for line in lines),
        policy=policy,
        way_in=f"{program} -I {name} {match} -j ACCEPT",
    )


def _rule(line: str, *, chains: Mapping[str, str], packet: Packet) -> Rule:
    applies: Optional[bool] = True
    verdict, target = "", ""
    for option in _options(line):
        if option.name in ("-j", "-g"):
            target = option.values[0]
            kind = GOTO if option.name == "-g" else JUMP
            verdict = kind if target in chains else _VERDICTS.get(target, "" if target in _PASSING else ACCEPT)
            # Who knows what an extension does with the packet.
            known = target in chains or target in _VERDICTS or target in _PASSING
            applies = both(applies, True if known else None)
        else:
            applies = both(applies, _matches(option, packet))
    led = re.search(r" --to-(?:ports?|destination) (\S+)", line) if verdict == LED else None
    return Rule(applies=applies, verdict=verdict, target=target, text=line, to=led[1] if led else "")


def _options(line: str) -> Iterator[_Option]:
    """The options behind -A CHAIN. A target's own, such as --reject-with, come last and are nobody's condition."""
    words = shlex.split(line)[2:]
    at = 0
    while at < len(words):
        negated = words[at] == "!"
        at += negated
        name, start = words[at], at + 1
        at = start
        while at < len(words) and not words[at].startswith("-") and words[at] != "!":
            at += 1
        yield _Option(name, tuple(words[start:at]), negated)
        if name in ("-j", "-g"):
            return


def _matches(option: _Option, packet: Packet) -> Optional[bool]:
    judge = _JUDGES.get(option.name)
    found = judge(option.values, packet) if judge else None
    return found if found is None or not option.negated else not found


def _protocol(values: Tuple[str, ...], packet: Packet) -> Optional[bool]:
    return values[0] in (packet.protocol, {"tcp": "6", "udp": "17"}[packet.protocol], "all", "0")


def _ports(values: Tuple[str, ...], packet: Packet) -> Optional[bool]:
    return any(_is_in_range(packet.port, part) for part in values[0].split(","))


def _is_in_range(port: int, text: str) -> bool:
    first, _colon, last = text.partition(":")
    return int(first or 0) <= port <= int(last or (65535 if _colon else first))


def _state(values: Tuple[str, ...], packet: Packet) -> Optional[bool]:
    return bool({"NEW", "DNAT"} & set(values[0].split(",")))


def _interface(values: Tuple[str, ...], packet: Packet) -> Optional[bool]:
    # It comes from another host.
    return False if values[0] == "lo" else None


def _type(values: Tuple[str, ...], packet: Packet) -> Optional[bool]:
    return ("LOCAL" if packet.local else "UNICAST") in values[0].split(",")


def _original_port(values: Tuple[str, ...], packet: Packet) -> Optional[bool]:
    return _is_in_range(packet.original, values[0])


def _flags(values: Tuple[str, ...], packet: Packet) -> Optional[bool]:
    """-p tcp --syn is shown so: those of the first that are set are those of the second."""
    asked, wanted = (set(it.split(",")) for it in values)
    return ({"SYN"} if asked & {"SYN", "ALL"} else set()) == wanted - {"NONE"}


def _always(values: Tuple[str, ...], packet: Packet) -> Optional[bool]:
    return True


_JUDGES: dict[str, Callable[[Tuple[str, ...], Packet], Optional[bool]]] = {
    "-p": _protocol,
    "-i": _interface,
    # An extension's name; its options are the conditions.
    "-m": _always,
    "--comment": _always,
    "--dport": _ports,
    "--dports": _ports,
    "--ports": _ports,
    "--state": _state,
    "--ctstate": _state,
    "--ctorigdstport": _original_port,
    "--dst-type": _type,
    "--tcp-flags": _flags,
}
