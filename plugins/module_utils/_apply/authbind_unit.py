# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit whose commands run through authbind, by its drop-in."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import managed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Entry
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import dropin as dropins
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import dropin_path, render_authbind
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import units


class UnitChange(NamedTuple):
    """A unit's properties as they are, what its drop-in is to become, and whether that is there and not in force."""

    properties: Mapping[str, str]
    dropin: Entry
    unread: bool
    present: bool

    @property
    def unit(self) -> str:
        return self.properties["Id"]

    def require_in_force(self, host: Host) -> None:
        """Raises HostError where systemd does not have the drop-in."""
        if self.present:
            units.require_in_force(host, self.unit, dropin=self.dropin.path, holds=_runs_through_authbind)

    def restart_required(self, host: Host) -> bool:
        """Whether the running process was started otherwise."""
        process = units.main_process(host, self.properties)
        return process is not None and process.authbind is not self.present


def plan_unit(host: Host, *, unit: str, dropin: str, deep: bool, user: str | None, state: str) -> UnitChange:
    """What the unit's drop-in is to become. Raises PrivportError."""
    properties = units.show_unit(host, unit, state=state)
    unit, present, text = properties["Id"], state == "present", ""
    path = dropin_path(unit=unit, dropin=dropin)
    if present:
        _check_user(user, properties=properties, host=host)
        commands = units.commands(host, properties, own_dropin=path).get("ExecStart", ())
        if not commands:
            raise Refused(f"unit is {unit!r}, which has no ExecStart= that could run through authbind")
        text = render_authbind(program=host.which("authbind") or "", commands=commands, deep=deep)
    unread = not _runs_through_authbind(properties) if present else units.is_unread_removal(host, path, properties)
    entry = dropins.entry(managed.entry_at(host, path), text, strategy="authbind")
    return UnitChange(properties=properties, dropin=entry, unread=unread, present=present)


def _check_user(user: str | None, *, properties: Mapping[str, str], host: Host) -> None:
    """Refuse rules for another user than the unit's, whose program they would not reach. Raises InvalidInput."""
    asked = host.account(user) if user is not None else None
    runs_as = host.account(properties.get("User", ""))
    if asked is not None and runs_as is not None and asked.pw_uid != runs_as.pw_uid:
        raise InvalidInput(f"user is {user!r}, but {properties['Id']} runs as {runs_as.pw_name!r}; name that user")


def _runs_through_authbind(properties: Mapping[str, str]) -> bool:
    return "/authbind ;" in properties.get("ExecStart", "")
