# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The input chains of nft --json list ruleset, as they concern one packet (libnftables-json(5)).

What the packet does not tell, or what is of a form that is not known here, applies perhaps.
"""

from __future__ import annotations

import json
import operator as operators
from typing import Any, Collection, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

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

Table = Tuple[str, str]
# The families of tables that see a packet of each family.
_SEEN_BY = {"ipv4": ("ip", "inet"), "ipv6": ("ip6", "inet")}
_VERDICTS = {
    "accept": ACCEPT,
    "drop": DROP,
    "reject": DROP,
    "return": RETURN,
    "jump": JUMP,
    "goto": GOTO,
    "redirect": LED,
    "dnat": LED,
}
_INPUT = ("filter", "input")
# Statements behind which the rule goes on; what fills a set takes every packet while there is room.
_PASSING = ("counter", "log", "mangle", "notrack", "continue", "flow", "ct helper", "ct timeout", "secmark", "set")
_TRANSPORTS = ("tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "ah", "esp", "comp")
_IP = {"ipv4": "ip", "ipv6": "ip6"}
_ORDERS = {"<": operators.lt, ">": operators.gt, "<=": operators.le, ">=": operators.ge}
# Of a field that the packet does not have.
_MISSING = object()


class Ruleset(NamedTuple):
    """The chains of one hook, in their order, and all chains by name."""

    bases: Tuple[Chain, ...]
    chains: Mapping[str, Chain]


def parse(text: str, packet: Packet, *, skipped: Collection[Table] = (), hook: Tuple[str, str] = _INPUT) -> Ruleset:
    """The rules for a packet; skipped are tables that somebody else reads. Raises UnknownFormat.

    hook is the type and the hook of the chains.
    """
    try:
        items = [it for it in json.loads(text)["nftables"] if isinstance(it, dict)]
        return _ruleset(items, packet, skipped=skipped, hook=hook)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise UnknownFormat(f"nft --json list ruleset printed what is not known: {problem!r}") from problem


def _ruleset(
    items: List[Dict[str, Any]], packet: Packet, *, skipped: Collection[Table], hook: Tuple[str, str]
) -> Ruleset:
    sets = {_name(it[kind], it[kind]["name"]): it[kind] for it in items for kind in ("set", "map") if kind in it}
    rules: Dict[str, List[Rule]] = {}
    for it in (item["rule"] for item in items if "rule" in item):
        reader = _Reader(packet=packet, sets=sets, of=it)
        rules.setdefault(_name(it, it["chain"]), []).extend(reader.rules())
    seen = [
        it
        for it in (item["chain"] for item in items if "chain" in item)
        if it["family"] in _SEEN_BY[packet.family] and (it["family"], it["table"]) not in skipped
    ]
    chains = {_name(it, it["name"]): _chain(it, rules.get(_name(it, it["name"]), []), packet) for it in seen}
    bases = [it for it in seen if (it.get("type"), it.get("hook")) == hook]
    in_order = sorted(bases, key=lambda it: int(it["prio"]))
    return Ruleset(bases=tuple(chains[_name(it, it["name"])] for it in in_order), chains=chains)


def _name(of: Mapping[str, Any], name: str) -> str:
    """What tells a chain or a set from others: names are each table's own."""
    return f"{of['family']} {of['table']} {name}"


def _chain(it: Mapping[str, Any], rules: List[Rule], packet: Packet) -> Chain:
    where = f"{it['family']} {it['table']} {it['name']}"
    return Chain(
        name=f"chain {it['name']} of table {it['family']} {it['table']}",
        rules=tuple(rules),
        policy=it.get("policy", ACCEPT) if "hook" in it else "",
        way_in=f"nft insert rule {where} ct status dnat {packet.protocol} dport {packet.port} accept",
    )


class _Unlike(NamedTuple):
    """A value of which nothing is known but that it is none of these."""

    these: Tuple[str, ...] = ()


