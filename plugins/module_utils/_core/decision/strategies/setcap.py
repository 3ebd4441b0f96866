# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file capability on the service's executable (capabilities(7), File capabilities)."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.capability import keep
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import (
    DEFAULT_TEXT,
    outcome_absent,
    outcome_present,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.keep import KEPT, NOT_KEPT
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import (
    CapabilitySets,
    Expected,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    CAP_NET_BIND_SERVICE,
    FileCapabilities,
    describe,
    format_xattr,
    parse_text,
    parse_xattr,
    same,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision import boot
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import (
    Case,
    exec_gives,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import (
    confinement,
    execution,
    identity,
    privileges,
    program,
    sandbox,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import judge
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.program import (
    comes_back,
    secure_environment,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import WHO_EXECUTES, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Attribute,
    Desired,
    merged,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, Program
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason

_HAZARDS = (
    identity.runs_as_root,
    identity.no_account,
    identity.other_user,
    execution.not_executable,
    *sandbox.IN_PROCESS,
    privileges.file_no_new_privs,
    program.image_of_root,
    program.launcher,
    program.capability_lost_at_start,
    program.loader_environment,
    identity.other_identity,
)

_MANAGED = "say strategy: setcap to have it managed and taken back"


class Setcap(Strategy):
    name = "setcap"
    audience = WHO_EXECUTES
    # systemd or a forwarder holds the port then.
    voided_by = ("socket", "superserver", "forward")

    def hazards(self, case: Case) -> tuple[Reason, ...]:
        program = case.granted_file
        if program is None:
            wanted = case.service.executable or "neither executable nor a unit's ExecStart= names one"
            evidence = case.facts.unread.get("program", wanted)
            return (Reason("no_program", "there is no program file to grant it to", evidence),)
        # What somebody else granted is there, and works, whoever can use it.
        refusals = () if _works_by_others(case) else program.refusals
        refused = tuple(Reason("program_refused", text, program.real_path) for text in refusals)
        unchangeable = (case.facts.unread.get("capability", ""), "" if program.binds else program.obstacle)
        refused += tuple(Reason("unchangeable", text, program.real_path) for text in unchangeable if text)
        return refused + _of_namespace(program) + _unkeepable(case) + judge(case, _HAZARDS) + confinement.refused(case)

    def why(self, case: Case) -> str:
        program = case.granted_file
        if self.stands(case) and program is not None:
            return f"{program.real_path} has {CAPABILITY} already, which this collection did not grant"
        return f"{program.real_path if program else 'its program'} alone gets {CAPABILITY}, as a file capability"

    def warnings(self, case: Case) -> tuple[str, ...]:
        program = case.granted_file
        if program is None:
            return ()
        environment = secure_environment(case)
        if not program.open_to_all:
            return (*program.warnings, *environment)
        mode = f"{program.mode & 0o7777:04o}"
        wide = f"{program.real_path} has mode {mode}: every user who can execute it gets {CAPABILITY} with it"
        wide += "; a group of the service's own and mode 0750 keep it to the service"
        return (*program.warnings, wide, *environment)

    def granted(self, case: Case) -> bool:
        """A file capability for ports that is the collection's to take, or an empty one, which breaks ambient."""
        program = case.granted_file
        if program is not None and program.kept != NOT_KEPT:
            return True
        if program is None or program.capability is None:
            return False
        if not program.capability:
            # Where it cannot be removed, other strategies judge whether it is in their way.
            return not program.obstacle
        if not self._may_take(case):
            return False
        held = parse_text(program.capability)
        return CAP_NET_BIND_SERVICE in held.permitted | held.inheritable

    def _may_take(self, case: Case) -> bool:
        """Also for a removal that names this strategy."""
        return case.may_take_attribute or case.service.strategy == self.name

    def stands(self, case: Case) -> bool:
        return _works_by_others(case) and not self._may_take(case)

    def against_next_start(self, case: Case) -> tuple[Reason, ...]:
        """What nobody should be granted works all the same where it is there."""
        program = case.granted_file
        there = program is not None and program.binds
        return tuple(it for it in self.blockers(case) if not (there and it.code == "program_refused"))

    def left_alone(self, case: Case) -> str:
        if self._may_take(case):
            return comes_back(case) if case.service.state == "absent" else ""
        also, program = _executed_too(case), case.granted_file
        shared = program is not None and program.shared_interpreter
        way = "name another strategy, such as ambient, to have it replaced" if shared else _MANAGED
        return f"{_foreign(case)}, and keeps it{also and f'; {also}'}; {way}"

    def taken_over(self, case: Case, *, removed: bool) -> str:
        if case.grants_attribute or not self._may_take(case) or not _foreign(case):
            return ""
        also = _executed_too(case)
        if not removed:
            return f"{_foreign(case)}; a strategy is named, so it is managed, and taken back with the service"
        lost = f"; {also}, and whoever executes it is without it after the next start" if also else ""
        return f"{_foreign(case)}; a strategy is named, so it is taken away{lost}"

    def holds(self, case: Case) -> frozenset[str]:
        program = case.facts.program
        return frozenset() if program is None else frozenset((program.real_path, *keep.paths(program.real_path)))

    def pending(self, case: Case) -> tuple[str, ...]:
        program = case.granted_file
        steps: tuple[str, ...] = () if program is not None and program.binds else ("xattr",)
        return steps + _keep_step(case) + self.process_steps(case, changing=bool(steps) or case.granted_now)

    def expects(self, case: Case) -> Expected:
        """The capability in effect, beside the file's others; exec clears the ambient set for such a file."""
        given = frozenset({CAPABILITY})
        most = exec_gives(case)
        return Expected(
            least=CapabilitySets(effective=given, permitted=given),
            most=CapabilitySets(effective=most.effective | given, permitted=most.permitted | given),
        )

    def volatile(self, case: Case) -> str:
        program = case.facts.program
        if program is None or not boot.forgets(program.real_path):
            return ""
        return f"a boot forgets {program.real_path}, and its capability with it"

    def shares(self, case: Case, other: Case) -> bool:
        """An empty attribute serves nobody, and breaks ambient."""
        program = case.granted_file
        return case.same_program(other) and program is not None and bool(program.capability)

    def excludes(self, case: Case, other: Case, strategy: Strategy) -> str:
        if strategy.lost_by_file_capability and case.same_program(other):
            return "its program is {}, and a file capability voids ambient and authbind; give both the same strategy"
        return ""

    def desired(self, case: Case, planned: Desired) -> Desired:
        program = case.granted_file
        if program is None:
            return Desired()
        value = _merged(_attribute(program, planned))
        attribute = Attribute(path=program.real_path, value=value)
        return merged(Desired(attributes=(attribute,)), _kept(case, program, value=value))

    def absent(self, case: Case, planned: Desired) -> Desired:
        program = case.granted_file
        if program is None:
            return Desired()
        left = _without(_attribute(program, planned))
        # What cannot be read is not known to be ours.
        attributes = () if "capability" in case.facts.unread else (Attribute(path=program.real_path, value=left),)
        return merged(Desired(attributes=attributes), _unkept(program))


def _works_by_others(case: Case) -> bool:
    program = case.granted_file
    return program is not None and program.binds and not program.nosuid and not case.grants_attribute


def _foreign(case: Case) -> str:
    """The beginning of a sentence on a file capability that is not the collection's; '' where there is none."""
    program = case.granted_file
    if program is None or not program.capability or case.grants_attribute:
        return ""
    return f"{program.real_path} has {program.capability}, which this collection did not grant"


def _executed_too(case: Case) -> str:
    """Which other units execute the program, '' for none."""
    program, unit = case.granted_file, case.facts.unit
    others = [it for it in program.executed_by if unit is None or it != unit.name] if program else []
    if not others:
        return ""
    return f"{', '.join(others)} {'execute' if others[1:] else 'executes'} it too"


def _of_namespace(program: Program) -> tuple[Reason, ...]:
    """One attribute cannot serve two user namespaces (capabilities(7), "Namespaced file capabilities")."""
    existing = _read(program.attribute)
    if existing is None or not existing.foreign:
        return ()
    text = "its file capability is for another user namespace, where a container may need it; remove it first"
    return (Reason("other_namespace", text, f"{program.real_path} {describe(existing)}"),)


def _unkeepable(case: Case) -> tuple[Reason, ...]:
    program = case.facts.program
    if not case.service.keep or program is None:
        return ()
    if case.host.systemd is None:
        text = "keep is true, but systemd does not run this host; run this again after each upgrade instead"
        return (Reason("not_kept", text, "no /run/systemd/system"),)
    return (Reason("not_kept", program.unkept, program.real_path),) if program.unkept else ()


def _attribute(program: Program, planned: Desired) -> str | None:
    """The attribute of the program's file once what is planned is done."""
    before = {it.path: it.value for it in planned.attributes}
    return before.get(program.real_path, program.attribute)


def _read(attribute: str | None) -> FileCapabilities | None:
    return None if attribute is None else parse_xattr(bytes.fromhex(attribute))


def _merged(attribute: str | None) -> str:
    """The attribute with our capability in it, and what others have put there."""
    existing = _read(attribute)
    outcome = outcome_present(existing, wanted=parse_text(DEFAULT_TEXT), keep_others=True)
    return attribute if attribute is not None and same(existing, outcome) else format_xattr(outcome).hex()


def _without(attribute: str | None) -> str | None:
    """The attribute without our capability; None where nothing is left in it."""
    existing = _read(attribute)
    outcome = outcome_absent(existing, unwanted=parse_text(DEFAULT_TEXT), text=DEFAULT_TEXT)
    if outcome is None:
        return None
    return attribute if same(existing, outcome) else format_xattr(outcome).hex()


def _keep_step(case: Case) -> tuple[str, ...]:
    """'keep' when the host is to give the capability back after an upgrade, or no more, and does otherwise."""
    program, wanted = case.facts.program, case.service.keep
    if program is None or wanted is None:
        return ()
    return () if program.kept == (KEPT if wanted else NOT_KEPT) else ("keep",)


def _kept(case: Case, program: Program, *, value: str) -> Desired:
    """The units that give the value back after an upgrade, as the service has it."""
    if not case.service.keep:
        return Desired() if case.service.keep is None else _unkept(program)
    return keep.kept(path=program.real_path, value=bytes.fromhex(value), python=case.host.python)


def _unkept(program: Program) -> Desired:
    return Desired() if program.kept == NOT_KEPT else keep.unkept(program.real_path)
