# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of supervisors on the host, in the words of systemd: each is a unit with another name."""

from __future__ import annotations

import posixpath
from typing import Iterable, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision import openrc_settings
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import (
    USER,
    Manager,
    manager_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.registry import SUPERVISORS
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import unit as units
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.processes import read_process
from ansible_collections.netbind.privport.plugins.module_utils._observe.systemd import PROPERTIES, Seen, systemd_version
from ansible_collections.netbind.privport.plugins.module_utils._observe.systemd import look as look_at_units

# What concerns the supervisor alone, and not what it starts.
_ITS_OWN = (
    *("Id", "LoadState", "ActiveState", "SubState", "Type", "RemainAfterExit", "TriggeredBy", "UnitFileState"),
    *("FragmentPath", "DropInPaths", "NeedDaemonReload", "MainPID", "Result", "ExecMainStatus", "NRestarts", "Job"),
    *("Restart", "RefuseManualStart", "RefuseManualStop", "WantedBy", "RequiredBy", "Requires", "ExecStart", "User"),
    *("Group", "DynamicUser", "Environment", "EnvironmentFiles", "SupplementaryGroups", "AmbientCapabilities"),
)
_SHELLS = ("sh", "bash", "dash", "busybox")


def look(host: Host, names: Iterable[str]) -> dict[str, Seen]:
    """Those of these names that stand for a supervisor's service: what it says of each, as systemd.look() of units."""
    managers = [it for it in map(manager_of, names) if it is not None]
    return {str(it): _look(host, it) for it in managers}


def _look(host: Host, manager: Manager) -> Seen:
    answer = host.supervised(manager.kind, manager.name)
    properties = units.parse_show(answer.text)[0]
    return Seen(properties, answer.processes.get(int(properties.get("MainPID") or 0)))


def unit_of(host: Host, seen: Seen, *, user: str) -> Unit:
    """The service as a unit: with the sandbox that its process has, or that it would have of its supervisor.

    user: the one that somebody says it runs as, '' for none.
    """
    properties, manager = seen.properties, manager_of(seen.properties["Id"])
    line = properties.get("Command", "")
    commands = (Command(prefix="", line=line),) if line else ()
    process = read_process(seen.main) if seen.main else None
    launch = units.launch_of(commands, {})
    around = _around(host, properties["Id"], unit=process.unit if process else "")
    own = {**{key: value for key, value in around.items() if key not in _ITS_OWN}, **properties}
    # Whose settings these are, where they are not its own.
    own["Around"] = around.get("Id", "")
    if process is not None:
        # It has what all of them left it.
        own["CapabilityBoundingSet"] = " ".join(process.status.bounding)
        own["AmbientCapabilities"] = " ".join(process.status.ambient)
    told = user if process is None else process.user or str(process.status.uid)
    own["User"] = properties.get("User", "") or ("" if launch.program else told) or around.get("User", "") or "root"
    path = openrc_settings.path(manager.name) if manager is not None and manager.kind == "openrc" else ""
    text, left = (host.unit_file(path) or "", host.leftovers(path)) if path else ("", ())
    dropin = units.parse_own_dropin(text)
    if dropin is not None:
        own["AmbientCapabilities"] = CAPABILITY
    return Unit(
        name=properties["Id"],
        template="",
        properties=own,
        commands=commands,
        other_commands={},
        dropin_strategy=dropin.strategy if dropin else "",
        dropin_user="",
        dropin_text=text,
        overriding={},
        interrupted=bool(left),
        leftovers=left,
        foreign_dropin="",
        capability_files=(),
        narrow=(),
        process=process,
    )


def executed(unit: Unit) -> str:
    """The program of a service of which its command does not tell that: what its process executes; '' for none."""
    path = unit.process.executable if unit.process else ""
    return "" if posixpath.basename(path) in _SHELLS else path


def _around(host: Host, name: str, *, unit: str) -> Mapping[str, str]:
    """The properties of the unit that runs the supervisor; none where systemd does not run the host."""
    manager = manager_of(name)
    if systemd_version(host) is None or manager is None or manager.kind == USER:
        return {}
    names = [unit] if unit.endswith(".service") else list(SUPERVISORS[manager.kind].units)
    shown = look_at_units(host, names, properties=PROPERTIES).values()
    return next((it.properties for it in shown if it.properties.get("LoadState") == "loaded"), {})
