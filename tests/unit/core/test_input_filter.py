# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's own input rules do to a redirected connection, by what nft and iptables-save print of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import iptables_ruleset, nft_ruleset
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.input_filter import (
    Barrier,
    Chain,
    Packet,
    Rule,
    barrier,
    merged,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"
TO_8080 = Packet(family="ipv4", protocol="tcp", port=8080, original=80)
UDP = Packet(family="ipv6", protocol="udp", port=5353, original=53)
NFTS = ("0.9.8", "1.0.6", "1.1.3")
IPTABLES = ("1.8.7", "1.8.9", "1.8.11")
Judged = List[Tuple[Optional[bool], str]]
# The rules of the fixtures' chain input, in their order, and what they are to TO_8080.
RULES: Tuple[Tuple[str, Judged], ...] = (
    ("iif lo accept", [(False, "accept")]),
    ('iifname "lo" accept', [(False, "accept")]),
    ("ct state established,related accept", [(False, "accept")]),
    ("ct state vmap { invalid : drop, … }", [(False, "drop"), (False, "accept"), (False, "accept")]),
    ("ct state invalid drop", [(False, "drop")]),
    ("ct state new tcp dport 22 counter accept", [(False, "accept")]),
    ("meta l4proto icmp accept", [(False, "accept")]),
    ("meta l4proto { icmp, ipv6-icmp } accept", [(False, "accept")]),
    ("ip protocol icmp accept", [(False, "accept")]),
    ("icmp type echo-request limit rate 5/second accept", [(False, "accept")]),
    ("ip6 nexthdr icmpv6 accept", [(False, "accept")]),
    ("tcp dport @open accept", [(True, "accept")]),
    ("tcp dport 8080 accept", [(True, "accept")]),
    ("tcp dport { 22, 8080, 9000-9010 } accept", [(True, "accept")]),
    ("tcp dport 1024-65535 accept", [(True, "accept")]),
    ("ct status dnat accept", [(True, "accept")]),
    ("ct status dnat tcp dport 8080 accept", [(True, "accept")]),
    ("ct status & dnat == dnat accept", [(True, "accept")]),
    ("meta l4proto tcp ct original proto-dst 80 accept", [(True, "accept")]),
    ("meta nfproto ipv4 tcp dport != 22 accept", [(True, "accept")]),
    ("fib daddr type local accept", [(True, "accept")]),
    ("fib daddr . iif type != { local, broadcast, multicast } drop", [(False, "drop")]),
    ("ip saddr 10.0.0.0/8 tcp dport 8080 accept", [(None, "accept")]),
    ("ip saddr @dyn drop", [(None, "drop")]),
    ("tcp dport 22 add @dyn { ip saddr } accept", [(False, "accept")]),
    ("tcp dport vmap { 22 : accept, 8080 : jump sub }", [(False, "accept"), (True, "jump")]),
    ("tcp dport > 1024 accept", [(True, "accept")]),
    ("meta pkttype multicast accept", [(False, "accept")]),
    ("udp dport 53 accept", [(False, "accept")]),
    ("th dport 53 accept", [(False, "accept")]),
    ("tcp flags & (fin|syn|rst|ack) != syn ct state new drop", [(None, "drop")]),
    ("jump sub", [(True, "jump")]),
    ('log prefix "x" drop', [(True, "drop")]),
    ("reject with icmpx type port-unreachable", [(True, "drop")]),
)
# Of those, what is otherwise to UDP.
OF_UDP = {
    "tcp dport @open accept": [(False, "accept")],
    "tcp dport 8080 accept": [(False, "accept")],
    "tcp dport { 22, 8080, 9000-9010 } accept": [(False, "accept")],
    "tcp dport 1024-65535 accept": [(False, "accept")],
    "ct status dnat tcp dport 8080 accept": [(False, "accept")],
    "meta l4proto tcp ct original proto-dst 80 accept": [(False, "accept")],
    "meta nfproto ipv4 tcp dport != 22 accept": [(False, "accept")],
    "ip saddr 10.0.0.0/8 tcp dport 8080 accept": [(False, "accept")],
    "ip saddr @dyn drop": [(False, "drop")],
    "tcp dport vmap { 22 : accept, 8080 : jump sub }": [(False, "accept"), (False, "jump")],
    "tcp dport > 1024 accept": [(False, "accept")],
    "tcp flags & (fin|syn|rst|ack) != syn ct state new drop": [(False, "drop")],
}


def read(name: str) -> str:
    return (FIXTURES / name).read_text(encoding="utf-8")


def judged(chain: Chain) -> Judged:
    return [(rule.applies, rule.verdict) for rule in chain.rules]


@pytest.mark.parametrize("nft", NFTS)
@pytest.mark.parametrize(("packet", "unlike"), [(TO_8080, {}), (UDP, OF_UDP)], ids=["tcp", "udp"])
def test_rules_of_nft(nft: str, packet: Packet, unlike: Dict[str, Judged]) -> None:
    (found,) = nft_ruleset.parse(read(f"nft-list-ruleset-{nft}.json"), packet).bases
    assert judged(found) == [it for text, usual in RULES for it in unlike.get(text, usual)]
    assert (found.policy, found.name) == ("drop", "chain input of table inet filter")


@pytest.mark.parametrize("version", IPTABLES)
def test_rules_of_iptables(version: str) -> None:
    chains = iptables_ruleset.parse(read(f"iptables-save-{version}.txt"), TO_8080)
    assert {name: chain.policy for name, chain in chains.items()} == {
        "INPUT": "drop",
        "FORWARD": "accept",
        "OUTPUT": "accept",
        "sub": "",
    }
    assert [(rule.applies, rule.verdict, rule.target) for rule in chains["INPUT"].rules] == [
        (False, "accept", "ACCEPT"),
        (False, "accept", "ACCEPT"),
        (True, "accept", "ACCEPT"),
        (True, "accept", "ACCEPT"),
        (True, "", "LOG"),
        (True, "drop", "REJECT"),
        (True, "goto", "sub"),
        (None, "jump", "sub"),
    ]
    assert judged(chains["sub"]) == [(False, "return")]


def nft(*statements: Any, policy: str = "drop", more: Tuple[Any, ...] = (), **chain: Any) -> str:
    """A table with one rule in its chain of the hook input."""
    where = {"family": "inet", "table": "filter"}
    base = {"name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": policy}
    rule = {**where, "chain": "input", "handle": 7, "expr": list(statements)}
    items = [{"metainfo": {}}, {"chain": {**where, **base, **chain}}, {"rule": rule}, *more]
    return json.dumps({"nftables": items})


def match(left: Any, right: Any, op: str = "==") -> Any:
    return {"match": {"op": op, "left": left, "right": right}}


DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
ACCEPT = {"accept": None}
DYNAMIC = {"map": {"family": "inet", "table": "filter", "name": "m", "flags": ["dynamic"]}}
STATIC = {"map": {"family": "inet", "table": "filter", "name": "m", "elem": [[8080, ACCEPT], [22, {"drop": None}]]}}
BY_MAP = {"vmap": {"key": DPORT, "data": "@m"}}
EMPTY = {"set": {"family": "inet", "table": "filter", "name": "s"}}
TIMED = {"elem": {"val": 8080, "expires": 9}}


@pytest.mark.parametrize(
    ("statements", "more", "applies"),
    [
        ((match(DPORT, {"set": [TIMED]}), ACCEPT), (), True),
        ((match(DPORT, {"prefix": {}}), ACCEPT), (), None),
        ((match(DPORT, "@s"), ACCEPT), (EMPTY,), False),
        ((match(DPORT, "*"), ACCEPT), (), None),
        ((match(DPORT, "x", op="<"), ACCEPT), (), None),
        ((match({"meta": {"key": "mark"}}, 1), ACCEPT), (), None),
        ((match({"meta": {"key": "iifname"}}, "lo", op="!="), ACCEPT), (), True),
        ((match({"meta": {"key": "iifname"}}, "eth0", op="!="), ACCEPT), (), None),
        ((match("what", 1), ACCEPT), (), None),
        ((match({"concat": [DPORT]}, 1), ACCEPT), (), None),
        ((match({"ct": {"key": "proto-dst", "dir": "reply"}}, 80), ACCEPT), (), None),
        ((match({"fib": {"result": "oif", "flags": ["saddr"]}}, 0), ACCEPT), (), None),
        (({"xt": None}, ACCEPT), (), None),
        ((BY_MAP,), (DYNAMIC,), None),
        ((BY_MAP,), (STATIC,), True),
    ],
)
def test_what_cannot_be_told_applies_perhaps(
    statements: Tuple[Any, ...], more: Tuple[Any, ...], applies: Optional[bool]
) -> None:
    (base,) = nft_ruleset.parse(nft(*statements, more=more), TO_8080).bases
    assert (base.rules[0].applies, base.rules[0].verdict) == (applies, "accept")


@pytest.mark.parametrize(
    ("packet", "fields", "seen"),
    [
        (TO_8080, {}, True),
        (UDP, {}, True),
        (TO_8080, {"family": "ip"}, True),
        (UDP, {"family": "ip"}, False),
        (TO_8080, {"family": "bridge"}, False),
        (TO_8080, {"hook": "output"}, False),
        (TO_8080, {"type": "nat"}, False),
        (TO_8080, {"table": "other"}, False),
    ],
)
def test_which_chains_see_the_packet(packet: Packet, fields: Dict[str, str], seen: bool) -> None:
    found = nft_ruleset.parse(nft({"counter": None}, **fields), packet, skipped=[("inet", "other")])
    assert (len(found.bases) == 1) is seen


@pytest.mark.parametrize("text", ["", "{}", '{"nftables": [{"rule": {}}]}', nft(7), nft({"vmap": {"key": {}}})])
def test_what_nft_does_not_print(text: str) -> None:
    with pytest.raises(UnknownFormat, match="nft --json list ruleset printed"):
        nft_ruleset.parse(text, TO_8080)


def save(*lines: str, policy: str = "DROP") -> str:
    return "\n".join(["*nat", ":INPUT DROP [0:0]", "COMMIT", "*filter", f":INPUT {policy} [1:2]", *lines, "COMMIT"])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-p tcp -m tcp --dport 8080 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT", (True, "accept")),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK FIN -j DROP", (False, "drop")),
        ("-p tcp -m tcp --tcp-flags ALL NONE -j DROP", (False, "drop")),
        ("-p tcp -m tcp ! --dport 8080 -j ACCEPT", (False, "accept")),
        ("-p tcp -m tcp --dport 8000: -j ACCEPT", (True, "accept")),
        ("-p tcp -m multiport --dports 22,80 -j ACCEPT", (False, "accept")),
        ("-p 6 -j ACCEPT", (True, "accept")),
        ("-m conntrack --ctorigdstport 80 -j ACCEPT", (True, "accept")),
        ("-m state --state NEW -j ACCEPT", (True, "accept")),
        ("-m conntrack --ctstate INVALID -j DROP", (False, "drop")),
        ("-m addrtype --dst-type BROADCAST -j DROP", (False, "drop")),
        ("! -i lo -j ACCEPT", (True, "accept")),
        ("-i eth0 -j ACCEPT", (None, "accept")),
        ("-s 10.0.0.0/8 -j ACCEPT", (None, "accept")),
        ("-m limit --limit 3/min -j ACCEPT", (None, "accept")),
        ("-j NFQUEUE --queue-num 1", (None, "accept")),
        ("-m comment --comment x", (True, "")),
    ],
)
def test_a_rule_of_iptables(line: str, expected: Tuple[Optional[bool], str]) -> None:
    (rule,) = iptables_ruleset.parse(save(f"-A INPUT {line}"), TO_8080)["INPUT"].rules
    assert (rule.applies, rule.verdict) == expected


