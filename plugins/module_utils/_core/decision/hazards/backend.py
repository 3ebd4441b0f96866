# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the service listens instead of its ports, when something leads or forwards connections there."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import identity, sandbox
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port


def backends(case: Case) -> tuple[Port, ...]:
    """The ports that backend_ports names for those of the service."""
    found = (case.service.backend(port) for port in case.service.ports)
    return tuple(dict.fromkeys(port for port in found if port is not None))


def behind(case: Case) -> Case:
    """The same service as one of its backend ports, which it binds by itself."""
    return case._replace(service=case.service._replace(ports=backends(case) or case.service.ports))


def addresses(case: Case, port: Port) -> tuple[str, ...]:
    """Where the service listens on a backend port, as ss(8) shows it; () where it does not.

    What it is bound to by BindNetworkInterface= shows in that as well, and is known before it listens.
    """
    own = [it for it in case.facts.listeners_on(port) if any(map(case.owns, it.owners))]
    bound = case.facts.unit.says("BindNetworkInterface") if case.facts.unit else ""
    return tuple(it.address for it in own) or ((f"*%{bound}",) if bound else ())


def is_loopback(address: str) -> bool:
    """Whether nobody but the host itself comes to a socket with this address."""
    ip, _percent, interface = address.partition("%")
    return interface == "lo" or ip.startswith(("127.", "::ffff:127.")) or ip == "::1"


def template(case: Case) -> Reason | None:
    """Units and files of the collection's own are those of one service, and one drop-in serves all instances."""
    unit = case.facts.unit
    if unit is None or not unit.template:
        return None
    text = f"each instance would need units of its own; describe each as a service, such as unit: {unit.name}"
    return Reason("template", text, f"unit {unit.template}")


def single_addresses(case: Case) -> Reason | None:
    """What leads or forwards a port takes it on all addresses, and with it what other services have on theirs."""
    if not case.service.addresses:
        return None
    text = "it takes the port on every address of the host, and the service names some; leave addresses out"
    return Reason("addresses", text, f"addresses: {', '.join(case.service.addresses)}")


def other_network(case: Case) -> Reason | None:
    private, network = sandbox.private_network(case), case.facts.network
    if private is not None or network.is_host:
        return private
    text = "the service listens in a network of its own, where nothing leads from the host's"
    return Reason("other_network", text, network.path or "another network namespace")


def runs_as_root(case: Case) -> Reason | None:
    """Where it is started as root and listens as another user already, that one is judged, not the unit's text."""
    return None if case.gave_up_root(backends(case)) else identity.runs_as_root(case)


def held(case: Case) -> Reason | None:
    """Somebody else would get what is meant for the service."""
    for port in backends(case):
        holders = [process for it in case.facts.listeners_on(port) for process in it.owners]
        if holders and not any(map(case.owns, holders)):
            return Reason("backend_held", f"backend port {port} is held by somebody else", str(holders[0]))
    return None


def silent(case: Case) -> Reason | None:
    """It runs without listening there: it may do so once it is started anew, with settings that were just changed."""
    unit = case.facts.unit
    ports = [port for port in backends(case) if not case.facts.listeners_on(port)]
    if unit is None or not unit.runs or not ports:
        return None
    text = f"the service does not listen on its backend port {ports[0]}; have its own settings say that port"
    return Unknown("backend_silent", text, f"{unit.name} is {unit.says('ActiveState')}")
