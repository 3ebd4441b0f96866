# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that do nothing but lead connections on: where to."""

from __future__ import annotations

import re

# systemd-socket-proxyd(8): options, then where to. socat(1): two addresses, of which the first listens.
_PROXYD = re.compile(r"/systemd-socket-proxyd(?: --?\S+(?: [0-9]\S*)?)*? (?P<to>[^-\s]\S*) *(?:;|$)")
_SOCAT = re.compile(
    r"/socat .*?\b(?:TCP|UDP)[46]?-LISTEN:\S+ (?P<to>(?:TCP|UDP|UNIX)[46]?(?:-CONNECT)?:\S+)", re.IGNORECASE
)
# The collection's own, whichever program does it.
_OWN = "privport-forward-"


def leads_to(unit: str, command: str) -> str:
    """Where the unit leads connections on, '' for any other unit. command is its ExecStart= as systemd shows it."""
    found = _PROXYD.search(command) or _SOCAT.search(command)
    if found:
        return found["to"]
    return "its backend" if unit.startswith(_OWN) else ""
