# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else holds a port of a service, and whether that is in the service's way."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import WILDCARDS
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener, Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import session_of


def held_port(case: Case) -> str:
    """Who else holds one of the ports where the service is to listen, with the way out; '' for nobody.

    Of a service that names no addresses that is every address: on a single one nobody need be in the way, for the
    service may bind another.
    """
    for port in case.served_ports:
        for listener in () if case.handed_by(port) else case.facts.listeners_on(port):
            others = _others(case, listener)
            if in_its_way(case, listener) and others and len(others) == len(listener.owners):
                return f"service {case.service.name!r}: port {port} is held by {_holder(case, port, others[0])}"
    return ""


def in_its_way(case: Case, listener: Listener) -> bool:
    """Whether the socket is another's, where the service is to listen; instances of one template may share it."""
    where = listener.address in WILDCARDS or bool(case.service.addresses)
    return where and (not listener.owners or bool(_others(case, listener)))


def _others(case: Case, listener: Listener) -> list[Process]:
    """Those that hold the socket and are neither the service's nor what stands in front of it or beside it."""
    port = Port(listener.port, listener.protocol)
    ours = (case.owns, case.is_sibling, lambda process: case.is_in_front(process, port=port))
    return [it for it in listener.owners if not any(is_ours(it) for is_ours in ours)]


def _holder(case: Case, port: Port, process: Process) -> str:
    """Who holds the port, and the way out."""
    sockets = [it for it in case.facts.sockets if it.active and str(port) in it.ports]
    session = session_of(process.unit)
    if not sockets and session is not None:
        end = f"loginctl terminate-session {session}" if session else f"kill {process.pid}"
        return (
            f"{process}, which was started from a login and which no unit of the system starts; have one start it "
            f"(User={process.user or process.status.uid}), and end what runs ({end})"
        )
    if not sockets:
        return f"{process}; stop that first"
    name, started = sockets[0].name, ", ".join(sockets[0].triggers) or "an instance for each connection"
    return f"{name}, which starts {started}; stop it first (systemctl disable --now {name})"


def beside(case: Case, port: Port) -> str:
    """Who holds the port on single addresses while the service, which names none, does not listen; '' for nobody.

    ip(7), bind(2): who binds the wildcard address then gets EADDRINUSE.
    """
    if case.service.addresses or case.listens(port) or case.held_by(port):
        return ""
    held = [(it, _others(case, it)) for it in case.facts.listeners_on(port) if it.address not in WILDCARDS]
    told = ", ".join(f"{others[0]} on {listener.address}" for listener, others in held if others)
    return f"port {port} is held by {told}" if told else ""


IN_ITS_WAY = (
    "a program that binds it on all addresses gets EADDRINUSE: have it listen on others, and name those by addresses: "
    "in the service's description"
)
