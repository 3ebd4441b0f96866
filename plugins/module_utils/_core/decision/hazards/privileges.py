# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a program from gaining privileges when it starts (capabilities(7), no_new_privs)."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import said
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.sandbox import (
    UNSET,
    forbidden_calls,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import USER
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import IMPLIES_NO_NEW_PRIVS

# Nothing between 252 and 257 was measured, so those count as the older one.
_LAST_WITH_IMPLIED, _FIRST_WITHOUT_IMPLIED = 252, 257
# include/uapi/linux/securebits.h
_SECBIT_NOROOT = 1


def file_no_new_privs(case: Case) -> Reason | None:
    """no_new_privs, as a file capability of the program that systemd itself starts meets it.

    Ambient capabilities of the unit's own make systemd keep all that the bounding set holds until it executes the
    program, and no_new_privs forbids only what the caller does not have (capabilities(7)). So may, since systemd
    257, a setting that needs seccomp(2), where NoNewPrivileges= is said as well: of Debian's units with both some bind.
    """
    unit = case.facts.unit
    if unit is not None and unit.manager is None and _own_ambient(unit):
        return None
    reason = no_new_privs(case)
    if reason is None or unit is None or unit.manager is not None or not _keeps_until_exec(case, unit):
        return reason
    return Unknown(reason.code, f"{reason.text}, but for what systemd keeps until it executes", reason.evidence)


def _keeps_until_exec(case: Case, unit: Unit) -> bool:
    init = case.host.init
    if (case.host.systemd or 0) < _FIRST_WITHOUT_IMPLIED or (init is not None and init.no_new_privs):
        return False
    if unit.user in ("root", "0") or unit.is_on("DynamicUser") or not unit.is_on("NoNewPrivileges"):
        return False
    filters = any(unit.says(name) not in UNSET for name in IMPLIES_NO_NEW_PRIVS)
    return filters and not forbidden_calls(unit, ("capget", "capset", "prctl"))


def helper_no_new_privs(case: Case) -> Reason | None:
    """no_new_privs, as authbind meets it, which tries without its helper first."""
    unit = case.facts.unit
    return None if unit is not None and CAPABILITY in _own_ambient(unit) else no_new_privs(case)


def _own_ambient(unit: Unit) -> list[str]:
    """The ambient capabilities that the unit keeps: those of our drop-in go with it."""
    return [] if "\nAmbientCapabilities=" in unit.dropin_text else unit.says("AmbientCapabilities").split()


def no_new_privs(case: Case) -> Reason | None:
    """Neither a file capability nor a set-user-ID helper takes effect (capabilities(7), no_new_privs)."""
    unit, init = case.facts.unit, case.host.init
    text = "with no_new_privs the kernel ignores file capabilities and set-user-ID bits"
    if init is not None and init.no_new_privs:
        return Reason("no_new_privs", text, f"NoNewPrivs of process 1 ({init.name}), which every other one inherits")
    if unit is None:
        return None
    for name in ("NoNewPrivileges", "DynamicUser"):
        if unit.is_on(name):
            return Reason("no_new_privs", text, said(unit, name))
    return _implied_no_new_privs(case, unit=unit, text=text) or _of_process(unit, text=text)


def _of_process(unit: Unit, *, text: str) -> Reason | None:
    """What whoever started it set, of a service that a supervisor runs."""
    process = unit.process if unit.manager is not None else None
    if process is None or not process.status.no_new_privs:
        return None
    return Reason("process_no_new_privs", text, f"NoNewPrivs of pid {process.pid}, which {unit.name} runs")


def _implied_no_new_privs(case: Case, *, unit: Unit, text: str) -> Reason | None:
    of_user = unit.manager is not None and unit.manager.kind == USER
    # Of what a supervisor starts its process tells.
    if unit.user == "root" or (unit.manager is not None and not of_user):
        return None
    implying = [name for name in IMPLIES_NO_NEW_PRIVS if unit.says(name) not in UNSET]
    if of_user and implying:
        # Nobody unprivileged may use seccomp(2) without it.
        evidence = f"implied by {said(unit, implying[0])}, which a user's manager starts"
        return Reason("implied_no_new_privs", text, evidence)
    if (case.host.systemd or 0) >= _FIRST_WITHOUT_IMPLIED:
        # It still needs these calls, to drop its privileges after the filter is in force.
        implying = ["SystemCallFilter"] if forbidden_calls(unit, ("capget", "capset", "prctl")) else []
    if not implying:
        return None
    evidence = f"implied by {said(unit, implying[0])} under systemd {case.host.systemd}"
    if _LAST_WITH_IMPLIED < (case.host.systemd or 0) < _FIRST_WITHOUT_IMPLIED:
        return _as_its_process(unit, text=text, evidence=evidence)
    return Reason("implied_no_new_privs", text, evidence)


def _as_its_process(unit: Unit, *, text: str, evidence: str) -> Reason | None:
    """What the running process shows, for a systemd that nobody measured; one with ambient capabilities shows nothing.

    systemd sets no_new_privs by implication only where it gives none.
    """
    status = unit.process.status if unit.process else None
    if status is None or status.ambient:
        return Unknown("implied_no_new_privs", f"{text}, and whether this systemd sets it was never tried", evidence)
    return (
        Reason("implied_no_new_privs", text, f"{evidence}: NoNewPrivs of its process") if status.no_new_privs else None
    )


def secure_bits(case: Case) -> Reason | None:
    """Under SecureBits=noroot a set-user-ID root helper gets the user but no capability (capabilities(7))."""
    unit = case.facts.unit
    # systemctl shows the bits as a number.
    value = unit.says("SecureBits") if unit else ""
    # With no_new_privs the helper stays the user's, and keeps what is ambient.
    if unit is not None and CAPABILITY in _own_ambient(unit) and no_new_privs(case) is not None:
        return None
    if unit is None or not value.isdigit() or not int(value) & _SECBIT_NOROOT:
        return None
    return Reason("secure_bits", "set-user-ID root gives no capability in this unit", said(unit, "SecureBits"))
