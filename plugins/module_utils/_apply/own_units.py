# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own units, and its init scripts on hosts that systemd does not run: their states and changes."""

from __future__ import annotations

import re
from typing import Dict, Mapping, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import starts
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    REDIRECT_SCRIPTS,
    SCRIPT_FOLDER,
    is_script,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import UnitState
from ansible_collections.netbind.privport.plugins.module_utils._core.process.status import parse_status
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import is_unit
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import systemd

_PROPERTIES = ("Id", "ActiveState", "NeedDaemonReload", "InvocationID")
# Where sysv-rc looks for what a boot starts; update-rc.d(8) makes the same links in 3, 4 and 5.
_AT_BOOT = "/etc/rc2.d"
# By the name of process 1 what runs them: in a container it is often the service itself, and no boot runs scripts.
# OpenRC has a script of this name, too (Debian's runit: /etc/runit/2).
_RUNNERS = {"init": "/etc/init.d/rc", "openrc-init": "/etc/init.d/rc", "runit": "/lib/runit/run_sysv_scripts"}
_WITHOUT = "/etc/runit/no.emulate.sysv"
# It starts a script's daemon and waits for it.
_SCRIPT_SECONDS = 60.0


def runs_scripts(host: Host) -> bool:
    """Whether a boot of this host, which systemd does not run, starts init scripts."""
    init = (host.read("/proc/1/comm") or "").strip()
    runner = _RUNNERS.get(init, "")
    return bool(runner) and host.status(runner) is not None and not (init == "runit" and host.status(_WITHOUT))


def states(host: Host, names: Sequence[str]) -> Dict[str, UnitState]:
    """The states of the units and scripts of these names, and of the services that supervisors start."""
    supervised = {name: starts.state(host, name) for name in names if not is_unit(name)}
    others = [name for name in names if name not in supervised]
    shown = systemd.show(host, [name for name in others if not is_script(name)], properties=_PROPERTIES)
    found = {name: _script(host, name) if is_script(name) else _unit(name, shown[name]) for name in others}
    return {**found, **supervised}


def _unit(name: str, shown: Mapping[str, str]) -> UnitState:
    return UnitState(
        path=name,
        active=shown.get("ActiveState", ""),
        invocation=shown.get("InvocationID", ""),
        unread=shown.get("NeedDaemonReload") == "yes",
    )


def _script(host: Host, name: str) -> UnitState:
    at_boot = any(re.fullmatch(r"S[0-9]{2}" + re.escape(name), entry) for entry in host.names_in(_AT_BOOT))
    if name.startswith(REDIRECT_SCRIPTS):
        # What it does the kernel tells.
        return UnitState(path=name, active="active" if at_boot else "inactive")
    daemon = _daemon(host, name)
    return UnitState(
        path=name,
        active="inactive" if daemon is None and not at_boot else "active",
        invocation="" if daemon is None else str(daemon),
        unread=at_boot is not (daemon is not None),
    )


def daemons(host: Host, names: Sequence[str]) -> Tuple[int, ...]:
    """The running processes of the scripts among these, which no control group tells apart."""
    found = (_daemon(host, name) for name in filter(is_script, names))
    return tuple(pid for pid in found if pid is not None)


def _daemon(host: Host, name: str) -> int | None:
    """The process that the script's file below /run names, where its number was not given to another since."""
    found = host.daemon(f"/run/{name}.pid")
    return found.pid if found and parse_status(found.status).name == "socat" else None


def start(host: Host, names: Sequence[str]) -> None:
    """Start them now, and scripts at every boot; systemd is told so by links. Raises HostError."""
    of_systemd = [name for name in names if not is_script(name)]
    if of_systemd:
        # It may have been started and stopped as often as anybody likes (systemd.unit(5), StartLimitBurst=).
        host.run(["systemctl", "reset-failed", "--", *of_systemd])
        host.run(["systemctl", "start", "--", *of_systemd]).checked()
    for name in filter(is_script, names):
        host.run(["update-rc.d", name, "defaults"]).checked()
        host.run([f"{SCRIPT_FOLDER}/{name}", "start"], seconds=_SCRIPT_SECONDS).checked()


def stop(host: Host, names: Sequence[str], *, alone: bool = False) -> None:
    """Stop them until the next boot; alone: what requires one of them, such as the service of a socket unit, goes on.

    A script has to be there still, or nothing of it runs. Raises HostError.
    """
    starts.bring(host, "stop", names)
    of_systemd = [name for name in names if is_unit(name) and not is_script(name)]
    if of_systemd:
        mode = ("--job-mode=ignore-dependencies",) if alone else ()
        host.run(["systemctl", "stop", *mode, "--", *of_systemd]).checked()
    for name in filter(is_script, names):
        if host.status(f"{SCRIPT_FOLDER}/{name}") is not None:
            host.run([f"{SCRIPT_FOLDER}/{name}", "stop"], seconds=_SCRIPT_SECONDS).checked()


def disable(host: Host, names: Sequence[str]) -> None:
    """Have no boot start the scripts among them. Raises HostError."""
    for name in filter(is_script, names):
        host.run(["update-rc.d", "-f", name, "remove"]).checked()
