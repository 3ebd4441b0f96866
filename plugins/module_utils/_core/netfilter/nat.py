# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host's rules lead connections from other hosts away from a port before any socket gets them.

The rules of the type nat at the hook prerouting come first (nft(8), "ADDRESS FAMILIES"; iptables(8), "TABLES").
"""

from __future__ import annotations

import json
from typing import List, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.input_filter import (
    LED,
    Chain,
    Packet,
    walk,
)

HOOK = ("nat", "prerouting")
CHAIN = "PREROUTING"
TABLE = "nat"
# Begins the names of the collection's own tables and chains (redirect.table_name).
OWN = " privport_"


class Diversion(NamedTuple):
    """A rule that leads away what comes to a port by a family ('ipv4', 'ipv6'), or, not certain, may do so."""

    port: int
    protocol: str
    family: str
    certain: bool
    rule: str


class Led(NamedTuple):
    """The rule of a chain that leads a packet away, or, not certain, may do so, and where (input_filter.Rule.to)."""

    chain: str
    rule: str
    to: str
    certain: bool

    @property
    def is_own(self) -> bool:
        """Whether the collection made the chain."""
        return OWN in f"{self.chain}: {self.rule}"


def led(packet: Packet, *, bases: Sequence[Chain], chains: Mapping[str, Chain]) -> Led | None:
    """What the first rule of these chains does that leads the packet away; None where none does."""
    for base in bases:
        found = walk(base, chains=chains)
        rules = [found.by] if found.verdict == LED else [it for verdict, it in found.doubts if verdict == LED]
        if rules:
            return Led(base.name, rules[0], found.to, found.verdict == LED)
    return None


def tables_with_nat(text: str) -> Tuple[Tuple[str, str], ...]:
    """The family and the name of each table with such a chain, of nft --json list chains. Raises UnknownFormat."""
    try:
        items: List[Mapping[str, str]] = [it["chain"] for it in json.loads(text)["nftables"] if "chain" in it]
        found = {(it["family"], it["table"]): None for it in items if (it.get("type"), it.get("hook")) == HOOK}
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise UnknownFormat(f"nft --json list chains printed what is not known: {problem!r}") from problem
    return tuple(found)