class _Reader(NamedTuple):
    """Reads one rule for a packet; sets are those of all tables by name."""

    packet: Packet
    sets: Mapping[str, Any]
    of: Mapping[str, Any]

    def rules(self) -> List[Rule]:
        """One, or for a verdict map one for each of its verdicts."""
        applies: Optional[bool] = True
        for statement in self.of["expr"]:
            ((kind, body),) = statement.items()
            if kind in _VERDICTS:
                return [self._rule(kind, body, applies=applies)]
            if kind == "vmap":
                return [
                    self._rule(verdict, target, applies=both(applies, chosen))
                    for chosen, verdict, target in self._choices(body)
                ]
            applies = both(applies, self._lets_by(kind, body))
        return []

    def _rule(self, kind: str, body: Any, *, applies: Optional[bool]) -> Rule:
        target = _name(self.of, body["target"]) if kind in (JUMP, GOTO) else ""
        text = f"rule {self.of['handle']} of chain {self.of['chain']}"
        verdict = _VERDICTS.get(kind, "")
        return Rule(applies, verdict, target=target, text=text, to=_destination(body) if verdict == LED else "")

    def _choices(self, body: Mapping[str, Any]) -> Iterator[Tuple[Optional[bool], str, Any]]:
        """Whether each entry of a verdict map is the packet's, and its verdict."""
        value, entries = self._value(body["key"]), self._elements(body["data"])
        if entries is None:
            # Which verdicts a set holds that others fill nobody knows.
            yield None, ACCEPT, None
        for key, verdict in entries or ():
            ((kind, target),) = verdict.items()
            yield self._is_in(value, key), kind, target

    def _lets_by(self, kind: str, body: Any) -> Optional[bool]:
        """Whether the packet gets past a statement that is no verdict."""
        if kind in _PASSING:
            return True
        return self._matches(body) if kind == "match" else None

    def _matches(self, body: Mapping[str, Any]) -> Optional[bool]:
        value, right, operator = self._value(body["left"]), body["right"], body["op"]
        if value is _MISSING:
            # Whatever it is compared with: nft asks first whether the packet has the field.
            return False
        if operator in _ORDERS:
            comparable = isinstance(value, int) and isinstance(right, int)
            return _ORDERS[operator](value, right) if comparable else None
        found = self._is_in(value, right)
        return found if found is None or operator != "!=" else not found

    def _is_in(self, value: Any, right: Any) -> Optional[bool]:
        """Whether a field's value is, or is among, what stands on the right of a comparison."""
        if value is _MISSING:
            return False
        elements = self._elements(right)
        found = {None} if elements is None else {_is(value, it) for it in elements}
        return True if True in found else None if None in found else False

    def _elements(self, right: Any) -> Optional[List[Any]]:
        """The alternatives that are listed or that a named set holds; None where they come and go."""
        if isinstance(right, dict) and "set" in right:
            right = right["set"]
        if isinstance(right, str) and right.startswith("@"):
            named = self.sets[_name(self.of, right[1:])]
            right = None if {"dynamic", "timeout"} & set(named.get("flags", ())) else named.get("elem", [])
        return right if isinstance(right, list) or right is None else [right]

    def _value(self, left: Any) -> Any:
        """What a field of the packet is: a value, _MISSING, or what it is not."""
        ((kind, body),) = left.items() if isinstance(left, dict) else (("", {}),)
        if kind == "&":
            masked = self._value(body[0])
            return masked if masked is _MISSING or body[1:] == [masked] else _Unlike()
        read = {"payload": _payload, "meta": _meta, "ct": _ct, "fib": _fib}.get(kind)
        return read(body, self.packet) if read else _Unlike()


def _destination(body: Any) -> str:
    """Where redirect or dnat leads to, as far as the rule says it in plain numbers."""
    said = body if isinstance(body, dict) else {}
    return ":".join(str(said[name]) for name in ("addr", "port") if isinstance(said.get(name), (str, int)))


def _is(value: Any, element: Any) -> Optional[bool]:
    if isinstance(element, dict) and "elem" in element:
        element = element["elem"]["val"]
    if isinstance(value, _Unlike):
        return False if element in value.these else None
    if not isinstance(element, dict):
        # What a map has for all else is '*'.
        return None if element == "*" else bool(value == element)
    if "range" not in element or not isinstance(value, int):
        return None
    first, last = element["range"]
    return bool(first <= value <= last)


def _payload(body: Mapping[str, Any], packet: Packet) -> Any:
    protocol, name = body.get("protocol"), body.get("field")
    if protocol in _TRANSPORTS and protocol != packet.protocol:
        return _MISSING
    if protocol in ("ip", "ip6") and protocol != _IP[packet.family]:
        return _MISSING
    if name == "dport":
        return packet.port
    return packet.protocol if name in ("protocol", "nexthdr") else _Unlike()


def _meta(body: Mapping[str, Any], packet: Packet) -> Any:
    known: Dict[str, Any] = {
        "l4proto": packet.protocol,
        "nfproto": packet.family,
        "protocol": _IP[packet.family],
        # It comes from another host, and to this one alone.
        "iif": _Unlike(("lo",)),
        "iifname": _Unlike(("lo",)),
        "pkttype": _Unlike(("broadcast", "multicast")),
    }
    return known.get(str(body.get("key")), _Unlike())


def _ct(body: Mapping[str, Any], packet: Packet) -> Any:
    known: Dict[str, Any] = {
        "state": "new",
        # Of the flags of a connection's first packet (linux/netfilter/nf_conntrack_common.h) just this one counts.
        "status": "dnat",
        "direction": "original",
    }
    if body.get("dir") == "original":
        known["proto-dst"] = packet.original
    return known.get(str(body.get("key")), _Unlike())


def _fib(body: Mapping[str, Any], packet: Packet) -> Any:
    asked = body.get("result") == "type" and "daddr" in body.get("flags", ())
    return ("local" if packet.local else "unicast") if asked else _Unlike()
