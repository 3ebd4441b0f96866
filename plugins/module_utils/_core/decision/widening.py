# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's drop-in adds to a unit's sandbox where the description allows it: just what a grant needs."""

from __future__ import annotations

from typing import Callable, Mapping, Optional

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import sandbox
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason

_LACKS: Mapping[str, Callable[[Case], Optional[Reason]]] = {
    "bounding_set": sandbox.unit_bounding_set,
    "private_users": sandbox.unit_private_users,
}


def settings(case: Case) -> tuple[tuple[str, str], ...]:
    """The settings that the drop-in adds, each with its value; none where the unit needs none."""
    allowed = (name for name in _LACKS if name in case.service.widen)
    return tuple(sandbox.WIDENING[name] for name in allowed if _LACKS[name](case) is not None)


def in_force(case: Case) -> bool:
    """Whether systemd has the unit with all of them."""
    unit = case.unit
    return unit is None or not any(sandbox.is_narrow(unit, key) for key, _value in settings(case))


def warnings(case: Case) -> tuple[str, ...]:
    """What the unit gets beyond the grant itself."""
    told = ", ".join("=".join(it) for it in settings(case))
    unit = case.unit
    return (f"the drop-in widens the sandbox of {unit.name}: {told}",) if told and unit is not None else ()
