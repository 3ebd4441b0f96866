# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every strategy is made of: the base class of those in strategies/, which registry.py lists."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import Expected
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import (
    Case,
    exec_gives,
    process_steps,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed, is_script
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Attribute,
    Desired,
    Entry,
    file,
    gone,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation, Process, Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import ATTRIBUTE, Record
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service

# From the narrowest to the widest.
THE_UNIT, THE_USER, WHO_EXECUTES, EVERYONE = AUDIENCES = (
    "its unit alone",
    "its user",
    "everyone who can execute its program",
    "every user of the host",
)


class Strategy(ABC):
    """One way to a privileged port. Every method is pure and judges a Case."""

    name: str
    # Who can use its grant, one of AUDIENCES.
    audience: str
    # The strategies whose grant to the same service keeps this one from working, whatever else is right.
    voided_by: tuple[str, ...] = ()
    # Whether the service goes on listening on its backend ports alone.
    indirect: bool = False
    # Whether it writes the one drop-in of the service's unit.
    by_dropin: bool = False
    # Whether systemd binds the ports and hands them to the service, which keeps them until its end.
    hands_over: bool = False
    # Whether a server binds the ports and starts the program for each connection.
    by_connection: bool = False
    # Seconds that what this run started has to be up before its proof counts: it may fail later than it seems to serve.
    proven_after: float = 0
    # Whether a file capability of the program takes away what it gives: execve(2) then clears the ambient set
    # (capabilities(7)), and the loader heeds no LD_PRELOAD (ld.so(8), secure-execution mode).
    lost_by_file_capability: bool = False
    # Whether desired() goes on from what is planned for other services at the same path.
    continues_others: bool = False
    # What errors of bind(2) mean under it and nowhere else, by their names.
    bind_errors: Mapping[str, str] = {}

    @abstractmethod
    def hazards(self, case: Case) -> tuple[Reason, ...]:
        """Why it cannot work here, or, as Unknown, may not; () when it can."""

    @abstractmethod
    def why(self, case: Case) -> str:
        """One sentence for the one who asks why it was chosen."""

    def warnings(self, case: Case) -> tuple[str, ...]:
        """What works, but is wider than a reader may expect."""
        return ()

    def granted(self, case: Case) -> bool:
        """Whether a grant of this strategy is there for this service."""
        return False

    def stands(self, case: Case) -> bool:
        """Whether the service can bind its ports today by a grant of this kind that is somebody else's."""
        return False

    def left_alone(self, case: Case) -> str:
        """What of this kind is there and not the collection's to take, a sentence with the way out; '' for nothing."""
        return ""

    def taken_over(self, case: Case, *, removed: bool) -> str:
        """What of somebody else's is taken because a strategy is named, a sentence; '' for nothing.

        removed: it is taken away; else it becomes the collection's to manage.
        """
        return ""

    def pending(self, case: Case) -> tuple[str, ...]:
        """The steps left to do.

        Of 'dropin', 'xattr', 'keep', 'rules', 'sysctl', 'socket', 'redirect', 'forward', 'superserver',
        'restart' and 'start'.
        """
        return self.process_steps(case, changing=False)

    def against_next_start(self, case: Case) -> tuple[Reason, ...]:
        """Why the next start of the service would not get its ports by what is granted now."""
        return self.blockers(case)

    def process_steps(self, case: Case, *, changing: bool) -> tuple[str, ...]:
        """What is to be done to the service itself; changing: a grant of this strategy is written in this run."""
        serves = case.on_demand or all(case.may_listen(self.inner(case.service, it)) for it in case.served_ports)
        return process_steps(case, changing=changing, serves=serves, holds=lambda it: self.is_held_by(case, it))

    def is_held_by(self, case: Case, process: Process) -> bool | None:
        """Whether a process was started with the grant and without an older one; None where it does not show."""
        return self.expects(case).is_met_by(process)

    def expects(self, case: Case) -> Expected:
        """What a process of the service must hold of this strategy's, and may hold at most."""
        return Expected(most=exec_gives(case))

    def forwarder(self, case: Case) -> Expected | None:
        """What a process of the collection's own must hold, and may at most, that takes connections for the service.

        None where there is no such process.
        """
        return None

    def starts(self, case: Case) -> tuple[str, ...] | None:
        """The words before another program that the unit would start, so that it gets what this gives.

        None where the service's own program alone gets it.
        """
        return None

    def inner(self, service: Service, port: Port) -> Port:
        """The port that the service itself listens on for this one."""
        return (service.backend(port) or port) if self.indirect else port

    def volatile(self, case: Case) -> str:
        """What of the grant a boot of the host forgets, as a sentence; '' for nothing."""
        return ""

    def desired(self, case: Case, planned: Desired) -> Desired:
        """What is to become of the resources that it holds for the service when it is granted.

        planned is what this run plans for the services before this one. Nothing for what the collection need not
        hold. Raises PrivportError where that cannot be, of which hazards() tells.
        """
        return Desired()

    def absent(self, case: Case, planned: Desired) -> Desired:
        """What is to become of them when its grant to the service is taken away: nothing of anybody else's goes."""
        return Desired()

    def holds(self, case: Case) -> frozenset[str]:
        """The paths of what it holds for the service, or would hold."""
        return frozenset((*self.installed(case).paths, *(it.path for it in self.dropin(case, "") if self.by_dropin)))

    def stale(self, case: Case) -> tuple[Record, ...]:
        """What it granted to the service and no longer holds for it: of another unit, program or user."""
        mine = (it for it in case.records if it.strategy == self.name and it.now is not None)
        return tuple(it for it in mine if it.path not in self.holds(case))

    def reclaim(self, record: Record, case: Case, planned: Desired) -> Desired:
        """What is to become of a stale resource: what it was before, unless somebody changed it since."""
        if record.kind == ATTRIBUTE:
            return Desired(attributes=(Attribute(record.path, record.before),) if record.stands else ())
        return Desired(entries=(gone(record.path),))

    def shares(self, case: Case, other: Case) -> bool:
        """Whether what there is of it for one service serves another, too, that has this strategy."""
        return self.by_dropin and case.same_dropin(other)

    def replaced_by(self, case: Case, chosen: Strategy) -> bool:
        """Whether the chosen strategy of the service writes over all that there is of this one."""
        return False

    def excludes(self, case: Case, other: Case, strategy: Strategy) -> str:
        """Why no other service can have that strategy where one has this, '' where it can.

        A clause in which {} stands for the other service.
        """
        if self.by_dropin and strategy.by_dropin and self.name != strategy.name and case.same_dropin(other):
            return "its unit is {}, and a unit has one drop-in; give both the same strategy"
        return ""

    def host_without(self, host: Observation) -> Observation:
        """The host as it is once its grants to the whole of it are gone: nothing else may rest on them."""
        return host

    def unit_with_file(self, case: Case) -> Unit | None:
        """The unit that its drop-in can be of; None where there is none."""
        return case.unit

    def dropin(self, case: Case, text: str) -> tuple[Entry, ...]:
        """The one drop-in of the service's unit with this text; none for a service without a unit."""
        unit = self.unit_with_file(case)
        return () if unit is None else (file(unit.dropin_path, text),)

    def without_dropin(self, case: Case, planned: Desired) -> tuple[Entry, ...]:
        """The drop-in gone where it is of this strategy, and where no other one is to take its place.

        What a killed run left of one is nobody's.
        """
        unit = self.unit_with_file(case)
        if unit is None:
            return ()
        path = unit.dropin_path
        own = unit.dropin_strategy == self.name or (unit.interrupted and not unit.dropin_text)
        goes = (path,) if own and path not in planned.written else ()
        return tuple(map(gone, (*unit.leftovers, *goes)))

    def installed(self, case: Case) -> Installed:
        """What there is of its own files and units, without units where no systemd knows of any."""
        found = case.facts.installed.get(self.name, Installed())
        units = tuple(name for name in found.units if case.host.systemd is not None or is_script(name))
        return found._replace(units=units)

    def blockers(self, case: Case) -> tuple[Reason, ...]:
        """The hazards that are known to be there."""
        return tuple(reason for reason in self.hazards(case) if not isinstance(reason, Unknown))

    def unknowns(self, case: Case) -> tuple[Reason, ...]:
        """The hazards of which nobody knows whether they are there."""
        return tuple(reason for reason in self.hazards(case) if isinstance(reason, Unknown))
