# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""s6: s6-svstat and s6-svc. Which folder s6-svscan watches is each host's own; Debian's package starts none."""

from __future__ import annotations

from typing import Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.folders import FolderSupervisor


class S6(FolderSupervisor):
    kind = "s6"
    units = ("s6.service", "s6-svscan.service")
    roots = ("/run/service", "/var/run/s6/services", "/run/s6/services", "/etc/service", "/service")

    def commands(self, verb: str, place: str) -> Tuple[Tuple[str, ...], ...]:
        return (("s6-svc", {"restart": "-ru", "start": "-u", "stop": "-d"}[verb], place),)
