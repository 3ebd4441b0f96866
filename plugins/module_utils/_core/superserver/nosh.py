# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nosh as the one that starts a program for each connection: why it is refused."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import Ground, Request, Server


class Nosh(Server):
    name = "nosh"
    package = "nosh"

    def obstacle(self, request: Request, ground: Ground) -> Optional[Reason]:
        return Reason(
            "server_unsupported",
            "nosh, which Debian does not ship, is not set up here; say superserver: systemd, or write the run script "
            "of docs/superservers.md yourself",
            ground.programs.get(self.name, "no tcp-socket-listen"),
        )
