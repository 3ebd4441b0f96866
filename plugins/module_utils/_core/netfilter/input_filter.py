# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host's own input rules let a redirected connection in, as far as that can be told from the rules.

A packet goes through every chain of the hook input; one that drops it is enough (nft(8), "CHAINS").
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional, Sequence, Tuple

ACCEPT, DROP, JUMP, GOTO, RETURN = "accept", "drop", "jump", "goto", "return"
# To another port or host.
LED = "led"
# net/netfilter/nf_tables_api.c, NFT_JUMP_STACK_SIZE
_DEEPEST = 16
_FAMILY_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}


class Packet(NamedTuple):
    """The first packet of a redirected connection from another host: what every rule can know of it."""

    # 'ipv4' or 'ipv6', 'tcp' or 'udp'.
    family: str
    protocol: str
    # The high port, to which it goes by now, and the low one, to which it was sent.
    port: int
    original: int
    # Whether it goes to an address of this host; else the host only forwards it.
    local: bool = True


class Rule(NamedTuple):
    """A rule as it concerns a packet; applies is None where the rule asks for what nobody knows beforehand.

    verdict is '' for a rule that only counts, logs or marks.
    """

    applies: Optional[bool]
    verdict: str = ""
    # The chain of a jump or goto.
    target: str = ""
    text: str = ""
    # Where it leads the packet: a port, or an address and a port; '' where it leads nowhere else, or does not say.
    to: str = ""


class Chain(NamedTuple):
    """A chain; policy is '' for one that is only jumped to. way_in is the command that lets the packet in."""

    name: str
    rules: Tuple[Rule, ...]
    policy: str = ""
    way_in: str = ""


class Barrier(NamedTuple):
    """What keeps redirected connections out, or, not certain, may do so; way_in is the command that mends it."""

    certain: bool
    # A port as text; '' for all, where the rules could not be read.
    port: str
    families: Tuple[str, ...]
    evidence: str
    way_in: str

    @property
    def text(self) -> str:
        """A sentence with the way out."""
        where = f"to port {self.port} over {' and '.join(_FAMILY_NAMES[family] for family in self.families)}"
        if self.certain:
            advice = f"let it in first, also in the file that loads these rules: {self.way_in}"
            return f"the host's own rules drop what is redirected {where}; {advice}"
        if self.way_in:
            return f"whom the host's own rules let in {where} cannot be told; this lets in everybody: {self.way_in}"
        return "whether the host's own rules let in what is redirected cannot be told"


def unread(problem: str) -> Barrier:
    """Of rules that cannot be read."""
    return Barrier(certain=False, port="", families=(), evidence=problem, way_in="")


def merged(barriers: Sequence[Barrier]) -> Tuple[Barrier, ...]:
    """One for all families that meet it."""
    found: dict[Barrier, list[str]] = {}
    for it in barriers:
        found.setdefault(it._replace(families=()), []).extend(it.families)
    return tuple(it._replace(families=tuple(families)) for it, families in found.items())


class Outcome(NamedTuple):
    """What becomes of the packet, '' for what comes behind, by which rule.

    doubts are the rules before that may apply, each with its verdict.
    """

    verdict: str
    by: str
    doubts: Tuple[Tuple[str, str], ...] = ()
    # Where that rule, or the first of doubts that leads the packet away, leads it (Rule.to).
    to: str = ""

    @property
    def perhaps(self) -> Tuple[str, ...]:
        """The rules that may let it in before."""
        return tuple(rule for verdict, rule in self.doubts if verdict != DROP)


def both(first: Optional[bool], second: Optional[bool]) -> Optional[bool]:
    """Whether both are so; None where that is not known."""
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


def barrier(packet: Packet, *, bases: Sequence[Chain], chains: Mapping[str, Chain]) -> Barrier | None:
    """The first of the hook's chains that does not let the packet in; None where all do.

    Rules that drop some packets, such as those of a blocklist, are there on purpose and keep nobody else out.
    """
    doubts = []
    for base in bases:
        found = walk(base, chains=chains)
        if found.verdict != DROP:
            continue
        evidence = f"{base.name}: {found.by}"
        if found.perhaps:
            evidence += f", and before that {', '.join(found.perhaps)}"
        met = Barrier(
            certain=not found.perhaps,
            port=f"{packet.port}{'/udp' if packet.protocol == 'udp' else ''}",
            families=(packet.family,),
            evidence=evidence,
            way_in=base.way_in,
        )
        if met.certain:
            return met
        doubts.append(met)
    return doubts[0] if doubts else None


def walk(chain: Chain, *, chains: Mapping[str, Chain], depth: int = 0) -> Outcome:
    """What becomes of the packet in a chain, from which depth others jumped to it."""
    doubts: list[tuple[str, str]] = []
    to = ""
    for rule in chain.rules:
        found = _of_rule(rule, chains=chains, depth=depth) if rule.applies is not False else Outcome("", "")
        doubts.extend(found.doubts)
        to = to or found.to
        if not found.verdict:
            continue
        if rule.applies:
            if found.verdict == RETURN:
                break
            return Outcome(found.verdict, found.by, tuple(doubts), to)
        doubts.append((found.verdict, found.by))
    return Outcome(chain.policy, f"policy {chain.policy}", tuple(doubts), to)


def _of_rule(rule: Rule, *, chains: Mapping[str, Chain], depth: int) -> Outcome:
    if rule.verdict not in (JUMP, GOTO):
        return Outcome(rule.verdict, rule.text, to=rule.to)
    target = chains.get(rule.target)
    if target is None or depth >= _DEEPEST:
        return Outcome("", "")
    found = walk(target, chains=chains, depth=depth + 1)
    # Nothing comes back from where goto leads.
    return Outcome(
        found.verdict or (RETURN if rule.verdict == GOTO else ""), found.by or rule.text, found.doubts, found.to
    )
