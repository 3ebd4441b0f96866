# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel leads the port to a high one that the service listens on (nft(8), iptables-extensions(8))."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import WILDCARDS
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
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import EVERYONE, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installation, Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import redirect

_NAME = "redirect"


def _no_backend(case: Case) -> Reason | None:
    missing = [port for port in case.service.ports if case.service.backend(port) is None]
    if not missing:
        return None
    text = f"backend_ports names no port that it listens on instead of {', '.join(map(str, missing))}"
    return Reason("no_backend", text, f"service {case.service.name}")


def _no_systemd(case: Case) -> Reason | None:
    if case.host.systemd is not None or case.host.init_scripts:
        return None
    text = "neither systemd nor init scripts would load the rules at boot"
    return Reason("no_systemd", text, "no /run/systemd/system")


def _no_tool(case: Case) -> Reason | None:
    ground = case.facts.redirect
    if ground is None or ground.tool is not None:
        return None
    return Reason("no_firewall_tool", "the host has neither nft nor iptables; install nftables", "not in PATH")


def _refused(case: Case) -> Reason | None:
    ground = case.facts.redirect
    if ground is None or not ground.refused:
        return None
    return Reason("unsupported", "the kernel does not take the rules", ground.refused)


def _listens_elsewhere(case: Case) -> Reason | None:
    """A redirect leads to the address that was asked, where the tool can change a port alone.

    Else to an address of the interface by which a client came, and from the host itself to loopback.
    """
    keeps = case.facts.redirect is None or case.facts.redirect.tool is None or case.facts.redirect.tool.keeps_address
    for port in backend.backends(case):
        addresses = backend.addresses(case, port)
        inside = [backend.is_loopback(it) for it in addresses]
        told = f"{', '.join(addresses)} port {port}"
        if addresses and all(inside):
            text = "it listens on loopback, where no redirect leads from another host; have it listen on all addresses"
            return Reason("backend_loopback", text, told)
        if keeps or not addresses or any(map(_is_wildcard, addresses)):
            continue
        text = "it listens on single addresses, and this nft may lead to another; have it listen on all addresses"
        # named(8) and its like take loopback and each of the others.
        kind = Unknown if any(inside) else Reason
        return kind("backend_address", text, told)
    return None


def _is_wildcard(address: str) -> bool:
    return address.partition("%")[0] in (*WILDCARDS, "*")


def _alone(case: Case) -> tuple[str, ...]:
    """A sentence where it does not listen on all addresses of the host, nor on loopback beside others."""
    found = dict.fromkeys(it for port in backend.backends(case) for it in backend.addresses(case, port))
    everywhere = any(it in WILDCARDS or backend.is_loopback(it) for it in found)
    if not found or everywhere:
        return ()
    return (f"it is reached where it listens and nowhere else: {', '.join(found)}",)


def _input_rules(case: Case) -> tuple[Reason, ...]:
    """What the host's own rules do to a redirected connection; all ports and families in one sentence each."""
    barriers = case.facts.redirect.barriers if case.facts.redirect else ()
    certain = tuple(Reason("input_drops", it.text, it.evidence) for it in barriers if it.certain)
    return certain or tuple(Unknown("input_rules", it.text, it.evidence) for it in barriers)


_HAZARDS = (
    _no_backend,
    _no_systemd,
    _no_tool,
    backend.template,
    backend.single_addresses,
    backend.other_network,
    _refused,
    backend.held,
    _listens_elsewhere,
    backend.runs_as_root,
    identity.no_account,
    identity.other_user,
    identity.other_identity_of_image,
    execution.not_executable,
    sandbox.address_families,
    sandbox.system_calls,
)


def _wanted(case: Case) -> Installation | None:
    """What is to be there; None where that cannot be."""
    ground, service = case.facts.redirect, case.service
    if ground is None or ground.tool is None or _no_backend(case) is not None:
        return None
    wanted = redirect.redirects(service.ports, service.backend_ports, where="backend_ports")
    rules = redirect.rules(service.name, wanted, families=service.families, tool=ground.tool)
    return redirect.installation(service.name, rules, tool=ground.tool, scripts=case.host.systemd is None)


def _found(case: Case) -> Installed:
    return case.facts.installed.get(_NAME, Installed())


class Redirect(Strategy):
    name = _NAME
    # Whoever binds the high port gets what is sent to the low one.
    audience = EVERYONE
    indirect = True

    def hazards(self, case: Case) -> tuple[Reason, ...]:
        # What its unit forbids concerns the ports that it binds itself.
        bound = judge(backend.behind(case), (sandbox.socket_bind_deny,))
        return (*judge(case, _HAZARDS), *bound, *_input_rules(case), *judge(case, (backend.silent,)))

    def why(self, case: Case) -> str:
        led = ", ".join(f"{port} to {case.service.backend(port)}" for port in case.service.ports)
        return f"the kernel leads port {led}, where it listens without any privilege"

    def warnings(self, case: Case) -> tuple[str, ...]:
        shadowed = [port for port in case.service.ports if case.listens(port)]
        own = [
            f"port {port}, on which it listens too, is reached no more: all is led to the other" for port in shadowed
        ]
        start = case.facts.network.unprivileged_port_start
        free = [str(port) for port in backend.backends(case) if start is not None and port.number >= start]
        open_to_all = f"while it does not run, every user of the host may take its place on port {', '.join(free)}"
        return (*own, *_alone(case), *([open_to_all] if free else ()))

    def granted(self, case: Case) -> bool:
        return not _found(case).nothing

    def pending(self, case: Case) -> tuple[str, ...]:
        wanted = _wanted(case)
        steps: tuple[str, ...] = () if wanted is not None and wanted.is_complete(_found(case)) else (_NAME,)
        return steps + super().pending(case)

    def desired(self, case: Case, planned: Desired) -> Desired:
        wanted = _wanted(case)
        return Desired() if wanted is None else redirect.desired(case.service.name, wanted, self.installed(case))

    def absent(self, case: Case, planned: Desired) -> Desired:
        return redirect.desired(case.service.name, Installation(), self.installed(case))
