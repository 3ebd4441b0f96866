# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons that are tried on the fleet, each with the port that it gets there.

Usage: python3 -m field.table trixie|forky all|always prints the packages, with commas between them, for the images.
"""

from __future__ import annotations

import sys
from typing import Dict, Tuple

from . import of_datagrams, of_messages, of_web
from .daemon import Daemon

FIRST_PORT = 201
DAEMONS: Tuple[Daemon, ...] = (*of_web.DAEMONS, *of_messages.DAEMONS, *of_datagrams.DAEMONS)
PORTS: Dict[str, int] = {daemon.name: FIRST_PORT + number for number, daemon in enumerate(DAEMONS)}


def daemons_of(suite: str, *, always: bool = False) -> Tuple[Daemon, ...]:
    """Those of a release of Debian; always: only those of every run of the tests."""
    return tuple(it for it in DAEMONS if suite in it.suites and (it.always or not always))


if __name__ == "__main__":
    print(",".join(it.packages for it in daemons_of(sys.argv[1], always=sys.argv[2] == "always")))
