# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A forwarder that takes connections to the port and hands them to where the service listens."""

from __future__ import annotations

from typing import Iterator

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import WILDCARDS
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import (
    CapabilitySets,
    Expected,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import (
    Case,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import (
    backend,
    execution,
    identity,
    sandbox,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import judge
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import THE_UNIT, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import forwarder as forward
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installation, Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, without
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port

_NAME = "forward"
_LOOPBACKS = dict(zip(WILDCARDS, ("127.0.0.1", "::1")))
_ADDRESS_LOST = (
    "the service sees every client as {address}: forward_with: haproxy or nginx tells it who it is, and strategy "
    "redirect keeps the address"
)
_WARNINGS = {
    "proxyd": _ADDRESS_LOST,
    "socat": _ADDRESS_LOST,
    "haproxy": "the service must expect the PROXY protocol, version 2, from {address}: others get no answer from it",
    "nginx": "the service sees every client as {address}: the client's own address is in X-Real-IP and, last, in "
    "X-Forwarded-For, which it should believe from {address} alone; nginx hands on HTTP without TLS",
}


def _privileged_backend(case: Case) -> Reason | None:
    start = case.facts.network.unprivileged_port_start
    low = [port for port in backend.backends(case) if port.number < (1024 if start is None else start)]
    text = "the service may not bind its backend port either; name a port that every user may bind"
    return Reason("privileged_backend", text, f"port {low[0]}") if low else None


def _reached(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Those of them that a forwarder comes to, which is at home on loopback."""
    return tuple(it for it in addresses if it.partition("%")[2] in ("", "lo"))


def _other_interface(case: Case) -> Reason | None:
    """A socket that is bound to an interface gets nothing over lo (socket(7), SO_BINDTODEVICE; systemd.exec(5))."""
    for port in backend.backends(case):
        addresses = backend.addresses(case, port)
        if addresses and not _reached(addresses):
            text = "it listens on one interface, and a forwarder connects over loopback; strategy redirect leads there"
            return Reason("backend_interface", text, f"{', '.join(addresses)} port {port}")
    return None


_HAZARDS = (
    backend.runs_as_root,
    identity.no_account,
    identity.other_user,
    identity.other_identity_of_image,
    execution.not_executable,
    backend.template,
    backend.single_addresses,
    backend.other_network,
    _privileged_backend,
    backend.held,
    _other_interface,
    backend.silent,
)
_OF_BACKENDS = (
    sandbox.address_families,
    sandbox.system_calls,
    sandbox.socket_bind_deny,
)


def _ground(case: Case) -> forward.Ground:
    host = case.host
    return forward.Ground(
        systemd=host.systemd, ipv6=host.ipv6, programs=host.forwarders, init_scripts=host.init_scripts
    )


def request(case: Case) -> forward.Request:
    """What the service asks for."""
    service, unit = case.service, case.unit
    inner = {port: service.backend(port) for port in service.ports}
    return forward.Request(
        name=service.name,
        ports=service.ports,
        backends={
            port: forward.Backend(_address(case, listening), listening.number)
            for port, listening in inner.items()
            if listening is not None
        },
        families=service.families,
        forwarder=service.forward_with,
        unit=unit.name if unit else "",
    )


def _address(case: Case, port: Port) -> str:
    """Where the service listens on its backend port, by IPv4 if it can be; where it does not, what was so before."""
    own = [it for it in case.facts.listeners_on(port) if any(map(case.owns, it.owners)) and _reached((it.address,))]
    found = sorted((it.address.partition("%")[0] for it in own), key=lambda address: ":" in address)
    dual = any(it.address == "::" and it.v6only is not True for it in own)
    if not found:
        before = (forward.forwarded_to(file.text) for file in _installed(case).files)
        return next((it.address for it in before if it and it.port == port.number), forward.LOOPBACK)
    return forward.LOOPBACK if dual else _LOOPBACKS.get(found[0], found[0])


def _installed(case: Case) -> Installed:
    return case.facts.installed.get(_NAME, Installed())


def _wanted(case: Case) -> Installation | None:
    asked, ground = request(case), _ground(case)
    return None if forward.obstacles(asked, ground) else forward.installation(asked, ground)


def _later(case: Case) -> tuple[int, ...]:
    """The ports that the service itself holds, or systemd for it, until its next start."""
    return tuple(port.number for port in case.service.ports if any(_holders(case, port)))


def _holders(case: Case, port: Port) -> Iterator[Process]:
    """Who holds the port but the forwarder; systemd is among the holders of its sockets too."""
    ours = f"{forward.stem(case.service.name, port.number)}.socket" in _installed(case).active
    for owner in (owner for it in case.facts.listeners_on(port) for owner in it.owners):
        own = owner.unit in _installed(case).units or owner.pid in _installed(case).daemons
        if not own and not (ours and owner.pid == 1):
            yield owner


def _uses(case: Case) -> str:
    """The forwarder's name."""
    return forward.forwarder(request(case), _ground(case))


class Forward(Strategy):
    name = _NAME
    audience = THE_UNIT
    # systemd holds the port of a socket unit; with what the others gave, the service may still hold it itself.
    voided_by = ("socket", "ambient", "setcap", "authbind", "superserver", "sysctl")
    indirect = True

    def hazards(self, case: Case) -> tuple[Reason, ...]:
        of_host = forward.obstacles(request(case), _ground(case))
        return of_host + judge(case, _HAZARDS) + judge(backend.behind(case), _OF_BACKENDS)

    def why(self, case: Case) -> str:
        asked = request(case)
        ways = ", ".join(f"{port} to {asked.backends[port]}" for port in asked.ports)
        return f"{_uses(case)} forwards {ways}, as a user of its own, and the service is given nothing"

    def warnings(self, case: Case) -> tuple[str, ...]:
        addresses = sorted({backend.address for backend in request(case).backends.values()})
        return (_WARNINGS[_uses(case)].format(address=" or ".join(addresses)),)

    def granted(self, case: Case) -> bool:
        return not _installed(case).nothing

    def pending(self, case: Case) -> tuple[str, ...]:
        wanted = _wanted(case)
        steps = () if wanted is not None and wanted.is_complete(_installed(case)) else (self.name,)
        return steps + self.process_steps(case, changing=False)

    def is_held_by(self, case: Case, process: Process) -> bool | None:
        """Whether it listens where the forwarder goes, and left the ports themselves to that."""
        there = case.on_demand or all(map(case.listens, backend.backends(case)))
        moved = there and not any(map(case.listens, case.service.ports))
        return moved and super().is_held_by(case, process)

    def forwarder(self, case: Case) -> Expected:
        """systemd binds for all but socat, which holds the one capability for that."""
        if _uses(case) != "socat":
            return Expected()
        given = frozenset({CAPABILITY})
        sets = CapabilitySets(effective=given, permitted=given, ambient=given)
        return Expected(least=sets, most=sets)

    def desired(self, case: Case, planned: Desired) -> Desired:
        return forward.desired(request(case), _ground(case), found=self.installed(case), later=_later(case))

    def absent(self, case: Case, planned: Desired) -> Desired:
        return without(self.installed(case))
