# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that binds the port and starts the program for each connection, as its user and without a capability."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import ROOT, Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import execution
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import THE_UNIT, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import Record
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver import inetd, servers
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import (
    NAME,
    Ground,
    Request,
    request_of,
)

_OTHER = {"xinetd": "inetd", "inetd": "xinetd"}


def _undeclared(case: Case) -> Reason:
    text = "nothing on the host tells whether a server may start it for each connection"
    return Reason("only_when_declared", text, f"service {case.service.name} names no superserver")


def _runs_as_root(case: Case) -> Reason | None:
    account = case.facts.account
    if case.service.user not in ROOT and (account is None or account.uid != 0):
        return None
    return Reason("runs_as_root", "its program would run as root; name another user", f"user: {case.service.user}")


def _ground(case: Case) -> Ground:
    return case.facts.superserver or Ground(programs={}, daemons={}, systemd=case.host.systemd, ipv6=case.host.ipv6)


def _request(case: Case) -> Request:
    account = case.facts.account
    return request_of(case.service, uid=account.uid if account else -1, gid=account.gid if account else -1)


def _found(case: Case) -> Installed:
    return case.facts.installed.get(NAME, Installed())


class Superserver(Strategy):
    name = NAME
    audience = THE_UNIT
    voided_by = ("socket", "forward")
    by_connection = True
    # Services of one inetd share its file.
    continues_others = True

    def hazards(self, case: Case) -> tuple[Reason, ...]:
        if not case.service.superserver:
            return (_undeclared(case),)
        found = (_runs_as_root(case), execution.not_executable(case))
        return (*servers.obstacles(_request(case), _ground(case)), *(it for it in found if it is not None))

    def why(self, case: Case) -> str:
        service = case.service
        ports = ", ".join(map(str, service.ports))
        return (
            f"{service.superserver} binds port {ports} and starts {service.command[0]} for each connection, as "
            f"{service.user} and without any capability"
        )

    def warnings(self, case: Case) -> tuple[str, ...]:
        name, ground = case.service.superserver, _ground(case)
        other = ground.daemons.get(_OTHER.get(name, ""))
        told = servers.SERVERS[name].warnings(_request(case), ground)
        if other is None or not other.active:
            return told
        return (*told, f"{other.unit} runs beside {name}, and a port goes to who binds it first")

    def granted(self, case: Case) -> bool:
        return servers.is_there(case.service.name, case.facts.superserver, _found(case))

    def pending(self, case: Case) -> tuple[str, ...]:
        steps = () if self._is_in_place(case) and self._is_served(case) else (self.name,)
        return steps + self.process_steps(case, changing=False)

    def _is_in_place(self, case: Case) -> bool:
        declared = bool(case.service.superserver)
        return declared and servers.is_complete(_request(case), _ground(case), _found(case))

    def _is_served(self, case: Case) -> bool:
        """Whether a daemon holds the ports, where it is one's; own units say by themselves whether they run."""
        holders = ({it.unit for on in case.facts.listeners_on(port) for it in on.owners} for port in case.service.ports)
        known = all(it.owners_known for it in case.facts.listeners)
        return not case.daemon or not known or all(case.daemon in units for units in holders)

    def is_held_by(self, case: Case, process: Process) -> bool | None:
        return True

    def desired(self, case: Case, planned: Desired) -> Desired:
        return servers.desired(_request(case), _ground(case), found=self.installed(case), planned=planned)

    def absent(self, case: Case, planned: Desired) -> Desired:
        return servers.absent(case.service.name, case.facts.superserver, found=self.installed(case), planned=planned)

    def holds(self, case: Case) -> frozenset[str]:
        return super().holds(case) | {inetd.PATH}

    def reclaim(self, record: Record, case: Case, planned: Desired) -> Desired:
        return Desired() if record.path == inetd.PATH else super().reclaim(record, case, planned)

    def shares(self, case: Case, other: Case) -> bool:
        return False
