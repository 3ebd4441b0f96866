# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's own rules for what comes in: read once, whatever loaded them, and never changed."""

from __future__ import annotations

from functools import cached_property
from typing import Iterator, Mapping, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import iptables_ruleset, nft_ruleset
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.input_filter import (
    Barrier,
    Chain,
    Packet,
    barrier,
    merged,
    unread,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

_INPUT = "INPUT"
# The tables of nftables that iptables made are read by iptables-save, which knows its own extensions.
_OF_IPTABLES = {"ipv4": ("ip", "filter"), "ipv6": ("ip6", "filter")}
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
        nft = self._host.which("nft")
        return self._host.query([nft, "--json", "list", "ruleset"]).checked().stdout if nft else ""

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
        done = self._host.query([path]) if path else None
        # It does not read tables that nft alone can; nft does then.
        return done.stdout if done is not None and done.rc == 0 else ""
