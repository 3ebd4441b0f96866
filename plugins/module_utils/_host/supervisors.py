# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What supervisors say of services; a part of the seam to the machine.

Their files may hold passwords. The command, the user and the state leave this file, and nothing else of them.
"""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import Manager
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.registry import SUPERVISORS
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.show import missing, shown
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.supervisor import (
    ACTIVE,
    INACTIVE,
    Files,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.units import Shown, Units


def show(host: Units, kind: str, name: str) -> Shown:
    """The service of this name, as systemctl show would show it, and its main process."""
    supervisor, manager = SUPERVISORS[kind], Manager(kind, name)
    files = Files(host.read, host.names_in, lambda path, text: (host.contains(path, [text]) or (False,))[0])
    place = supervisor.place(name, files)
    asking = supervisor.asking(place)
    if host.which(asking[0]) is None:
        return Shown(missing(manager, f"{asking[0]} is not installed"), {})
    if not supervisor.rules(systemd=host.status("/run/systemd/system") is not None):
        text = f"systemd runs this host, and init scripts as units; write unit: {name}.service instead of manager"
        return Shown(missing(manager, text), {})
    done = host.run(asking)
    status = supervisor.status(rc=done.rc, text=done.stdout + done.stderr)
    if status.missing:
        return Shown(missing(manager, status.missing), {})
    pid = status.pid or supervisor.pid(place, files)
    process = host.process(pid) if pid else None
    if pid and process is None and status.active == ACTIVE:
        # An init script may go on saying that it started something.
        status = status._replace(active=INACTIVE, said=f"{status.said}, and its process is gone")
    text = shown(manager, status._replace(pid=pid if process else 0), supervisor.definition(place, files))
    return Shown(text, {pid: process} if process else {})
