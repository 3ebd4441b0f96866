# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The case that a strategy judges, and what strategies ask of it."""

from __future__ import annotations

from typing import Callable, Iterable, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.keep import NOT_KEPT
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import (
    CapabilitySets,
    by_exec,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import FileCapabilities, parse_text
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.model.instances import members
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    Observation,
    Process,
    Program,
    ServiceFacts,
    SocketUnit,
    Unit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import Record
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service, runs_of
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import NAME
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.servers import daemon_of, may_hold
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import USER, Manager, tells_pid
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import template_of

# The steps that are done to the service itself, and to nothing that a strategy holds.
OF_PROCESSES = ("restart", "start")
# More ports in a row than a server listens on all the time.
_MANY = 16
# As User= names it.
ROOT = ("root", "0")


class Case(NamedTuple):
    """One service on one host."""

    host: Observation
    service: Service
    facts: ServiceFacts
    # The rules of the site that apply to it.
    policy: tuple[Rule, ...] = ()
    # The other services of the same run.
    others: tuple[Service, ...] = ()
    # Whether this run wrote something of its grant since its processes were started.
    granted_now: bool = False

    @property
    def processes(self) -> tuple[Process, ...]:
        """Those of the service that are known: its unit's main process, else who of it holds its ports.

        A supervisor knows the shell of a run script that does not end in exec, and not what that started.
        """
        unit = self.facts.unit
        main = unit.process if unit is not None else None
        if main is not None and unit is not None and unit.manager is None:
            return (main,)
        return self.holders or ((main,) if main is not None else ())

    @property
    def holders(self) -> tuple[Process, ...]:
        """The service's processes that hold its ports."""
        owners = {owner.pid: owner for it in self.facts.listeners for owner in it.owners if self.owns(owner)}
        return tuple(owners.values())

    @property
    def unit(self) -> Unit | None:
        """The systemd unit that starts it; None where nothing does, and where a supervisor does."""
        unit = self.facts.unit
        return unit if unit is not None and unit.manager is None else None

    @property
    def starts_as_root(self) -> bool:
        """Whether systemd starts it as root, and no wrapper of its command takes that away."""
        unit = self.facts.unit
        if unit is None:
            return False
        whatever_user = any(not command.keeps_user for command in unit.commands)
        return whatever_user or (unit.user in ROOT and unit.launch.user in ("", *ROOT))

    def gave_up_root(self, ports: Iterable[Port]) -> tuple[Process, ...]:
        """The service's processes that hold these ports, where it starts as root and has wholly become other users.

        () where it has not, or does not listen on one of them.
        """
        if not self.starts_as_root:
            return ()
        held = [[it for on in self.facts.listeners_on(port) for it in on.owners if self.owns(it)] for port in ports]
        found = {it.pid: it for holders in held for it in holders}
        still_root = any(it.is_root for it in (*found.values(), *self.processes))
        return tuple(found.values()) if all(held) and not still_root else ()

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

    @property
    def served_ports(self) -> tuple[Port, ...]:
        """The ports on which the service has to be found: of many in a row for everybody those that are in use.

        Telephony and FTP servers take such ports as they need them.
        """
        idle = {
            Port(number, protocol)
            for first, last, protocol in runs_of([it for it in self.service.ports if not self.is_privileged(it)])
            if last - first >= _MANY
            for number in range(first, last + 1)
        }
        # Who else has taken one of them has taken it from nobody.
        idle -= {
            Port(it.port, it.protocol)
            for it in self.facts.listeners
            if not it.owners_known or any(owner.pid == 1 or self.owns(owner) for owner in it.owners)
        }
        return tuple(port for port in self.service.ports if port not in idle) or self.service.ports[:1]

    @property
    def on_demand(self) -> bool:
        """Whether it need not listen when a run ends, and nothing is started for it."""
        unit = self.facts.unit
        return self.service.listens == "on_demand" or (unit is not None and unit.started_by_others)

    @property
    def records(self) -> tuple[Record, ...]:
        """What the collection granted to this service, and to instances of it that are no more."""
        name, declared = self.service.name, self.service.declared or self.service.name
        others = {it.name for it in self.others}
        gone = (it for it in self.host.records if it.service not in others)
        return tuple(it for it in gone if it.service in (name, declared) or it.service.startswith(f"{declared}["))

    @property
    def granted_file(self) -> Program | None:
        """The file whose capability the program has or is to get: of a script its interpreter that has it."""
        interpreter = self.facts.interpreter
        return interpreter if interpreter is not None and interpreter.binds else self.facts.program

    @property
    def grants_attribute(self) -> bool:
        """Whether the attribute of that file is what the collection granted."""
        file = self.granted_file
        recorded = file is not None and any(it.path == file.real_path for it in self.host.records)
        return recorded or (file is not None and file.kept != NOT_KEPT)

    @property
    def may_take_attribute(self) -> bool:
        """Whether the attribute of that file is the collection's to take, or may be taken over by a strategy's name.

        An empty one gives nobody anything. That of an interpreter serves other scripts, too.
        """
        file = self.granted_file
        there = file is not None and file.attribute and file.capability
        ours = (not there or self.grants_attribute) and file is self.facts.program
        return ours or (self.service.strategy != "auto" and self.service.state == "present")

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

    @property
    def daemon(self) -> str:
        """The unit of somebody else's daemon that serves the port by the collection's file, '' for none."""
        return daemon_of(self.service.name, self.facts.superserver, self._of_servers)

    @property
    def _of_servers(self) -> Installed:
        return self.facts.installed.get(NAME, Installed())

    def is_own(self, process: Process) -> bool:
        """Whether the process is of a unit, or the daemon of a script, of the collection's own for this service."""
        return process.unit in self.own_units or any(process.pid in it.daemons for it in self.facts.installed.values())

    def is_in_front(self, process: Process, *, port: Port) -> bool:
        """Whether the process holds the port for the service."""
        # ss shows systemd as a holder of its sockets.
        sockets = (it.name for it in self.facts.sockets if it.active and str(port) in it.ports)
        if process.unit in may_hold(self.service.name, self.facts.superserver, self._of_servers):
            return True
        return self.is_own(process) or (process.pid == 1 and not self.own_units.isdisjoint(sockets))

    def owns(self, process: Process) -> bool:
        """Whether the process is the service's: by its unit's control group, else by its program, else by its user.

        What a supervisor runs descends from the process that it knows. So does what su or runuser run as a login in a
        unit: pam_systemd(8) puts it into a session's control group.
        """
        unit, program, account = self.facts.unit, self.facts.program, self.facts.account
        if self.service.superserver:
            # It never listens by itself.
            return False
        if unit is not None and unit.manager is None:
            return process.unit == unit.name or _descends(process, int(unit.says("MainPID") or 0))
        if unit is not None and unit.process is not None:
            return _descends(process, unit.process.pid) or self._is_in_user_unit(process, unit.manager)
        # One that starts again and again may have a process a moment after its supervisor was asked.
        if unit is not None and tells_pid(unit.name) and not unit.runs:
            return False
        # A script's process runs its interpreter, and often something else that the script starts.
        if program is not None and program.form != "script":
            return process.executable == program.real_path
        return account is not None and process.status.uid == account.uid

    def _is_in_user_unit(self, process: Process, manager: Manager | None) -> bool:
        account = self.facts.account
        if manager is None or manager.kind != USER or account is None:
            return False
        return process.unit == f"user@{account.uid}.service" and process.user_unit == manager.service

    def is_sibling(self, process: Process) -> bool:
        """Whether the process is of another instance of the unit's template, which may bind the same ports."""
        template = template_of(self.facts.unit.name) if self.facts.unit is not None else ""
        return bool(template) and template_of(process.unit) == template and not self.owns(process)

    def listens(self, port: Port) -> bool:
        """Whether a process of the service holds a socket on the port."""
        return any(self.owns(process) for it in self.facts.listeners_on(port) for process in it.owners)

    @property
    def listens_instead(self) -> bool:
        """Whether it listens on its backend ports, one for each of its ports, and on none of these itself.

        Of a unit that does not run this is so because it is said.
        """
        unit, inner = self.facts.unit, [self.service.backend(port) for port in self.service.ports]
        idle = unit is not None and not unit.runs
        moved = all(port is not None and (idle or self.listens(port)) for port in inner)
        return moved and not any(map(self.listens, self.service.ports))

    def may_listen(self, port: Port) -> bool:
        """Whether it does so as far as we are told: who holds the port may be hidden from us."""
        return self.listens(port) or any(not it.owners_known for it in self.facts.listeners_on(port))

    def same_unit(self, other: Case) -> bool:
        unit, others = self.facts.unit, other.facts.unit
        return unit is not None and others is not None and unit.name == others.name

    def same_dropin(self, other: Case) -> bool:
        """Whether both units have one drop-in, as instances of one template or as one unit."""
        unit, others = self.facts.unit, other.facts.unit
        return unit is not None and others is not None and unit.dropin_path == others.dropin_path

    def same_program(self, other: Case) -> bool:
        program, others = self.facts.program, other.facts.program
        return program is not None and others is not None and program.real_path == others.real_path


def cases(host: Observation, services: Sequence[Service]) -> tuple[Case, ...]:
    """The case of each of these services, which were observed in this order."""
    services = members(services, host.instances)
    return tuple(
        Case(host, service, facts, others=tuple(other for other in services if other is not service))
        for service, facts in zip(services, host.services)
    )


def no_unit(case: Case) -> Reason:
    """Why what systemd gives a unit of the system's cannot be given to it, where it has none."""
    unit = case.facts.unit
    if unit is None:
        return Reason("no_unit", "no systemd unit starts it", f"service {case.service.name} has no unit")
    if unit.manager is not None and unit.manager.kind == USER:
        text = "the manager of a user has no capability to give: a unit with AmbientCapabilities= fails with status 218"
        return Reason("user_manager", text, unit.name)
    return Reason("no_unit", "no systemd unit starts it", f"{unit.name} does")


def unit_grants(case: Case) -> frozenset[str]:
    """The ambient capabilities that are in force for the unit, whoever set them."""
    return frozenset(case.facts.unit.says("AmbientCapabilities").split() if case.facts.unit else ())


def exec_gives(case: Case) -> CapabilitySets:
    """What a start gives the service's program by its unit and its file."""
    if case.starts_as_root:
        # Root has all that the unit leaves it, whatever it gives up afterwards.
        everything = frozenset(case.facts.unit.says("CapabilityBoundingSet").split() if case.facts.unit else ())
        return CapabilitySets(effective=everything, permitted=everything, ambient=everything)
    program = case.facts.interpreter or case.facts.program
    capability = program.capability if program else None
    held = None if capability is None else parse_text(capability) if capability else FileCapabilities()
    return by_exec(ambient=unit_grants(case), file=held)


def process_steps(
    case: Case, *, changing: bool, serves: bool, holds: Callable[[Process], bool | None]
) -> tuple[str, ...]:
    """'restart' exactly when the running processes lack the grant, 'start' when nothing runs and is to, () otherwise.

    changing: the grant is written in this run, and a process that shows nothing of it cannot have it. serves: the
    service listens, as what shows nothing of the grant and does not listen may lack it.
    """
    unit = case.facts.unit
    if unit is None:
        return ()
    if not unit.runs:
        return () if case.on_demand else ("start",)
    if unit.is_job:
        # Its next start has the grant, and its work of now is not cut off.
        return ()
    held = {holds(process) for process in case.processes} or {None}
    lacks = False in held or (None in held and (changing or not serves))
    return ("restart",) if lacks else ()


def _descends(process: Process, main: int) -> bool:
    return main in (process.pid, *process.ancestors)
