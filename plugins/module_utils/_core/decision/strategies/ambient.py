# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ambient capabilities by a drop-in of the service's unit (systemd.exec(5), capabilities(7))."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import is_interpreter
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import (
    CapabilitySets,
    Expected,
    by_exec,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision import boot, widening
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import (
    Case,
    no_unit,
    unit_grants,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import (
    confinement,
    dropins,
    execution,
    identity,
    program,
    sandbox,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import judge
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import THE_UNIT, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import heading
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, Process, Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision import openrc_settings
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient

_FIRST_SYSTEMD = 229

_HAZARDS = (
    identity.root_without_user,
    identity.supervisor,
    identity.drops_privileges,
    identity.no_account,
    identity.other_user,
    execution.not_executable,
    execution.wrapped,
    dropins.foreign_dropin,
    dropins.ambient_overridden,
    dropins.user_overridden,
    dropins.widening_overridden,
    *sandbox.IN_PROCESS_WIDENED,
    program.image,
    program.unread_program,
    program.setuid_program,
    program.capability_at_start,
    program.other_capability,
)


def _unit(case: Case) -> Unit | None:
    """The unit that a file of ours can give ambient capabilities to: OpenRC takes such a file, too."""
    unit = case.facts.unit
    return unit if unit is not None and (unit.manager is None or unit.manager.kind == "openrc") else None


def unit_user(case: Case) -> str:
    """The User= that the drop-in sets: only for a unit that would run as root without it, '' otherwise."""
    unit, account = _unit(case), case.facts.account
    if unit is None or unit.manager is not None or account is None or not case.service.user:
        return ""
    return account.name if unit.user in ("root", "0") or unit.dropin_user else ""


def text(case: Case) -> str:
    """The text of the unit's drop-in."""
    unit, user = _unit(case), unit_user(case)
    if unit is not None and unit.manager is not None:
        return openrc_settings.text(unit.manager.name, capability=CAPABILITY, heading=heading(Ambient.name))
    # They make folders, send signals and the like, as root.
    of_root = unit.other_commands if unit is not None and user else {}
    return render_ambient(capabilities=[CAPABILITY], user=user, of_root=of_root, also=widening.settings(case))


def _without_root(case: Case) -> tuple[str, ...]:
    """What no proof of a port shows of a unit that root started before."""
    user = unit_user(case)
    if not user:
        return ()
    return (f"its program runs as {user} from the start: what it did as root later, such as chroot(2), fails now",)


def _loaded(case: Case) -> bool:
    unit = _unit(case)
    return unit is not None and CAPABILITY in unit.says("AmbientCapabilities").split()


def _grants_itself(case: Case) -> bool:
    """Whether the unit gives the capability without a drop-in of ours, and to the right user."""
    unit = _unit(case)
    # While systemd has not read that our drop-in is gone, it is the one that is loaded.
    ours = unit is not None and (unit.dropin_strategy or unit.interrupted or unit.granted_by_template)
    return not ours and _loaded(case) and not unit_user(case) and not widening.settings(case)


def _of_openrc(unit: Unit) -> tuple[Reason, ...]:
    """Whether it can give capabilities, and its scripts' own user: what changes the user later loses them."""
    without = unit.says("WithoutAmbient")
    if without:
        return (Reason("no_openrc_capabilities", f"OpenRC gives it no capabilities: {without}", unit.name),)
    if unit.launch.user:
        text = f"{unit.launch.wrappers[0]} changes to {unit.launch.user}, which loses ambient capabilities"
        return (Reason("drops_privileges", f"{text}; say command_user= in its script instead", unit.name),)
    return ()


class Ambient(Strategy):
    name = "ambient"
    audience = THE_UNIT
    # systemd or a forwarder holds the port then; a file capability see lost_by_file_capability.
    voided_by = ("socket", "setcap", "superserver", "forward")
    by_dropin = True
    lost_by_file_capability = True

    def unit_with_file(self, case: Case) -> Unit | None:
        return _unit(case)

    def hazards(self, case: Case) -> tuple[Reason, ...]:
        unit = _unit(case)
        if unit is not None and unit.manager is not None:
            return _of_openrc(unit) + judge(case, (identity.runs_as_root, *_HAZARDS)) + confinement.refused(case)
        if case.host.systemd is None:
            return (Reason("no_systemd", "systemd does not run this host", "no /run/systemd/system"),)
        if case.host.systemd < _FIRST_SYSTEMD:
            evidence = f"systemd {case.host.systemd}"
            return (Reason("old_systemd", f"ambient capabilities came with systemd {_FIRST_SYSTEMD}", evidence),)
        if unit is None:
            return (no_unit(case),)
        return judge(case, _HAZARDS) + confinement.refused(case)

    def why(self, case: Case) -> str:
        unit = _unit(case)
        name = unit.name if unit else case.service.name
        if _loaded(case) and not self.granted(case):
            return f"{name} itself grants {CAPABILITY} already"
        return f"a drop-in gives {CAPABILITY} to {name} alone, and no file on disk carries a privilege"

    def warnings(self, case: Case) -> tuple[str, ...]:
        """Children inherit ambient capabilities (capabilities(7)); worth a word where starting others is its work."""
        found, unit, others = case.facts.program, _unit(case), (*_without_root(case), *widening.warnings(case))
        if found is None or unit is None:
            return others
        if found.form != "script" and not is_interpreter(found.real_path) and program.launcher(case) is None:
            return others
        return (f"every program that {found.real_path} starts in {unit.name} gets {CAPABILITY} as well", *others)

    def granted(self, case: Case) -> bool:
        unit = _unit(case)
        return unit is not None and (unit.dropin_strategy == self.name or unit.interrupted)

    def pending(self, case: Case) -> tuple[str, ...]:
        there = self._is_written(case) and _loaded(case) and widening.in_force(case)
        steps: tuple[str, ...] = () if there else ("dropin",)
        return steps + self.process_steps(case, changing=bool(steps) or case.granted_now)

    def _is_written(self, case: Case) -> bool:
        unit = _unit(case)
        if unit is None or unit.interrupted:
            return False
        return unit.dropin_text == text(case) if unit.dropin_strategy else _grants_itself(case)

    def is_held_by(self, case: Case, process: Process) -> bool | None:
        """It has to be the user's that the drop-in sets, too."""
        if case.granted_now and widening.settings(case):
            # It may have the capability in a user namespace of its own.
            return None
        account = case.facts.account
        other_user = bool(unit_user(case)) and account is not None and process.status.uid != account.uid
        return False if other_user else super().is_held_by(case, process)

    def expects(self, case: Case) -> Expected:
        """The capability in all three sets, beside what the unit itself grants."""
        given = frozenset({CAPABILITY})
        least = CapabilitySets(effective=given, permitted=given, ambient=given)
        return Expected(least=least, most=by_exec(ambient=given | unit_grants(case), file=None))

    def starts(self, case: Case) -> tuple[str, ...] | None:
        return ()

    def volatile(self, case: Case) -> str:
        unit = _unit(case)
        granting = unit.capability_files if unit is not None else ()
        if not granting or not all(map(boot.forgets, granting)):
            return ""
        return f"the capability is granted by {granting[-1]} alone, which a boot forgets"

    def replaced_by(self, case: Case, chosen: Strategy) -> bool:
        """The drop-in is all that there is of it."""
        return chosen.by_dropin and case.unit is not None

    def desired(self, case: Case, planned: Desired) -> Desired:
        return Desired() if _grants_itself(case) else Desired(entries=self.dropin(case, text(case)))

    def absent(self, case: Case, planned: Desired) -> Desired:
        return Desired(entries=self.without_dropin(case, planned))
