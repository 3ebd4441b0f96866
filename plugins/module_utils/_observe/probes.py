# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried on a service's ports: connections to the addresses that lead to its sockets, and a stranger's bind."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import WILDCARDS
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener, ServiceFacts
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.proof import checks
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import Probe, families_of
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.looks import CLOSED

# A forwarder accepts a connection before it has one to the service, and closes it when it gets none.
_FORWARDER_SECONDS = 0.3
_LOOPBACK = {"ipv4": "127.0.0.1", "ipv6": "::1"}


def probe(host: Host, facts: ServiceFacts, *, port: Port, inner: Port, privileged: bool) -> Probe:
    """Try the port inner, on which the service listens, on every address that somebody listens on there.

    Nothing is tried where nobody does. Where port is another one, it is tried over loopback. privileged: whether the
    port is one that a stranger must not get.
    """
    on_inner = facts.listeners_on(inner)
    in_front = port != inner and bool(on_inner)
    families = sorted(_LOOPBACK if in_front else {family for it in on_inner for family in families_of(it)})
    own_uid = facts.account.uid if facts.account else -1
    return Probe(
        connect={it.address: connect(host, it) for it in on_inner if it.protocol == "tcp"},
        front=_front(host, on_inner, port=port, families=families) if in_front and port.protocol == "tcp" else {},
        stranger={
            family: host.bind_as_stranger(port.number, protocol=port.protocol, family=family, own_uid=own_uid)
            for family in (families if privileged else ())
        },
    )


def _front(host: Host, on_inner: Sequence[Listener], *, port: Port, families: Sequence[str]) -> dict[str, str | None]:
    """A forwarder that finds nobody behind it closes the connection at once; so do some services by themselves."""
    found = {family: host.connect(_LOOPBACK[family], port.number, staying=_FORWARDER_SECONDS) for family in families}
    if CLOSED not in found.values():
        return dict(found)
    targets = [(target, listener.port) for listener in on_inner for target in _targets(host, listener)]
    closes = any(host.connect(*target, staying=_FORWARDER_SECONDS) == CLOSED for target in targets)
    told = "" if closes else checks.CLOSED
    return {family: told if outcome == CLOSED else outcome for family, outcome in found.items()}


def connect(host: Host, listener: Listener) -> str | None:
    """Open and close a TCP connection to each family that the socket serves.

    '' or the first errno's name; None where this host has no address that leads to the socket.
    """
    outcomes = [host.connect(target, listener.port) for target in _targets(host, listener)]
    # Where IPv6 is switched off, a wildcard serves the other family alone.
    tried = [it for it in outcomes if it not in ("EADDRNOTAVAIL", "EAFNOSUPPORT") or len(outcomes) == 1]
    return next((outcome for outcome in tried if outcome), "") if tried else None


def _targets(host: Host, listener: Listener) -> list[str]:
    address, _percent, interface = listener.address.partition("%")
    if address not in WILDCARDS:
        return [listener.address]
    families = sorted(families_of(listener))
    if not interface or interface == "lo":
        return [_LOOPBACK[family] for family in families]
    # A socket of one interface answers on the addresses of that interface alone.
    own = [host.interface_address(interface, family) for family in families]
    return [target for target in own if target]
