# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tcpserver(1) of ucspi-tcp as the one that starts a program for each connection."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import Request
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.supervised import Supervised


class Tcpserver(Supervised):
    name = "tcpserver"
    package = "ucspi-tcp"
    can = frozenset(("only_from", "instances", "log", "blanks", "quotes"))

    def argv(self, request: Request, *, program: str, address: str, port: Port) -> Sequence[str]:
        asked = request.options
        limit = () if asked.instances is None else ("-c", str(asked.instances))
        # It asks no name server and no client who the client is, and takes no name for itself.
        quiet = ("-v" if asked.log else "-q", "-H", "-R", "-l", "0")
        user = ("-u", str(request.uid), "-g", str(request.gid))
        return (program, *quiet, *limit, *user, address, str(port.number), *request.command)
