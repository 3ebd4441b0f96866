# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What supervisors say of services; a part of the seam to the machine.

Their files may hold passwords. The command, the user and the state leave this file, and nothing else of them.
"""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import USER, Manager
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.registry import SUPERVISORS
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.show import missing, shown
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.supervisor import (
    ACTIVE,
    INACTIVE,
    Files,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.user_manager import LINGER, RUNTIME
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.user_manager import shown as of_user
from ansible_collections.netbind.privport.plugins.module_utils._host.units import Shown, Units


def files_of(host: Units) -> Files:
    """The host as supervisors look at it."""

    def uid_of(user: str) -> int | None:
        found = host.account(user)
        return found.pw_uid if found else None

    def holds(path: str, text: str) -> bool:
        return (host.contains(path, [text]) or (False,))[0]

    return Files(host.read, host.names_in, holds, uid_of)


def _runs(host: Units, place: str) -> bool:
    """Whether a user's manager can be asked."""
    return host.status(f"{RUNTIME}/{place.partition(':')[0]}/systemd/private") is not None


def show(host: Units, kind: str, name: str) -> Shown:
    """The service of this name, as systemctl show would show it, and its main process."""
    supervisor, manager = SUPERVISORS[kind], Manager(kind, name)
    files = files_of(host)
    place = supervisor.place(name, files)
    asking = supervisor.asking(place)
    if host.which(asking[0]) is None:
        return Shown(missing(manager, f"{asking[0]} is not installed"), {})
    user = name.partition("/")[0]
    if kind == USER and not _runs(host, place):
        return Shown(missing(manager, f"the manager of {user} does not run: loginctl enable-linger {user}"), {})
    if not supervisor.rules(systemd=host.status("/run/systemd/system") is not None):
        text = f"systemd runs this host, and init scripts as units; write unit: {name}.service instead of manager"
        return Shown(missing(manager, text), {})
    done = host.run(asking)
    status = supervisor.status(
        rc=done.rc, text=done.stdout if kind == USER and not done.rc else done.stdout + done.stderr
    )
    if status.missing:
        return Shown(missing(manager, status.missing), {})
    pid = status.pid or supervisor.pid(place, files)
    process = host.process(pid) if pid else None
    if pid and process is None and status.active == ACTIVE:
        # An init script may go on saying that it started something.
        status = status._replace(active=INACTIVE, said=f"{status.said}, and its process is gone")
    if kind == USER:
        lingers = host.status(f"{LINGER}/{user}") is not None
        return Shown(of_user(manager, done.stdout, lingers=lingers), {pid: process} if process else {})
    text = shown(manager, status._replace(pid=pid if process else 0), supervisor.definition(place, files))
    return Shown(text, {pid: process} if process else {})
