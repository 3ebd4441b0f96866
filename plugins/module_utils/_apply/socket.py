# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's socket unit on a host: looked at, put in place and taken away, and the service left running."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional

from ansible_collections.netbind.privport.plugins.module_utils._apply import managed, task
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, merged, without
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import dropin
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import socket_unit as core
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    DROPIN_NAME,
    dropin_path,
    launch_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import installed, units
from ansible_collections.netbind.privport.plugins.module_utils._observe.program import takes_sockets

# systemd.resource-control(5), IPAddressAllow=: without the one hierarchy systemd leaves it out.
_ONE_HIERARCHY = "/sys/fs/cgroup/cgroup.controllers"


def observe(host: Host, _service: Service, unit: Optional[Unit]) -> Installed:
    """What there is of the unit's socket unit."""
    if unit is None:
        return Installed()
    paths = core.paths(unit.name)
    # Most services have none, and systemd need not be asked.
    if not any(_is_there(host, path) or host.leftovers(path) for path in (*paths, *core.paths_elsewhere(unit.name))):
        return Installed(paths=paths, units=(core.socket_name(unit.name),))
    return look(host, unit.name)


def look(host: Host, unit: str) -> Installed:
    """What there is of a unit's socket unit. Where it is somebody else's, nothing of it is ours to start or stop."""
    paths = core.paths(unit)
    found = installed.look(host, paths=paths, names=[core.socket_name(unit)])
    foreign = (*found.foreign, *(path for path in core.paths_elsewhere(unit) if _is_there(host, path)))
    if not foreign:
        return found
    theirs = (*foreign, *(it.path for it in found.files))
    return Installed(paths=paths, foreign=theirs, leftovers=found.leftovers)


def _is_there(host: Host, path: str) -> bool:
    return host.status_of_itself(path) is not None


class SocketPlan(NamedTuple):
    """What is to become of the socket unit and the drop-in of a service unit.

    requires: whether systemd holds the service to the socket unit now. found is what there is of the socket unit.
    """

    unit: str
    requires: bool
    present: bool
    found: Installed
    desired: Desired

    @property
    def dropin_path(self) -> str:
        return dropin_path(unit=self.unit, dropin=DROPIN_NAME)


def plan_present(host: Host, properties: Mapping[str, str], *, handed: core.Handed) -> SocketPlan:
    """How the unit comes to be handed its sockets. Raises PrivportError for what cannot work."""
    refusal = core.refusal(handed.options)
    if refusal:
        raise Refused(refusal)
    if handed.options.address_deny and host.read(_ONE_HIERARCHY) is None:
        raise Refused(f"address_deny is given, which systemd ignores on a host without {_ONE_HIERARCHY}; leave it out")
    _require_taker(host, handed.program)
    found = look(host, handed.unit)
    if found.foreign:
        raise Refused(core.foreign_text(core.socket_name(handed.unit), path=found.foreign[0]))
    return _plan(properties, found=found, desired=handed.desired(found), present=True)


def plan_absent(host: Host, properties: Mapping[str, str]) -> SocketPlan:
    """How the unit comes to be without."""
    unit = properties["Id"]
    found = look(host, unit)
    now = managed.entry_at(host, dropin_path(unit=unit, dropin=DROPIN_NAME))
    gone = Desired(entries=(dropin.entry(now, "", strategy="socket"),))
    return _plan(properties, found=found, desired=merged(gone, without(found)), present=False)


def _plan(properties: Mapping[str, str], *, found: Installed, desired: Desired, present: bool) -> SocketPlan:
    unit = properties["Id"]
    requires = core.socket_name(unit) in properties.get("Requires", "").split()
    return SocketPlan(unit=unit, requires=requires, present=present, found=found, desired=desired)


def program_of(host: Host, properties: Mapping[str, str]) -> str:
    """What a unit starts in the end, as it is written there; '' where that cannot be told."""
    own = dropin_path(unit=properties["Id"], dropin=DROPIN_NAME)
    return launch_of(units.commands(host, properties, own_dropin=own).get("ExecStart", ()), properties).program


def _require_taker(host: Host, program: str) -> None:
    path = host.resolve(program) if program.startswith("/") else ""
    if path and host.status(path) is not None:
        with host.open_regular(path) as file:
            takes = takes_sockets(file)
        if takes is False:
            raise Refused(core.takes_none_text(path))


def apply(host: Host, planned: SocketPlan, *, check_mode: bool) -> task.Applied:
    """Put everything in place, or take it away; the service goes on with the sockets that it has.

    Raises PrivportError; then it is as it was, but a socket unit that had to be stopped waits for the service's next
    start.
    """
    socket = core.socket_name(planned.unit)
    return task.apply(
        host,
        planned.desired,
        check_mode=check_mode,
        # What is in place and not in force was written by a run that ended before systemd read it.
        anew=planned.requires is not planned.present,
        verify=lambda: units.require_in_force(
            host,
            planned.unit,
            dropin=planned.dropin_path,
            holds=lambda now: (socket in now.get("Requires", "").split()) is planned.present,
        ),
        waiting=(socket,),
    )
