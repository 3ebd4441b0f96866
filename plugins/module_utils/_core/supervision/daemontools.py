# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemontools: svstat(8) and svc(8)."""

from __future__ import annotations

from typing import Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.folders import FolderSupervisor


class Daemontools(FolderSupervisor):
    kind = "daemontools"
    units = ("daemontools.service", "svscan.service")

    def commands(self, verb: str, place: str) -> Tuple[Tuple[str, ...], ...]:
        return (("svc", {"restart": "-tcu", "start": "-u", "stop": "-d"}[verb], place),)
