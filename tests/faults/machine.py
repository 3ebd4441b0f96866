# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of the machine that Ansible runs on."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Dict, List


def end() -> None:
    """Kill this process and all that it started. Ansible's workers have sessions of their own."""
    for pid in [*_descendants(os.getpid()), os.getpid()]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _descendants(pid: int) -> List[int]:
    children: Dict[int, List[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # proc_pid_stat(5): the name in parentheses may hold anything.
            parent = int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for it in found:
        found += children.get(it, [])
    return found[1:]
