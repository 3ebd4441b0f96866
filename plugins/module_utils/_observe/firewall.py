# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's own rules for what comes in: read once, whatever loaded them, and never changed."""

from __future__ import annotations

import re
from bisect import bisect
from functools import cached_property
from typing import Iterator, Mapping, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import FAMILIES, Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import (
    iptables_ruleset,
    nat,
    nft_ruleset,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.input_filter import (
    Barrier,
    Chain,
    Packet,
    barrier,
    merged,
    unread,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.nat import Diversion, Led
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

_INPUT = "INPUT"
# Without its counters the answer is the same as long as the rules are (nft(8), -s).
_LIST = ("--json", "--stateless", "list")
# The tables of nftables that iptables made are read by iptables-save, which knows its own extensions.
_OF_IPTABLES = {"ipv4": ("ip", "filter"), "ipv6": ("ip6", "filter")}
_NAT_OF_IPTABLES = {"ipv4": ("ip", "nat"), "ipv6": ("ip6", "nat")}
_SAVES = {
    "ipv4": ("iptables-save", "iptables-legacy-save"),
    "ipv6": ("ip6tables-save", "ip6tables-legacy-save"),
}
# Which tables of the old kind there are: without one, its program would make it.
_LEGACY_TABLES = {"ipv4": "/proc/net/ip_tables_names", "ipv6": "/proc/net/ip6_tables_names"}


class Firewall:
    """The input rules of the network namespace that the host is looked at in."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def barriers(self, packets: Sequence[Packet]) -> Tuple[Barrier, ...]:
        """What keeps these out, or may do so."""
        if not packets:
            return ()
        if self._host.effective_uid() != 0:
            return (unread("only root can read the host's own rules"),)
        try:
            found = [self._barrier(packet) for packet in packets]
        except PrivportError as problem:
            return (unread(str(problem)),)
        return merged([it for it in found if it is not None])

    def _barrier(self, packet: Packet) -> Barrier | None:
        found = [barrier(packet, bases=bases, chains=chains) for bases, chains in self._rulesets(packet)]
        return min((it for it in found if it is not None), key=lambda it: not it.certain, default=None)

    def diversions(self, ports: Sequence[Port]) -> Tuple[Diversion, ...]:
        """What others made that leads connections from other hosts away from these ports; nothing where unreadable."""
        try:
            found = [(port, family, led) for port, family, led in self.led(ports) if not led.is_own]
        except PrivportError:
            return ()
        return tuple(
            Diversion(port.number, port.protocol, family, led.certain, f"{led.chain}: {led.rule}")
            for port, family, led in found
        )

    def led(self, ports: Sequence[Port], *, local: bool = True) -> Iterator[Tuple[Port, str, Led]]:
        """What leads connections from other hosts away from these ports: the port, the family and the rule.

        local: they go to an address of this host. Nothing for who is not root. Raises PrivportError.
        """
        if not ports or self._host.effective_uid() != 0:
            return
        judged: dict[tuple[str, str, int], Led | None] = {}
        for port, family in ((port, family) for port in ports for family in FAMILIES):
            alike = (family, port.protocol, bisect(self._bounds, port.number))
            if alike not in judged:
                judged[alike] = self._led(Packet(family, port.protocol, port.number, port.number, local))
            found = judged[alike]
            if found is not None:
                yield port, family, found

    @cached_property
    def _bounds(self) -> Sequence[int]:
        """The ports at which the rules may begin to say something else: between two of them all are alike."""
        texts = [*self._nat_tables.values(), *(text for family in FAMILIES for text in self._saved_nat(family))]
        named = {int(it) for text in texts for it in re.findall(r"(?<![0-9])[0-9]{1,5}(?![0-9])", text)}
        return sorted(named | {it + 1 for it in named})

    def _led(self, packet: Packet) -> Led | None:
        """What others made comes first: the collection's own rule leads nothing away from its service."""
        found = [nat.led(packet, bases=bases, chains=chains) for bases, chains in self._nat_rulesets(packet)]
        return min((it for it in found if it is not None), key=lambda it: (it.is_own, not it.certain), default=None)

    def _nat_rulesets(self, packet: Packet) -> Iterator[Tuple[Sequence[Chain], Mapping[str, Chain]]]:
        saved = [iptables_ruleset.parse(text, packet, table=nat.TABLE) for text in self._saved_nat(packet.family)]
        for chains in saved:
            yield [chains[nat.CHAIN]] if nat.CHAIN in chains else [], chains
        own = _NAT_OF_IPTABLES[packet.family]
        skipped = [own] if any(nat.CHAIN in chains for chains in saved) else []
        for text in self._nat_tables.values():
            ruleset = nft_ruleset.parse(text, packet, skipped=skipped, hook=nat.HOOK)
            yield ruleset.bases, ruleset.chains

    def _saved_nat(self, family: str) -> Sequence[str]:
        """nft tells cheaply whether iptables made such a table; the older kind's is in none of nft's."""
        usual, legacy = _SAVES[family]
        by_nft = self._nft is None or _NAT_OF_IPTABLES[family] in self._nat_tables
        old = "nat" in (self._host.read(_LEGACY_TABLES[family]) or "").split()
        programs = ([usual] if by_nft else []) + ([legacy] if old else [])
        return [text for text in map(self._save, programs) if text]

    @cached_property
    def _nft(self) -> str | None:
        return self._host.which("nft")

    @cached_property
    def _nat_tables(self) -> Mapping[Tuple[str, str], str]:
        """The rules of each table of nftables that leads packets away, by its family and name."""
        if self._nft is None:
            return {}
        listed = self._host.query([self._nft, *_LIST, "chains"]).checked().stdout
        return {
            table: self._host.query([self._nft, *_LIST, "table", *table]).checked().stdout
            for table in nat.tables_with_nat(listed)
        }

    def _rulesets(self, packet: Packet) -> Iterator[Tuple[Sequence[Chain], Mapping[str, Chain]]]:
        saved = [iptables_ruleset.parse(text, packet) for text in self._saved[packet.family]]
        for chains in saved:
            yield [chains[_INPUT]] if _INPUT in chains else [], chains
        skipped = [_OF_IPTABLES[packet.family]] if any(_INPUT in chains for chains in saved) else []
        if self._nftables:
            ruleset = nft_ruleset.parse(self._nftables, packet, skipped=skipped)
            yield ruleset.bases, ruleset.chains

    @cached_property
    def _nftables(self) -> str:
        """The rules of nftables, '' where nft is not there."""
        return self._host.query([self._nft, *_LIST, "ruleset"]).checked().stdout if self._nft else ""

    @cached_property
    def _saved(self) -> Mapping[str, Sequence[str]]:
        """What iptables and its older kind tell, by family."""
        return {family: [text for text in map(self._save, programs) if text] for family, programs in self._programs()}

    def _programs(self) -> Iterator[Tuple[str, Sequence[str]]]:
        for family, (usual, legacy) in _SAVES.items():
            is_there = bool((self._host.read(_LEGACY_TABLES[family]) or "").strip())
            yield family, (usual, legacy) if is_there else (usual,)

    def _save(self, program: str) -> str:
        path = self._host.which(program)
        # It does not read tables that nft alone can; nft does then.
        return self._host.saved_rules(path) if path else ""
