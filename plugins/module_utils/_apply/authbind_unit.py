# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit whose commands run through authbind, by its drop-in."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import dropin_path, render_authbind
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import units


class UnitChange(NamedTuple):
    """A unit's properties as they are, and its drop-in before and after."""

    properties: Mapping[str, str]
    dropin: units.Dropin


def plan_unit(host: Host, *, unit: str, dropin: str, deep: bool, user: str | None, state: str) -> UnitChange:
    """What the unit's drop-in is to become. Raises PrivportError."""
    properties = units.show_unit(host, unit, state=state)
    unit = properties["Id"]
    wanted = ""
    if state == "present":
        _check_user(user, properties=properties, host=host)
        own = dropin_path(unit=unit, dropin=dropin)
        commands = units.commands(host, properties, own_dropin=own)
        if not commands:
            raise Refused(f"unit is {unit!r}, which has no ExecStart= that could run through authbind")
        wanted = render_authbind(program=host.which("authbind") or "", commands=commands, deep=deep)
    planned = units.plan_dropin(host, unit=unit, dropin=dropin, strategy="authbind", wanted=wanted)
    return UnitChange(properties=properties, dropin=planned)


def _check_user(user: str | None, *, properties: Mapping[str, str], host: Host) -> None:
    """Refuse rules for another user than the unit's, whose program they would not reach. Raises InvalidInput."""
    asked = host.account(user) if user is not None else None
    runs_as = host.account(properties.get("User", ""))
    if asked is not None and runs_as is not None and asked.pw_uid != runs_as.pw_uid:
        raise InvalidInput(f"user is {user!r}, but {properties['Id']} runs as {runs_as.pw_name!r}; name that user")


def manage_unit(change: UnitChange, *, host: Host, state: str, check_mode: bool) -> dict[str, Any]:
    """Carries out the plan for the unit, and tells whether its process has to be started anew."""
    unit, dropin = change.properties["Id"], change.dropin
    absent = state == "absent"
    unread = units.is_unread_removal(host, dropin.path, change.properties)
    changed = dropin.changed or (unread if absent else not _runs_through_authbind(change.properties))
    if changed and not check_mode:
        units.install_dropin(host, dropin, unit=unit, in_force=lambda now: absent or _runs_through_authbind(now))
    process = units.main_process(host, change.properties)
    return {
        "changed": changed,
        "diff": dropin.diff,
        "unit": unit,
        "dropin_path": dropin.path,
        "restart_required": process is not None and process.authbind is absent,
    }


def _runs_through_authbind(properties: Mapping[str, str]) -> bool:
    return "/authbind ;" in properties.get("ExecStart", "")
