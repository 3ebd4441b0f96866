# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A socket unit: systemd binds the ports and hands them to a service that takes them (systemd.socket(5))."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import (
    Case,
    no_unit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import (
    backend,
    dropins,
    execution,
    identity,
    sandbox,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import judge, said
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import THE_UNIT, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, merged, without
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Process, Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import socket_unit

_NAME = "socket"


def _undeclared(case: Case) -> Reason | None:
    if case.service.socket_activation or case.service.strategy == _NAME:
        return None
    text = "nothing on the host tells whether it takes sockets from systemd"
    return Reason("only_when_declared", text, "say socket_activation: true if it does")


def _foreign_socket(case: Case) -> Reason | None:
    """Somebody else's socket unit, which hands the ports over already or would be replaced."""
    installed, unit = _installed(case), case.unit
    if unit is not None and installed.foreign:
        text = socket_unit.foreign_text(socket_unit.socket_name(unit.name), path=installed.foreign[0])
        return Reason("foreign_socket", text, installed.foreign[0])
    others = [it for it in case.handing if it.name not in case.own_units]
    if not others:
        return None
    text = "two socket units would hand it sockets, and it could not tell them apart"
    return Reason("foreign_socket", f"{text}; add the ports to that one", others[0].name)


def _other_network(case: Case) -> Reason | None:
    """systemd binds in the host's network; a unit with loopback alone gains by that, and no other one does."""
    unit = case.unit
    name = next((it for it in ("NetworkNamespacePath", "JoinsNamespaceOf") if unit and unit.says(it)), "")
    if unit is None or not name or (name == "JoinsNamespaceOf" and not unit.is_on("PrivateNetwork")):
        return None
    return Reason(
        "other_network", "systemd would open the socket in the host's network, not in the unit's", said(unit, name)
    )


def _root_keeps_them(case: Case) -> Reason | None:
    """su(1) and runuser(1) wait as root for the program, and have its descriptors."""
    unit = case.unit
    waiting = [name for name in unit.launch.wrappers if name in ("su", "runuser")] if unit else []
    if unit is None or not waiting:
        return None
    text = f"{waiting[0]} stays root beside the program and keeps the sockets; write User= instead"
    return Reason("runs_as_root", text, f"ExecStart={unit.commands[0].line[:80]} in {unit.name}")


def _cannot_accept(case: Case) -> Reason | None:
    """SystemCallFilter= without the calls that take a connection (accept(2)); bind(2) and listen(2) are systemd's."""
    unit = case.unit
    calls = ("accept", "accept4")
    if unit is None or sandbox.forbidden_calls(unit, calls) != list(calls):
        return None
    return Reason("system_calls", "the unit may not call accept()", said(unit, "SystemCallFilter"))


def _environment_lost(case: Case) -> Reason | None:
    unit = case.unit
    if unit is None or unit.launch.environment:
        return None
    text = f"{', '.join(unit.launch.wrappers)} does not hand LISTEN_FDS and the sockets to the program"
    return Reason("environment_lost", text, f"ExecStart={unit.commands[0].line[:80]} in {unit.name}")


def _takes_none(case: Case) -> Reason | None:
    program = case.facts.program
    if program is None or program.takes_sockets is not False:
        return None
    return Reason("takes_no_sockets", socket_unit.takes_none_text(program.real_path), program.real_path)


def _denies_nobody(case: Case) -> Reason | None:
    refusal = socket_unit.refusal(case.service.socket)
    return Reason("address_allow", refusal, f"service {case.service.name}") if refusal else None


def _unbound_address(case: Case) -> Reason | None:
    problems = {it: socket_unit.address_problem(it) for it in case.service.addresses}
    return next((Reason("unbound_address", text, f"addresses: {it}") for it, text in problems.items() if text), None)


_HAZARDS = (
    _undeclared,
    backend.template,
    _foreign_socket,
    _other_network,
    identity.runs_as_root,
    identity.no_account,
    identity.other_user,
    identity.other_identity_of_image,
    execution.not_executable,
    dropins.foreign_dropin,
    _root_keeps_them,
    _environment_lost,
    _cannot_accept,
    _takes_none,
    _denies_nobody,
    _unbound_address,
)


def _installed(case: Case) -> Installed:
    return case.facts.installed.get(_NAME, Installed())


def _handed(case: Case, unit: Unit) -> socket_unit.Handed:
    service = case.service
    return socket_unit.Handed(
        unit=unit.name,
        ports=service.ports,
        families=service.families,
        options=service.socket,
        program=unit.launch.program,
        only=service.addresses,
        interface=unit.says("BindNetworkInterface"),
    )


def _is_in_place(case: Case) -> bool:
    unit, installed = case.unit, _installed(case)
    if unit is None or unit.interrupted or installed.leftovers or installed.unread:
        return False
    wanted = _handed(case, unit)
    return (installed.files, unit.dropin_text) == (wanted.files, wanted.dropin) and _is_required(unit)


def _is_required(unit: Unit) -> bool:
    return socket_unit.socket_name(unit.name) in unit.says("Requires").split()


class Socket(Strategy):
    name = _NAME
    audience = THE_UNIT
    # A forwarder holds the port then.
    voided_by = ("setcap", "superserver", "forward")
    by_dropin = True
    hands_over = True
    # The socket is open from the start on, whether or not the program takes it, or ends because it is taken.
    proven_after = 3

    def hazards(self, case: Case) -> tuple[Reason, ...]:
        if case.host.systemd is None:
            return (Reason("no_systemd", "systemd does not run this host", "no /run/systemd/system"),)
        if case.unit is None:
            return (no_unit(case),)
        return judge(case, _HAZARDS)

    def why(self, case: Case) -> str:
        unit = case.unit
        name = socket_unit.socket_name(unit.name) if unit else case.service.name
        return f"{name} has systemd bind the ports and hand them over, and no process of the service has a privilege"

    def warnings(self, case: Case) -> tuple[str, ...]:
        unit = case.unit
        if unit is None or not socket_unit.names_its_sockets(unit.launch.program):
            return ()
        lines = ", ".join(repr(line) for line in _handed(case, unit).listen_lines)
        return (f"nginx takes a socket only for the same address in its configuration, which must say {lines}",)

    def granted(self, case: Case) -> bool:
        unit = case.unit
        return not _installed(case).nothing or (unit is not None and unit.dropin_strategy == self.name)

    def pending(self, case: Case) -> tuple[str, ...]:
        steps = () if _is_in_place(case) else (self.name,)
        return steps + self.process_steps(case, changing=bool(steps) or case.granted_now)

    def is_held_by(self, case: Case, process: Process) -> bool | None:
        """Whether the service has the descriptors of an active socket unit, and no older grant."""
        if not _installed(case).active:
            return False
        handed = [socket_unit.is_handed(case.facts.listeners_on(port), owns=case.owns) for port in case.service.ports]
        if False in handed:
            return False
        return None if None in handed else super().is_held_by(case, process)

    def desired(self, case: Case, planned: Desired) -> Desired:
        unit = case.unit
        return Desired() if unit is None else _handed(case, unit).desired(self.installed(case))

    def absent(self, case: Case, planned: Desired) -> Desired:
        # To stop a socket unit that the service requires would stop the service as well.
        dropin = Desired(entries=self.without_dropin(case, planned))
        return merged(dropin, without(self.installed(case)))

    def excludes(self, case: Case, other: Case, strategy: Strategy) -> str:
        if strategy.name == self.name and case.same_unit(other):
            return "its unit is {}, and a unit has one socket unit; declare one service with all ports"
        return super().excludes(case, other, strategy)
