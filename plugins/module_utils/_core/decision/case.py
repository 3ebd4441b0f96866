# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every strategy is made of, and the case that it judges."""

from __future__ import annotations

from typing import Callable, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import (
    CapabilitySets,
    Expected,
    by_exec,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import FileCapabilities, parse_text
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    Observation,
    Process,
    ServiceFacts,
    SocketUnit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service


class Reason(NamedTuple):
    """Why a strategy does not fit: a short code, a sentence, and what was seen."""

    code: str
    text: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.text} ({self.evidence})"


class Unknown(Reason):
    """Why a strategy may not fit: what decides it could not be found out. It can be tried, after all others."""


class Case(NamedTuple):
    """One service on one host."""

    host: Observation
    service: Service
    facts: ServiceFacts
    # The rules of the site that apply to it.
    policy: tuple[Rule, ...] = ()

    @property
    def privileged_ports(self) -> tuple[Port, ...]:
        """The ports that are not for everybody where the service runs (ip(7), ip_unprivileged_port_start)."""
        return tuple(filter(self.is_privileged, self.service.ports))

    def is_privileged(self, port: Port) -> bool:
        """Whether a port is one of these."""
        start = self.facts.network.unprivileged_port_start
        return port.number < (1024 if start is None else start)

    @property
    def handing(self) -> tuple[SocketUnit, ...]:
        """The socket units that hand their sockets to the service's unit, running or not."""
        unit = self.facts.unit
        return tuple(it for it in self.facts.sockets if unit and unit.name in it.triggers and not it.accept)

    def held_by(self, port: Port) -> str:
        """The socket unit that holds the port for the service, '' for none."""
        return next((it.name for it in self.handing if it.active and str(port) in it.ports), "")

    def handed_by(self, port: Port) -> str:
        """The same of somebody else's: no other strategy may rest on what the collection itself put there."""
        name = self.held_by(port)
        return name if name and name not in self.own_units else ""

    @property
    def needed_ports(self) -> tuple[Port, ...]:
        """The privileged ports that the service has to bind itself."""
        return tuple(port for port in self.privileged_ports if not self.handed_by(port))

    @property
    def own_units(self) -> frozenset[str]:
        """The collection's own units for this service."""
        return frozenset(name for it in self.facts.installed.values() for name in it.units)

    def is_own(self, process: Process) -> bool:
        """Whether the process is of a unit, or the daemon of a script, of the collection's own for this service."""
        return process.unit in self.own_units or any(process.pid in it.daemons for it in self.facts.installed.values())

    def is_in_front(self, process: Process, *, port: Port) -> bool:
        """Whether the process holds the port for the service."""
        # ss shows systemd as a holder of its sockets.
        sockets = (it.name for it in self.facts.sockets if it.active and str(port) in it.ports)
        return self.is_own(process) or (process.pid == 1 and not self.own_units.isdisjoint(sockets))

    def owns(self, process: Process) -> bool:
        """Whether the process is the service's: by its unit's control group, else by its program, else by its user."""
        unit, program, account = self.facts.unit, self.facts.program, self.facts.account
        if unit is not None:
            return process.unit == unit.name
        # A script's process runs its interpreter, and often something else that the script starts.
        if program is not None and program.form != "script":
            return process.executable == program.real_path
        return account is not None and process.status.uid == account.uid

    def listens(self, port: Port) -> bool:
        """Whether a process of the service holds a socket on the port."""
        return any(self.owns(process) for it in self.facts.listeners_on(port) for process in it.owners)


# From the narrowest to the widest.
THE_UNIT, THE_USER, WHO_EXECUTES, EVERYONE = AUDIENCES = (
    "its unit alone",
    "its user",
    "everyone who can execute its program",
    "every user of the host",
)


class Strategy(NamedTuple):
    """One way to a privileged port. Every function is pure and judges a Case.

    hazards:  why it cannot work here, or, as Unknown, may not; () when it can.
    why:      one sentence for the one who asks why it was chosen.
    warnings: what works, but is wider than a reader may expect.
    granted:  whether a grant of this strategy is there for this service.
    pending:  the steps left to do, of 'dropin', 'xattr', 'keep', 'rules', 'sysctl', 'socket', 'redirect', 'forward',
              'restart', 'start'.
    expects:  what a process must hold of this strategy's, and may hold at most.
    audience: who can use its grant, one of AUDIENCES.
    voided_by: the strategies whose grant to the same service keeps this one from working, whatever else is right.
    """

    name: str
    hazards: Callable[[Case], tuple[Reason, ...]]
    why: Callable[[Case], str]
    warnings: Callable[[Case], tuple[str, ...]]
    granted: Callable[[Case], bool]
    pending: Callable[[Case], tuple[str, ...]]
    expects: Callable[[Case], Expected]
    audience: str
    voided_by: tuple[str, ...] = ()
    # Whether the service goes on listening on its backend ports alone.
    indirect: bool = False
    # What a process of the collection's own must hold, and may hold at most, that takes connections for the service.
    forwarder: Callable[[Case], Expected] | None = None

    def inner(self, service: Service, port: Port) -> Port:
        """The port that the service itself listens on for this one."""
        return (service.backend(port) or port) if self.indirect else port

    def blockers(self, case: Case) -> tuple[Reason, ...]:
        """The hazards that are known to be there."""
        return tuple(reason for reason in self.hazards(case) if not isinstance(reason, Unknown))

    def unknowns(self, case: Case) -> tuple[Reason, ...]:
        """The hazards of which nobody knows whether they are there."""
        return tuple(reason for reason in self.hazards(case) if isinstance(reason, Unknown))


def unit_grants(case: Case) -> frozenset[str]:
    """The ambient capabilities that are in force for the unit, whoever set them."""
    return frozenset(case.facts.unit.says("AmbientCapabilities").split() if case.facts.unit else ())


def exec_gives(case: Case) -> CapabilitySets:
    """What a start gives the service's program by its unit and its file."""
    program = case.facts.interpreter or case.facts.program
    capability = program.capability if program else None
    held = None if capability is None else parse_text(capability) if capability else FileCapabilities()
    return by_exec(ambient=unit_grants(case), file=held)


def process_steps(case: Case, *, changing: bool, holds: Callable[[Process], bool | None]) -> tuple[str, ...]:
    """'restart' exactly when the running process lacks the grant, 'start' when nothing runs, () otherwise.

    changing: a grant is still to be written, which a process that shows no evidence cannot have.
    """
    unit = case.facts.unit
    if unit is None:
        return ()
    if not unit.runs:
        return ("start",)
    held = holds(unit.process) if unit.process else None
    lacks = changing if held is None else not held
    return ("restart",) if lacks else ()
