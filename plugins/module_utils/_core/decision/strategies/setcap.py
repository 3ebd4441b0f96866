# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file capability on the service's executable (capabilities(7), File capabilities)."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.keep import KEPT, NOT_KEPT
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import (
    CapabilitySets,
    Expected,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    CAP_NET_BIND_SERVICE,
    parse_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import (
    WHO_EXECUTES,
    Case,
    Reason,
    Strategy,
    exec_gives,
    process_steps,
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
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY

_HAZARDS = (
    identity.runs_as_root,
    identity.no_account,
    identity.other_user,
    execution.not_executable,
    *sandbox.IN_PROCESS,
    privileges.file_no_new_privs,
    program.image_of_root,
    program.launcher,
    program.loader_environment,
    identity.other_identity,
)


def _hazards(case: Case) -> tuple[Reason, ...]:
    program = case.facts.program
    if program is None:
        wanted = case.service.executable or "neither executable nor a unit's ExecStart= names one"
        evidence = case.facts.unread.get("program", wanted)
        return (Reason("no_program", "there is no program file to grant it to", evidence),)
    refused = tuple(Reason("program_refused", text, program.real_path) for text in program.refusals)
    if "capability" in case.facts.unread:
        refused += (Reason("unchangeable", case.facts.unread["capability"], program.real_path),)
    if program.obstacle and not program.binds:
        refused += (Reason("unchangeable", program.obstacle, program.real_path),)
    return refused + judge(case, _HAZARDS) + confinement.refused(case)


def _warnings(case: Case) -> tuple[str, ...]:
    program = case.facts.program
    if program is None or not program.open_to_all:
        return program.warnings if program else ()
    mode = f"{program.mode & 0o7777:04o}"
    wide = f"{program.real_path} has mode {mode}: every user who can execute it gets {CAPABILITY} with it"
    return (*program.warnings, f"{wide}; a group of the service's own and mode 0750 keep it to the service")


def _granted(case: Case) -> bool:
    """A file capability for ports is there, or an empty xattr, which grants nothing but breaks ambient.

    Never so for the capability of a shared interpreter: whoever set it there did it for more than this service.
    """
    program = case.facts.program
    if program is not None and program.kept != NOT_KEPT:
        return True
    if program is None or program.capability is None:
        return False
    if not program.capability:
        # Where it cannot be removed, other strategies judge whether it is in their way.
        return not program.obstacle
    held = parse_text(program.capability)
    return not program.shared_interpreter and CAP_NET_BIND_SERVICE in held.permitted | held.inheritable


def _pending(case: Case) -> tuple[str, ...]:
    program = case.facts.program
    steps: tuple[str, ...] = () if program is not None and program.binds else ("xattr",)
    return steps + _keep_step(case) + process_steps(case, changing=bool(steps), holds=_expects(case).is_met_by)


def _keep_step(case: Case) -> tuple[str, ...]:
    """'keep' when the host is to give the capability back after an upgrade, or no more, and does otherwise."""
    program, wanted = case.facts.program, case.service.keep
    if program is None or wanted is None:
        return ()
    return () if program.kept == (KEPT if wanted else NOT_KEPT) else ("keep",)


def _expects(case: Case) -> Expected:
    """The capability in effect, beside the file's others; exec clears the ambient set for such a file."""
    given = frozenset({CAPABILITY})
    most = exec_gives(case)
    return Expected(
        least=CapabilitySets(effective=given, permitted=given),
        most=CapabilitySets(effective=most.effective | given, permitted=most.permitted | given),
    )


def _why(case: Case) -> str:
    program = case.facts.program
    return f"{program.real_path if program else 'its program'} alone gets {CAPABILITY}, as a file capability"


STRATEGY = Strategy(
    name="setcap",
    hazards=_hazards,
    why=_why,
    warnings=_warnings,
    granted=_granted,
    pending=_pending,
    expects=_expects,
    audience=WHO_EXECUTES,
    # systemd or a forwarder holds the port then.
    voided_by=("socket", "forward"),
)
