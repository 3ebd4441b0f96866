# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""runit: sv(8)."""

from __future__ import annotations

from typing import Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.folders import FolderSupervisor


class Runit(FolderSupervisor):
    """sv restart and sv start wait for seven seconds; the letters do not."""

    kind = "runit"
    units = ("runit.service", "runsvdir.service")
    roots = ("/etc/service", "/var/service", "/service", "/run/runit/service")

    def commands(self, verb: str, place: str) -> Tuple[Tuple[str, ...], ...]:
        letters = {"restart": ("term", "cont", "up"), "start": ("up",), "stop": ("down",)}
        return tuple(("sv", letter, place) for letter in letters[verb])