@pytest.mark.parametrize(
    "line", ["what is this", "-A INPUT -p tcp --dport http -j ACCEPT", "-A INPUT -j", "-A INPUT '"]
)
def test_what_iptables_save_does_not_print(line: str) -> None:
    with pytest.raises(UnknownFormat, match="iptables-save printed"):
        iptables_ruleset.parse(save(line), TO_8080)


def chain(*rules: Rule, policy: str = "drop", name: str = "input") -> Chain:
    return Chain(name=name, rules=rules, policy=policy, way_in=f"let {name}")


def rule(applies: Optional[bool], verdict: str, target: str = "") -> Rule:
    return Rule(applies=applies, verdict=verdict, target=target, text=f"{verdict} {target}".strip())


CHAINS = {
    "accepts": chain(rule(True, "accept"), policy=""),
    "drops": chain(rule(True, "drop"), policy=""),
    "may accept": chain(rule(None, "accept"), policy=""),
    "falls through": chain(rule(False, "accept"), rule(True, ""), policy=""),
    "returns": chain(rule(True, "return"), rule(True, "accept"), policy=""),
    "loops": chain(rule(True, "jump", "loops"), policy=""),
}
OPEN: Optional[bool] = None
CLOSED, IN_DOUBT = True, False


@pytest.mark.parametrize(
    ("bases", "expected"),
    [
        ([], OPEN),
        ([chain(policy="accept")], OPEN),
        ([chain()], CLOSED),
        ([chain(rule(True, "accept"))], OPEN),
        ([chain(rule(False, "accept"))], CLOSED),
        ([chain(rule(None, "accept"))], IN_DOUBT),
        ([chain(rule(True, "drop"), policy="accept")], CLOSED),
        # A blocklist.
        ([chain(rule(None, "drop"), policy="accept")], OPEN),
        ([chain(rule(None, "drop"), rule(True, "accept"))], OPEN),
        ([chain(rule(None, "drop"))], CLOSED),
        ([chain(rule(True, ""), rule(True, "accept"))], OPEN),
        ([chain(rule(True, "return"), rule(True, "accept"))], CLOSED),
        ([chain(rule(None, "return"), rule(True, "drop"), policy="accept")], IN_DOUBT),
        ([chain(rule(True, "jump", "accepts"))], OPEN),
        ([chain(rule(None, "jump", "accepts"))], IN_DOUBT),
        ([chain(rule(True, "jump", "drops"), policy="accept")], CLOSED),
        ([chain(rule(None, "jump", "drops"), policy="accept")], OPEN),
        ([chain(rule(True, "jump", "may accept"))], IN_DOUBT),
        ([chain(rule(True, "jump", "falls through"), rule(True, "accept"))], OPEN),
        ([chain(rule(True, "goto", "falls through"), rule(True, "accept"))], CLOSED),
        ([chain(rule(True, "jump", "returns"), rule(True, "accept"))], OPEN),
        ([chain(rule(True, "jump", "loops"), rule(True, "accept"))], OPEN),
        ([chain(rule(True, "jump", "gone"), rule(True, "accept"))], OPEN),
        # Every chain of the hook is asked.
        ([chain(rule(True, "accept")), chain()], CLOSED),
        ([chain(rule(None, "accept")), chain()], CLOSED),
        ([chain(rule(None, "accept")), chain(policy="accept")], IN_DOUBT),
    ],
)
def test_what_becomes_of_a_packet(bases: List[Chain], expected: Optional[bool]) -> None:
    found = barrier(TO_8080, bases=bases, chains=CHAINS)
    assert (None if found is None else found.certain) is expected


def test_what_is_told_of_it() -> None:
    closed, doubted = chain(), chain(rule(None, "accept"), name="other")
    met = [barrier(packet, bases=[it], chains={}) for it in (closed, doubted) for packet in (TO_8080, UDP)]
    tcp, udp = [it for it in met if it is not None][:2]
    both = Packet(family="ipv6", protocol="tcp", port=8080, original=80)
    also = barrier(both, bases=[closed], chains={})
    assert also is not None
    assert merged([tcp, also, udp]) == (Barrier(True, "8080", ("ipv4", "ipv6"), "input: policy drop", "let input"), udp)
    assert [it.text for it in merged([tcp, also])] == [
        "the host's own rules drop what is redirected to port 8080 over IPv4 and IPv6; let it in first, also in the "
        "file that loads these rules: let input"
    ]
    assert "to port 5353/udp over IPv6" in udp.text
    assert met[2] is not None
    assert "cannot be told; this lets in everybody: let other" in met[2].text
    assert met[2].evidence == "other: policy drop, and before that accept"
