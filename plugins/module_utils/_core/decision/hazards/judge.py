# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hazards that several strategies share: what a unit, its user or its program's file do to a grant."""

from __future__ import annotations

import re
import textwrap
from typing import Callable, Optional

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason

Hazard = Callable[[Case], Optional[Reason]]


def judge(case: Case, hazards: tuple[Hazard, ...]) -> tuple[Reason, ...]:
    """The reasons of those hazards that are there, in the order of the hazards."""
    return tuple(reason for reason in (hazard(case) for hazard in hazards) if reason is not None)


# What systemctl shows under a name that no unit file has: PrivateUsersEx, EnvironmentFiles.
_NOT_IN_FILES = re.compile(r"(?<=[a-z])Ex\Z|(?<=EnvironmentFile)s\Z")


def said(unit: Unit, name: str) -> str:
    """A property of a unit as evidence, as its files write it."""
    # A filter names hundreds of system calls.
    value = textwrap.shorten(unit.says(name), 80, placeholder=" …")
    # Of what a supervisor starts the unit around it says so.
    return f"{_NOT_IN_FILES.sub('', name)}={value} in {unit.says('Around') or unit.name}"
