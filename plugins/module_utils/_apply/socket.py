# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's socket unit on a host: looked at, put in place and taken away, and the service left running."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import installation
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    Installation,
    Installed,
    Plan,
    plan,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    PrivportError,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import socket_unit as core
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    DROPIN_NAME,
    dropin_path,
    launch_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import units
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
    found = installation.look(host, paths=paths, names=[core.socket_name(unit)])
    foreign = (*found.foreign, *(path for path in core.paths_elsewhere(unit) if _is_there(host, path)))
    return Installed(paths=paths, foreign=foreign, leftovers=found.leftovers) if foreign else found


def _is_there(host: Host, path: str) -> bool:
    return host.status_of_itself(path) is not None


class SocketPlan(NamedTuple):
    """From the socket unit and the drop-in of a service unit as they are to what they are to be."""

    unit: str
    # Whether systemd holds the service to the socket unit now, and whether it is to.
    requires: bool
    present: bool
    files: Plan
    dropin: units.Dropin

    @property
    def socket(self) -> str:
        return core.socket_name(self.unit)

    @property
    def changed(self) -> bool:
        # What is in place and not in force was written by a run that ended before systemd read it.
        unread = self.requires is not self.present or bool(self.files.found.unread)
        return self.files.changed or self.dropin.changed or unread

    @property
    def diffs(self) -> Tuple[dict[str, str], ...]:
        return (*self.files.diffs, *([self.dropin.diff] if self.dropin.changed else []))


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
    # It starts with the service: as long as that has no socket of it, systemd refuses to start it.
    wanted = Installation(files=handed.files, units=found.active)
    return _plan(host, properties, unit=handed.unit, files=plan(found, wanted), dropin=handed.dropin)


def plan_absent(host: Host, properties: Mapping[str, str], *, unit: str) -> SocketPlan:
    """How the unit comes to be without."""
    return _plan(host, properties, unit=unit, files=plan(look(host, unit), Installation()), dropin="")


def _plan(host: Host, properties: Mapping[str, str], *, unit: str, files: Plan, dropin: str) -> SocketPlan:
    return SocketPlan(
        unit=unit,
        requires=core.socket_name(unit) in properties.get("Requires", "").split(),
        present=bool(dropin),
        files=files,
        dropin=units.plan_dropin(host, unit=unit, dropin=DROPIN_NAME, strategy="socket", wanted=dropin),
    )


def program_of(host: Host, properties: Mapping[str, str]) -> str:
    """What a unit starts in the end, as it is written there; '' where that cannot be told."""
    own = dropin_path(unit=properties["Id"], dropin=DROPIN_NAME)
    return launch_of(units.commands(host, properties, own_dropin=own)).program


def _require_taker(host: Host, program: str) -> None:
    path = host.resolve(program) if program.startswith("/") else ""
    if path and host.status(path) is not None:
        with host.open_regular(path) as file:
            takes = takes_sockets(file)
        if takes is False:
            raise Refused(core.takes_none_text(path))


def apply(host: Host, planned: SocketPlan) -> None:
    """Put everything in place, or take it away; the service goes on with the sockets that it has.

    Raises HostError; then it is as it was, but a socket unit that had to be stopped waits for the service's next start.
    """
    if planned.requires and (planned.files.changed or not planned.present):
        # systemd.unit(5), Requires=: to stop the socket unit would stop the service as well.
        _put_dropin(host, planned, text="" if planned.present else planned.dropin.after, requires=False)
    try:
        if planned.files.changed:
            _put_files(host, planned)
        _put_dropin(host, planned, text=planned.dropin.after, requires=planned.present)
    except PrivportError as failure:
        raise HostError(f"{failure}; {_take_back(host, planned)}") from failure


def _put_files(host: Host, planned: SocketPlan) -> None:
    active = planned.files.found.active
    if active:
        host.run(["systemctl", "stop", "--", *active]).checked()
    wanted = Installation(files=planned.files.wanted.files)
    installation.apply(host, plan(look(host, planned.unit), wanted))


def _put_dropin(host: Host, planned: SocketPlan, *, text: str, requires: bool) -> None:
    path = planned.dropin.path
    change = units.Dropin(path=path, before=host.read(path) or "", after=text, leftovers=planned.dropin.leftovers)
    units.install_dropin(
        host,
        change,
        unit=planned.unit,
        in_force=lambda now: (planned.socket in now.get("Requires", "").split()) is requires,
    )


def _take_back(host: Host, planned: SocketPlan) -> str:
    """Undo the change and tell how that went."""
    try:
        before = Installation(files=planned.files.found.files)
        installation.apply(host, plan(look(host, planned.unit), before))
        _put_dropin(host, planned, text=planned.dropin.before, requires=planned.requires)
    except PrivportError as failure:
        return f"the change could not be taken back: {failure}"
    return "the change was taken back"
