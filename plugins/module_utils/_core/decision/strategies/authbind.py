# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""authbind(1): rules that let the user bind, and a unit whose commands run through authbind."""

from __future__ import annotations

import posixpath
from typing import Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.plan import (
    of_user,
    plan_rules,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import LAST_PORT, ROOT, RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import is_interpreter
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import Expected
from ansible_collections.netbind.privport.plugins.module_utils._core.decision import widening
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import (
    Case,
    exec_gives,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import (
    confinement,
    dropins,
    execution,
    identity,
    privileges,
    program,
    sandbox,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import judge
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import THE_USER, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    FILE,
    Desired,
    Entry,
    gone,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    AuthbindPort,
    Process,
    Unit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import Record
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_authbind

_HIGHEST_PORT = 1023


def _installed(case: Case) -> Reason | None:
    if case.host.authbind is None:
        return Reason("no_authbind", "authbind is not installed", "no authbind in PATH; try apt-get install authbind")
    if not case.host.authbind.helper_setuid:
        return Reason("authbind_helper", "authbind's helper is not set-user-ID root", case.host.authbind.program)
    if case.host.authbind.helper_nosuid is None:
        text = "whether the mount of authbind's helper has the option nosuid cannot be read"
        return Unknown("authbind_helper", text, case.host.authbind.program)
    if case.host.authbind.helper_nosuid:
        return Reason("authbind_helper", "authbind's helper is on a nosuid mount", case.host.authbind.program)
    return None


def _no_user(case: Case) -> Reason | None:
    if case.facts.account is not None or identity.no_account(case):
        return None
    return Reason("no_user", "rules need a user that exists", f"service {case.service.name} names none")


def _no_unit(case: Case) -> Reason | None:
    """A person who names the strategy starts the program through authbind; auto cannot know that."""
    if case.facts.unit is not None and case.facts.unit.manager is not None:
        return _not_through_authbind(case.facts.unit)
    if case.unit is not None or case.service.strategy != "auto":
        return None
    text = "no unit starts it, and authbind works only for a program that is started through it"
    evidence = f"service {case.service.name} has no unit here; say strategy: authbind if you start it so"
    return Reason("no_unit", text, evidence)


def _not_through_authbind(unit: Unit) -> Reason | None:
    """What a supervisor executes is written in a file of somebody else's, and may say authbind there."""
    launch = unit.launch
    if "authbind" in launch.wrappers:
        return None
    words = list(unit.commands[0].words) if unit.commands else []
    if launch.program in words:
        words.insert(words.index(launch.program), "authbind --deep")
    line = " ".join(words) or "authbind --deep PROGRAM"
    text = f"the collection does not change {unit.says('FragmentPath')}; have it execute: {line}"
    return Reason("not_through_authbind", text, unit.name)


def _high_port(case: Case) -> Reason | None:
    high = [port for port in case.needed_ports if port.number > _HIGHEST_PORT]
    text = f"authbind refuses ports above {_HIGHEST_PORT}"
    return Reason("high_port", text, f"port {high[0]}") if high else None


def _preload_in_vain(case: Case) -> Reason | None:
    program = case.facts.interpreter or case.facts.program
    if program is None or program.form not in ("elf-static", "go"):
        return None
    why = {"elf-static": "is linked statically", "go": "is a Go program that calls the kernel by itself"}
    return Reason("preload_in_vain", f"the program {why[program.form]}: LD_PRELOAD has no effect", program.real_path)


def _command(case: Case) -> Reason | None:
    unit = case.unit
    if unit is None:
        return None
    if not unit.commands:
        return Reason("no_command", "the unit's ExecStart= could not be read", unit.name)
    if any("@" in command.prefix for command in unit.commands):
        return Reason("command_prefix", "ExecStart=@ sets argv[0], which authbind cannot pass on", unit.name)
    return None


_HAZARDS = (
    _installed,
    _no_unit,
    _no_user,
    _high_port,
    _command,
    identity.runs_as_root,
    identity.no_account,
    identity.other_user,
    execution.not_executable,
    execution.wrapped,
    execution.environment_lost,
    execution.authbind_closed,
    dropins.foreign_dropin,
    dropins.command_overridden,
    dropins.widening_overridden,
    *sandbox.IN_PROCESS_WIDENED,
    sandbox.helper_forbidden,
    privileges.helper_no_new_privs,
    privileges.secure_bits,
    _preload_in_vain,
    program.image,
    program.unread_program,
    program.setuid_program,
    program.capability_at_start,
    program.other_permitted,
)


def deep(case: Case) -> bool:
    """Whether a wrapper starts the program: only --deep then keeps authbind in force (authbind(1))."""
    unit, program = case.unit, case.facts.program
    words = unit.commands[0].words if unit and unit.commands else ()
    script = program is not None and program.form == "script"
    wrapped = unit is not None and bool(unit.launch.wrappers)
    return script or wrapped or (is_interpreter(posixpath.basename(words[0]) if words else "") and "-c" in words[1:2])


def _text(case: Case) -> str:
    unit, authbind = case.unit, case.host.authbind
    if unit is None or authbind is None:
        return ""
    also = widening.settings(case)
    return render_authbind(program=authbind.program, commands=unit.commands, deep=deep(case), also=also)


def _ports(case: Case) -> tuple[AuthbindPort, ...]:
    """Those that the program binds itself; libauthbind asks the helper whoever may bind them."""
    bound = {port.number for port in case.service.ports if not case.handed_by(port)}
    return tuple(it for it in case.facts.authbind_ports if it.port in bound)


def _rules(case: Case, planned: Desired) -> dict[str, RuleFile]:
    """The rule files as they are once what is planned is done."""
    found = {it.path: it for it in case.host.authbind_rules}
    for it in planned.entries:
        if it.path.startswith(f"{ROOT}/"):
            found.pop(it.path, None)
        if it.path.startswith(f"{ROOT}/") and it.kind == FILE:
            found[it.path] = RuleFile(path=it.path, uid=it.uid, gid=it.gid, mode=it.mode, content=it.content)
    return found


def _changed_rules(case: Case, planned: Desired, *, ports: Sequence[AuthbindPort], state: str) -> tuple[Entry, ...]:
    """The rule files that change, and what killed runs left beside them."""
    account = case.facts.account
    if account is None or account.uid == 0:
        return ()
    rules = _rules(case, planned)
    plan = plan_rules(
        rules,
        grantee=of_user(account.name, uid=account.uid, gids=(account.gid, *account.groups)),
        ports=[it.port for it in ports],
        state=state,
    )
    there = {it.path for it in case.host.authbind_rules}
    left = dict.fromkeys(path for it in case.facts.authbind_ports for path in it.own_rules if path not in there)
    return (*(it.entry for it in plan.changes), *map(gone, left))


def _rules_of(case: Case) -> tuple[str, ...]:
    """The rule files that let the service's user bind its ports, whoever wrote them, and what killed runs left."""
    return tuple(dict.fromkeys(path for it in case.facts.authbind_ports for path in it.own_rules))


def _foreign(case: Case) -> str:
    """The beginning of a sentence on rules that are not the collection's; '' where there are none."""
    recorded, there = {it.path for it in case.host.records}, {it.path for it in case.host.authbind_rules}
    account, paths = case.facts.account, [it for it in _rules_of(case) if it in there and it not in recorded]
    if account is None or not paths:
        return ""
    return f"{', '.join(paths)} let user {account.name} bind ports of it, which this collection did not grant"


def _needed_by_others(case: Case) -> frozenset[int]:
    """The ports of other services of the run that reach them by the same user's rules."""
    account = case.facts.account
    by_rules = {
        facts.name
        for facts in case.host.services
        if facts.unit is not None
        and facts.unit.dropin_strategy == Authbind.name
        and facts.account is not None
        and account is not None
        and facts.account.uid == account.uid
    }
    others = (it for it in case.others if it.state == "present" and it.name in by_rules)
    return frozenset(port.number for it in others for port in it.ports)


def _may_take_rules(case: Case) -> bool:
    """Whether the rules are the collection's to take, or were named to be taken over.

    What a killed run left is whoever's who comes first.
    """
    recorded, there = {it.path for it in case.host.records}, {it.path for it in case.host.authbind_rules}
    return case.service.strategy != "auto" or any(path in recorded or path not in there for path in _rules_of(case))


def _by_itself(case: Case) -> bool:
    """Whether the unit starts its program through authbind, and may bind its ports so, without the collection."""
    unit = case.unit
    through = unit is not None and "authbind" in unit.launch.wrappers and not unit.dropin_strategy
    return through and all(port.allowed for port in _ports(case))


class Authbind(Strategy):
    name = "authbind"
    audience = THE_USER
    # systemd or a forwarder holds the port then; a file capability see lost_by_file_capability.
    voided_by = ("socket", "setcap", "superserver", "forward")
    by_dropin = True
    lost_by_file_capability = True
    # Services of one user share its files.
    continues_others = True
    # authbind(1), authbind-helper(8): the helper answers by errno, and its preload can do nothing.
    bind_errors: Mapping[str, str] = {
        "EACCES": (
            "EACCES: an authbind rule matched that the user may not execute, or libauthbind was not in force: a static "
            "program, a capability on its file, or a child that needs authbind --deep"
        ),
        "EPERM": "EPERM: no authbind rule matched the port",
        "ENOENT": "ENOENT: the user's byuid file has no line for the port",
    }

    def hazards(self, case: Case) -> tuple[Reason, ...]:
        closed = tuple(
            Reason("rules", port.refusal, f"port {port.port}") for port in case.facts.authbind_ports if port.refusal
        )
        return judge(case, _HAZARDS) + confinement.refused_authbind(case) + closed

    def why(self, case: Case) -> str:
        account = case.facts.account
        if case.unit is not None and self.stands(case):
            return f"{case.unit.name} starts through authbind already, which this collection did not set up"
        return f"authbind lets user {account.name if account else '?'} bind these ports, without any capability"

    def warnings(self, case: Case) -> tuple[str, ...]:
        rules = tuple(warning for port in case.facts.authbind_ports for warning in port.warnings)
        rules = (*rules, *widening.warnings(case))
        if case.facts.unit is None:
            return (*rules, "no unit starts it: start the program through authbind yourself")
        return rules

    def granted(self, case: Case) -> bool:
        unit = case.unit
        wrapped = unit is not None and unit.dropin_strategy == self.name
        return wrapped or (bool(_rules_of(case)) and _may_take_rules(case))

    def stands(self, case: Case) -> bool:
        return _by_itself(case) and not _may_take_rules(case)

    def left_alone(self, case: Case) -> str:
        if self.granted(case) or not _foreign(case):
            return ""
        return f"{_foreign(case)}, and they stay; say strategy: authbind to have them managed and taken back"

    def taken_over(self, case: Case, *, removed: bool) -> str:
        unit = case.unit
        # Where the drop-in is the collection's, so are the rules; a recorded rule is as well.
        ours = unit is not None and unit.dropin_strategy == self.name
        if ours or not _foreign(case) or case.service.strategy == "auto":
            return ""
        if removed:
            return f"{_foreign(case)}; a strategy is named, so they are taken away"
        return f"{_foreign(case)}; a strategy is named, so they are managed, and taken back with the service"

    def holds(self, case: Case) -> frozenset[str]:
        account, rules = case.facts.account, {it.path for it in case.host.authbind_rules}
        # Those of another user are of no use to the service any more.
        theirs = {it.path for it in case.records if account is not None and it.uid == account.uid}
        return super().holds(case) | (rules & theirs)

    def reclaim(self, record: Record, case: Case, planned: Desired) -> Desired:
        if not record.path.startswith(f"{ROOT}/"):
            return super().reclaim(record, case, planned)
        user = of_user(str(record.uid), uid=record.uid, gids=(record.uid,))
        ports = [it.number for it in case.service.ports if it.number <= LAST_PORT]
        plan = plan_rules(_rules(case, planned), grantee=user, ports=ports, state="absent")
        return Desired(entries=tuple(it.entry for it in plan.changes))

    def pending(self, case: Case) -> tuple[str, ...]:
        rules = all(port.allowed for port in _ports(case))
        steps = (() if rules else ("rules",)) + (() if self._is_wrapped(case) else ("dropin",))
        return steps + self.process_steps(case, changing=bool(steps) or case.granted_now)

    def is_held_by(self, case: Case, process: Process) -> bool | None:
        # A program that was refused its port goes on without it: only a new start asks authbind again.
        refused = not all(port.allowed for port in _ports(case)) and not case.facts.listeners
        return False if refused else super().is_held_by(case, process)

    def _is_wrapped(self, case: Case) -> bool:
        unit = case.unit
        if unit is None or case.host.authbind is None:
            return unit is None
        if _by_itself(case):
            return True
        right = unit.dropin_text == _text(case) and not unit.interrupted
        return right and case.host.authbind.program in unit.says("ExecStart") and widening.in_force(case)

    def expects(self, case: Case) -> Expected:
        return Expected(most=exec_gives(case), authbind=True)

    def starts(self, case: Case) -> tuple[str, ...] | None:
        return (case.host.authbind.program, "--deep") if case.host.authbind is not None else None

    def desired(self, case: Case, planned: Desired) -> Desired:
        # The rules first: a program that runs through authbind is never without them.
        rules = _changed_rules(case, planned, ports=_ports(case), state="present")
        started = () if _by_itself(case) else self.dropin(case, _text(case))
        return Desired(entries=(*rules, *started))

    def absent(self, case: Case, planned: Desired) -> Desired:
        kept = _needed_by_others(case)
        ports = [it for it in case.facts.authbind_ports if it.port not in kept]
        rules = _changed_rules(case, planned, ports=ports, state="absent")
        return Desired(entries=(*self.without_dropin(case, planned), *rules))
