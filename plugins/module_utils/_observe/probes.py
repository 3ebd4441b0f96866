# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried on a service's ports: connections to the addresses that lead to its sockets, and a stranger's bind."""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import WILDCARDS
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.address import serves
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, port_words
from ansible_collections.netbind.privport.plugins.module_utils._core.process.status import parse_groups
from ansible_collections.netbind.privport.plugins.module_utils._core.proof import checks
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    Child,
    Probe,
    families_of,
    grant_check,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import strategy_in_force
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.network_filter import (
    passes,
    passes_loopback,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.trial import outcome_of, trial_unit
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.looks import CLOSED
from ansible_collections.netbind.privport.plugins.module_utils._observe import processes, units

# A forwarder accepts a connection before it has one to the service, and closes it when it gets none.
_FORWARDER_SECONDS = 0.3
_LOOPBACK = {"ipv4": "127.0.0.1", "ipv6": "::1"}
# So many addresses of the host are tried beside loopback, where that one cannot be.
_MOST_ADDRESSES = 3
_WITHOUT_FAMILY = ("EADDRNOTAVAIL", "EAFNOSUPPORT")


def probe(host: Host, case: Case, *, port: Port, inner: Port) -> Probe:
    """Try the port inner, on which the service listens, on every address that somebody listens on there.

    Nothing is tried where nobody does. Where port is another one, it is tried over loopback.
    """
    facts, service = case.facts, case.service
    on_inner = facts.listeners_on(inner)
    in_front = port != inner and bool(on_inner)
    families = sorted(_LOOPBACK if in_front else {family for it in on_inner for family in families_of(it)})
    own_uid = facts.account.uid if facts.account else -1
    ways = Ways(host, _filtered(case), addresses=service.addresses)
    return Probe(
        connect={it.address: ways.connect(it) for it in on_inner if it.protocol == "tcp"},
        front=_front(ways, on_inner, port=port, families=families) if in_front and port.protocol == "tcp" else {},
        stranger={
            family: host.bind_as_stranger(port.number, protocol=port.protocol, family=family, own_uid=own_uid)
            for family in (families if case.is_privileged(port) else ())
        },
        child=_child(host, case, ways, on_inner, port=port) if service.superserver else None,
    )


def _filtered(case: Case) -> Mapping[str, str]:
    """What says which packets come to the service: the properties of its unit, or what its server is told."""
    allowed = case.service.superserver_options.only_from
    of_server = {"IPAddressAllow": " ".join(allowed), "IPAddressDeny": "0.0.0.0/0 ::/0"} if allowed else {}
    return case.facts.unit.properties if case.facts.unit else of_server


def _child(host: Host, case: Case, ways: Ways, listeners: Sequence[Listener], *, port: Port) -> Child | None:
    """What the server starts, of the first address that leads to it."""
    program = case.facts.interpreter or case.facts.program
    targets = (target for listener in listeners for target in ways.targets(listener))
    target = next(targets, "")
    if program is None or not target:
        return None
    found = host.started(target, port.number, protocol=port.protocol, programs=[program.real_path])
    if found is None:
        return None
    record, text = found
    groups = parse_groups(text)
    return Child(processes.read_process(record), gids=groups["Gid"], groups=groups["Groups"])


def _front(ways: Ways, on_inner: Sequence[Listener], *, port: Port, families: Sequence[str]) -> dict[str, str | None]:
    """A forwarder that finds nobody behind it closes the connection at once; so do some services by themselves."""
    found = {family: ways.lead(family, port.number, on_inner, staying=_FORWARDER_SECONDS) for family in families}
    if CLOSED not in found.values():
        return dict(found)
    closes = any(ways.connect(listener, staying=_FORWARDER_SECONDS) == CLOSED for listener in on_inner)
    told = "" if closes else checks.CLOSED
    return {family: told if outcome == CLOSED else outcome for family, outcome in found.items()}


def try_in_unit(host: Host, case: Case) -> str | None:
    """What comes of bind(2) of all ports in the sandbox of the service's unit, by a program that stands in for its own.

    As outcome_of(). None where that cannot be tried, or would tell nothing.
    """
    unit, strategy = case.unit, STRATEGIES.get(strategy_in_force(case)[0])
    words = strategy.starts(case) if strategy is not None else None
    if unit is None or strategy is None or words is None or grant_check(case, strategy).verdict != checks.PASS:
        return None
    text = trial_unit(
        units.files(host, unit.properties), command=(*words, case.host.python), ports=port_words(case.service.ports)
    )
    instance = unit.name.rpartition(".")[0].partition("@")[2]
    found = host.start_once(text, instance)
    return None if found is None else outcome_of(*found)


class Ways:
    """The ways by which this host itself comes to the sockets of a unit with these properties.

    addresses: those at which clients look for it, () for any.
    """

    def __init__(self, host: Host, properties: Mapping[str, str], *, addresses: Sequence[str] = ()) -> None:
        self._host = host
        self._properties = properties
        self._addresses = addresses

    def connect(self, listener: Listener, *, staying: float = 0) -> str | None:
        """Open and close a TCP connection to each family that the socket serves.

        '' or the first errno's name; None where no address leads to the socket from here.
        """
        address, _percent, interface = listener.address.partition("%")
        if address not in WILDCARDS:
            target = listener.address if address.startswith("fe80:") else address
            return self._first([target], listener.port, staying=staying)
        declared = [it for it in self._addresses if serves(listener.address, it, v6only=listener.v6only)]
        if declared:
            outcomes = [self._first([it], listener.port, staying=staying) for it in declared]
            return next(filter(None, outcomes), None if None in outcomes else "")
        families = sorted(families_of(listener))
        found = {family: self.reach(family, listener.port, interface=interface, staying=staying) for family in families}
        # A wildcard serves the other family alone where IPv6 is switched off, or its unit lets nobody in by this one.
        tried = {family: it for family, it in found.items() if it not in (None, *_WITHOUT_FAMILY)} or found
        return next((outcome for outcome in tried.values() if outcome != ""), "")

    def targets(self, listener: Listener) -> Iterator[str]:
        """The addresses by which this host may come to the socket."""
        families = sorted(families_of(listener))
        of_wildcard = (it for family in families for it in (_LOOPBACK[family], *self._host.addresses(family)))
        declared = [it for it in self._addresses if serves(listener.address, it, v6only=listener.v6only)]
        found = (declared or of_wildcard) if listener.address in WILDCARDS else [listener.address]
        return (it for it in found if self._may_try(it))

    def reach(self, family: str, port: int, *, interface: str = "", staying: float = 0) -> str | None:
        """The same of a port of this host by one family; interface is that to which the socket is bound."""
        if interface and interface != "lo":
            # A socket of one interface answers on the addresses of that interface alone.
            own = self._host.interface_address(interface, family)
            return self._first([own] if own else [], port, staying=staying)
        outcome = self._first([_LOOPBACK[family]], port, staying=staying)
        if outcome is None or outcome in checks.NOT_TO_BE_TRIED:
            others = self._host.addresses(family)[:_MOST_ADDRESSES]
            elsewhere = self._first(others, port, staying=staying)
            return outcome if elsewhere is None else elsewhere
        return outcome

    def lead(self, family: str, port: int, to: Sequence[Listener], *, staying: float) -> str | None:
        """The same of a port of which something leads to these sockets, over loopback or where they are bound."""
        sockets = [it for it in to if family in families_of(it)]
        at_home = any(it.address in WILDCARDS or it.address == _LOOPBACK[family] for it in sockets)
        outcome = self.reach(family, port, staying=staying) if at_home or not sockets else None
        for it in sockets if outcome is None else ():
            outcome = self.connect(it._replace(port=port), staying=staying)
            if outcome == "":
                break
        return outcome

    def _first(self, targets: Sequence[str], port: int, *, staying: float) -> str | None:
        """What comes of the first of these addresses to which a connection can be tried at all."""
        outcome: str | None = None
        for target in targets:
            if self._may_try(target):
                outcome = self._host.connect(target, port, staying=staying)
            if outcome is not None and outcome not in checks.NOT_TO_BE_TRIED:
                break
        return outcome

    def _may_try(self, target: str) -> bool:
        # connect(2) takes an address of one link with its interface alone.
        scoped = "%" in target or not target.startswith("fe80:")
        return scoped and passes_loopback(self._properties) and passes(self._properties, target)
