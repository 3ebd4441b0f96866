# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's logs hold of a unit that fails. What explains a failure must not become one."""

from __future__ import annotations

import posixpath
import re
import time
from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import is_unit
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.denials import last_denials

LINES = 30
# A refusal that is older is that of another failure.
_DENIALS_SECONDS = 600.0
_COMM_LENGTH = 15


def last_lines(host: Host, unit: str, *, since: float = 0) -> tuple[str, ...]:
    """The last lines of a unit, its messages and systemd's on it, oldest first; none where they cannot be read.

    since: no older ones than of this second of time.time().
    """
    if host.which("journalctl") is None or not is_unit(unit):
        return ()
    options = ["--quiet", "--no-pager", "--output=short-iso", f"--lines={LINES}"]
    options += [f"--since=@{since:.0f}"] if since else []
    try:
        said = host.run(["journalctl", *options, f"--unit={unit}"])
    except HostError:
        return ()
    return tuple(line for line in said.stdout.split("\n") if line.strip()) if said.rc == 0 else ()


def denials(host: Host, *, program: str, lines: Sequence[str]) -> tuple[str, ...]:
    """What SELinux or AppArmor refused of late to a program, or to a process that logged one of these lines."""
    pids = {int(pid) for line in lines for pid in re.findall(r"\[(\d{1,10})\]: ", line)} - {1}
    # proc_pid_comm(5): names are cut.
    comms = {posixpath.basename(program)[:_COMM_LENGTH]} if program else set()
    try:
        found = last_denials(host, since=time.time() - _DENIALS_SECONDS, pids=pids, comms=comms)
    except PrivportError:
        return ()
    return tuple(map(str, found))
