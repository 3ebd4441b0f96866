# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""s6 as the one that starts a program for each connection: what it lacks."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import Ground, Request, Server


class S6(Server):
    name = "s6"
    package = "s6"

    def obstacle(self, request: Request, ground: Ground) -> Optional[Reason]:
        return Reason(
            "server_unsupported",
            "s6 takes connections by s6-tcpserver of s6-networking, which Debian does not ship; say superserver: "
            "systemd, or write the run script of docs/superservers.md yourself",
            ground.programs.get(self.name, "no s6-svscan"),
        )
