# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the unit can execute the program at all: where it cannot, no grant helps."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown


def not_executable(case: Case) -> Reason | None:
    sentence = case.facts.not_executable
    if not sentence:
        return None
    return Reason("not_executable", f"the program does not start: {sentence}", _where(case))


def authbind_closed(case: Case) -> Reason | None:
    """authbind works on the host, but not in the unit or not for the service's user."""
    if not case.facts.authbind_closed:
        return None
    return Reason("authbind_closed", f"authbind does not work there: {case.facts.authbind_closed}", _where(case))


def wrapped(case: Case) -> Reason | None:
    """A shell or another wrapper starts what nobody can tell from the command line: a Go program, for instance."""
    unit = case.facts.unit
    if unit is None or case.service.executable or not unit.launch.wrappers or unit.launch.program:
        return None
    text = f"nobody can tell what {unit.launch.wrappers[-1]} starts; name the program as executable"
    return Unknown("wrapped", text, f"ExecStart={unit.commands[0].line[:80]} in {unit.name}")


def environment_lost(case: Case) -> Reason | None:
    """authbind(1) works by LD_PRELOAD, which sudo(8) and a login shell do not hand on."""
    unit = case.facts.unit
    if unit is None or unit.launch.environment:
        return None
    text = f"{', '.join(unit.launch.wrappers)} does not hand authbind's LD_PRELOAD to the program"
    return Reason("environment_lost", text, f"ExecStart={unit.commands[0].line[:80]} in {unit.name}")


def _where(case: Case) -> str:
    return case.facts.unit.name if case.facts.unit else f"service {case.service.name}"
