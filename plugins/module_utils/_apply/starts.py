# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that a supervisor starts: started, restarted and stopped by its own means."""

from __future__ import annotations

import time
from typing import Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import UnitState
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import (
    is_unit,
    manager_of,
    tells_pid,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.registry import SUPERVISORS
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.supervisors import files_of
from ansible_collections.netbind.privport.plugins.module_utils._observe import supervision

# Some wait until the daemon runs, or ends.
_SECONDS = 90.0
# Others come back at once, and who asks them then is told of the process that is about to end.
_STARTING_SECONDS = 10.0
_PAUSE_SECONDS = 0.1


def bring(host: Host, verb: str, names: Sequence[str]) -> None:
    """'start', 'restart' or 'stop' the services of supervisors among these names. Raises HostError."""
    before = {name: state(host, name) for name in names if not is_unit(name)}
    for manager in filter(None, map(manager_of, before)):
        supervisor = SUPERVISORS[manager.kind]
        place = supervisor.place(manager.name, files_of(host))
        for argv in supervisor.commands(verb, place):
            done = host.run(argv, seconds=_SECONDS)
            if not supervisor.forgives(done.stdout + done.stderr):
                done.checked()
    if verb != "stop":
        _await(host, {name: was for name, was in before.items() if tells_pid(name)})


def _await(host: Host, before: Mapping[str, UnitState]) -> None:
    """Wait until each has another process than before, or is not to have one."""
    deadline = time.monotonic() + _STARTING_SECONDS
    while before and time.monotonic() < deadline:
        host.begin()
        now = {name: state(host, name) for name in before}
        before = {
            name: was for name, was in before.items() if now[name].runs and now[name].invocation in ("", was.invocation)
        }
        time.sleep(_PAUSE_SECONDS if before else 0)


def state(host: Host, name: str) -> UnitState:
    """The state of a supervisor's service as that of a unit: its process is another one after every start."""
    seen = supervision.look(host, [name])[name]
    return UnitState(
        path=name,
        active=seen.properties.get("ActiveState", ""),
        invocation=str(seen.main.pid) if seen.main else "",
    )
