# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redirects and DNAT of privileged ports, whoever made them."""

from __future__ import annotations

from typing import AbstractSet, Iterator, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.at_boot import AtBoot, persistence
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import REDIRECT, Grant, Remark
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, port_words
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.nat import Led

_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}


class Way(NamedTuple):
    """One port of a family and the rule that leads it away."""

    port: Port
    family: str
    led: Led


def grants_of_ways(
    ways: Sequence[Way], *, forwarded: Sequence[Way], listening: AbstractSet[Port], at_boot: AtBoot
) -> Tuple[Grant, ...]:
    """A grant for each rule and family; forwarded are the ways of packets that the host only forwards.

    listening are the ports of this host, privileged and others, on which somebody listens; at_boot what a boot loads.
    A rule is named by its chain, ports and destination: its number is another one after each load of the rules.
    """
    rules: dict[Tuple[Led, str], list[Port]] = {}
    for way in ways:
        rules.setdefault((way.led, way.family), []).append(way.port)
    captured = {(it.led, it.family) for it in forwarded if it.led.certain}
    return tuple(
        _grant(led, family, ports, captures=(led, family) in captured, listening=listening, at_boot=at_boot)
        for (led, family), ports in rules.items()
    )


def _grant(
    led: Led,
    family: str,
    ports: Sequence[Port],
    *,
    captures: bool,
    listening: AbstractSet[Port],
    at_boot: AtBoot,
) -> Grant:
    words = tuple(port_words(ports))
    # The collection's own comes back by its unit.
    persistent, told = (True, "its unit makes it at boot") if led.is_own else persistence(at_boot, ports, led.to)
    subject = f"{led.chain}, {_FAMILIES[family]} port {', '.join(words)} to {led.to or 'another host or port'}"
    return Grant(
        mechanism=REDIRECT,
        subject=subject,
        holders=(f"whoever listens on {led.to}",) if led.to else (),
        ports=words,
        effective=True if led.certain else None,
        why_not="" if led.certain else "which connections the rule applies to cannot be told from the rule",
        persistent=persistent,
        evidence=f"{led.rule}; {told}",
        remarks=tuple(_remarks(led, ports, subject, captures=captures and not led.is_own, listening=listening)),
    )


def _remarks(
    led: Led, ports: Sequence[Port], subject: str, *, captures: bool, listening: AbstractSet[Port]
) -> Iterator[Remark]:
    if captures:
        yield Remark("redirect-captures-forwarded", f"{subject} also takes what the host only forwards")
    if not led.certain:
        return
    held = [it for it in ports if it in listening]
    if held and not led.is_own:
        text = f"{subject} takes connections of other hosts from who listens on {', '.join(port_words(held))}"
        yield Remark("redirect-in-front-of-listener", text)
    if led.to.isdigit() and any(Port(int(led.to), it.protocol) not in listening for it in ports):
        yield Remark("redirect-without-backend", f"{subject}: nobody listens on port {led.to}")
