# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tcpsvd(8) of ipsvd as the one that starts a program for each connection."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import Request
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.supervised import Supervised


class Tcpsvd(Supervised):
    name = "tcpsvd"
    package = "ipsvd"
    can = frozenset(("only_from", "instances", "per_source", "log", "blanks", "quotes"))

    def argv(self, request: Request, *, program: str, address: str, port: Port) -> Sequence[str]:
        asked = request.options
        limits = (("-c", asked.instances), ("-C", asked.per_source))
        limited = [word for flag, most in limits if most is not None for word in (flag, str(most))]
        # It takes no name for itself.
        quiet = (*(("-v",) if asked.log else ()), "-l", "0")
        return (program, *quiet, *limited, "-u", request.user, address, str(port.number), *request.command)
