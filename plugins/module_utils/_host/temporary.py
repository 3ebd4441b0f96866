# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The temporary names of changes that are under way; a part of the seam to the machine.

They follow from the path alone: what a killed process leaves is known by its name.
"""

from __future__ import annotations

import hashlib
import os
from typing import Tuple

# Neither systemd (*.conf) nor authbind (a port's number) reads a file of such a name.
TEMPORARY = ".privport-"


def temporaries(path: str) -> Tuple[str, str]:
    """The temporary names for a path: in its folder, and beside its folder while that is not there."""
    folder = os.path.dirname(path)
    # A hash, because a unit's name can be as long as a file's name may be.
    name = TEMPORARY + hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return os.path.join(folder, name), os.path.join(os.path.dirname(folder), name)


def leftovers(path: str) -> Tuple[str, ...]:
    """The temporary files that a killed process left of a change to path."""
    return tuple(name for name in temporaries(path) if os.path.lexists(name))
