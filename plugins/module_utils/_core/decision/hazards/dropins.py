# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other drop-ins of the unit do to the one of the collection."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import sandbox
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown


def ambient_overridden(case: Case) -> Reason | None:
    unit = case.facts.unit
    # Capabilities may be given again after the reset.
    if unit is None or CAPABILITY in unit.says("AmbientCapabilities").split():
        return None
    return _overridden(case, "AmbientCapabilities")


def foreign_dropin(case: Case) -> Reason | None:
    """Another's drop-in of our name: systemd reads only one of each name, and ours never replaces another's."""
    unit = case.facts.unit
    if unit is None or not unit.foreign_dropin:
        return None
    text = "the collection's drop-in would replace or hide another one of the same name; rename that one"
    return Reason("foreign_dropin", text, unit.foreign_dropin)


def user_overridden(case: Case) -> Reason | None:
    """For a strategy whose drop-in sets User=: only a unit of root's needs that."""
    unit = case.facts.unit
    if unit is None or unit.user not in ("root", "0") or "User" not in unit.overriding:
        return None
    return _overridden(case, "User")


def command_overridden(case: Case) -> Reason | None:
    return _overridden(case, "ExecStart")


def widening_overridden(case: Case) -> Reason | None:
    """For a strategy whose drop-in widens the sandbox: what it needs of that has to come into force."""
    unit = case.facts.unit
    allowed = (sandbox.WIDENING[name][0] for name in case.service.widen)
    needed = [key for key in allowed if unit is not None and sandbox.is_narrow(unit, key)]
    return next((it for it in (_overridden(case, key) for key in needed) if it is not None), None)


def _overridden(case: Case, name: str) -> Reason | None:
    unit = case.facts.unit
    if unit is not None and "unit" in case.facts.unread:
        text = f"a drop-in that systemd reads after the collection's cannot be read, and may reset {name}="
        return Unknown("later_dropin", text, case.facts.unread["unit"])
    if unit is None or name not in unit.overriding:
        return None
    text = f"a drop-in that systemd reads after the collection's resets {name}=; remove that line"
    return Reason("later_dropin", text, unit.overriding[name])
