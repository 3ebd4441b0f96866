#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_ambient
short_description: Give a systemd unit ambient capabilities by a drop-in
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Writes C(/etc/systemd/system/UNIT.d/50-privport.conf), has systemd read it, and reads back from systemd that the
    capabilities are in force. No other file is ever written.
  - Does not restart the unit. RV(restart_required) tells whether its running process lacks what was granted.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.changes
options:
  unit:
    description: The service unit, such as V(caddy.service). C(.service) may be left out.
    type: str
    required: true
  capabilities:
    description: The capabilities, by name.
    type: list
    elements: str
    default: [cap_net_bind_service]
  bounding_set:
    description:
      - Also restrict the unit to these capabilities. Never done unless asked for, because services that call
        C(sudo) or C(mount) break.
    type: list
    elements: str
    default: []
  user:
    description: Also set C(User=), for a unit that would run as root.
    type: str
    default: ''
  dropin:
    description: The name of the drop-in, without C(.conf).
    type: str
    default: 50-privport
  state:
    description: Whether the unit is to have the drop-in.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Needs root and a host that systemd runs, version 229 or later.
  - Children of the service inherit ambient capabilities.
  - An ambient capability is of no use to a program that has file capabilities of its own, even an empty set, or that
    is set-user-ID. The kernel clears the ambient set when such a program starts.
seealso:
  - module: netbind.privport.privport_setcap
  - module: netbind.privport.privport_authbind
"""

EXAMPLES = r"""
- name: Let caddy bind ports 80 and 443
  netbind.privport.privport_ambient:
    unit: caddy.service
  register: granted

- name: Restart it only when its process lacks the capability
  ansible.builtin.systemd_service:
    name: caddy.service
    state: restarted
  when: granted.restart_required

- name: Take the drop-in away
  netbind.privport.privport_ambient:
    unit: caddy.service
    state: absent
"""

RETURN = r"""
unit:
  description: The unit's full name. An alias is resolved.
  returned: success
  type: str
  sample: caddy.service
dropin_path:
  description: The drop-in's path.
  returned: success
  type: str
  sample: /etc/systemd/system/caddy.service.d/50-privport.conf
restart_required:
  description:
    - Whether the unit's running process lacks a capability that was granted, still holds one that was taken away, or
      runs as another user than O(user).
    - Read from the process, whatever RV(ignore:changed) says. V(false) when nothing runs.
  returned: success
  type: bool
"""

from functools import partial
from typing import Any, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._apply import managed, task
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import name_of, parse_name
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, Entry
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    InvalidInput,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.options import words
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import dropin
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import unit_name
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    dropin_path,
    parse_own_dropin,
    render_ambient,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.accounts import User
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module
from ansible_collections.netbind.privport.plugins.module_utils._observe import units


def run(params: Mapping[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises PrivportError; then the drop-in is what it was before."""
    asked = unit_name(params["unit"], where="unit")
    capabilities = _names(params["capabilities"], where="capabilities")
    if not capabilities:
        raise InvalidInput("capabilities is empty; leave it out for cap_net_bind_service, or use state: absent")
    present = params["state"] == "present"
    properties = units.show_unit(host, asked, state=params["state"])
    unit = properties["Id"]
    path = dropin_path(unit=unit, dropin=params["dropin"])
    before = managed.entry_at(host, path)
    of_root = _of_root(host, properties, before=before) if present and params["user"] else {}
    text = _wanted(params, capabilities=capabilities, host=host, of_root=of_root) if present else ""
    # A set that the drop-in itself brought is about to be replaced.
    if present and "CapabilityBoundingSet" not in before.content + text:
        _require_bounding_set(properties, capabilities)
    # What is in place and not in force was written by a run that ended before systemd read it.
    in_force = partial(_in_force, capabilities=capabilities, user=params["user"])
    applied = task.apply(
        host,
        Desired(entries=(dropin.entry(before, text, strategy="ambient"),)),
        check_mode=check_mode,
        anew=not in_force(properties) if present else units.is_unread_removal(host, path, properties),
        verify=lambda: units.require_in_force(host, unit, dropin=path, holds=in_force) if present else None,
    )
    if applied.changed and not check_mode:
        properties = units.show_unit(host, unit, state=params["state"])
    granted = set(capabilities) if present else set()
    held = set(properties.get("AmbientCapabilities", "").split())
    foreseen = (held - _own(before) - set(capabilities)) | granted
    return {
        "changed": applied.changed,
        "diff": applied.diffs,
        "unit": unit,
        "dropin_path": path,
        "restart_required": _restart_required(
            units.main_process(host, properties),
            granted=granted,
            in_systemd=foreseen if check_mode and applied.changed else held,
            user=host.account(params["user"]) if present else None,
        ),
    }


def _names(given: Sequence[str], *, where: str) -> list[str]:
    written = words(given, where=where, example="[cap_net_bind_service]")
    try:
        return sorted({name_of(parse_name(name)) for name in written})
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from error


def _of_root(host: Host, properties: Mapping[str, str], *, before: Entry) -> Mapping[str, Sequence[Command]]:
    """The commands of a unit of root's that stay root's where the drop-in sets another user."""
    own = parse_own_dropin(before.content)
    if properties.get("User", "") not in ("", "root", "0") and not (own and own.first("User")):
        return {}
    found = units.commands(host, properties, own_dropin=before.path)
    return {name: commands for name, commands in found.items() if name != "ExecStart"}


def _wanted(
    params: Mapping[str, Any],
    *,
    capabilities: Sequence[str],
    host: Host,
    of_root: Mapping[str, Sequence[Command]],
) -> str:
    bounding_set = _names(params["bounding_set"], where="bounding_set")
    outside = [name for name in capabilities if bounding_set and name not in bounding_set]
    if outside:
        raise InvalidInput(f"bounding_set lacks {outside[0]}, which capabilities grants; add it to bounding_set")
    user = params["user"]
    if user and host.account(user) is None:
        raise InvalidInput(f"user is {user!r}, which does not exist on this host; create it first")
    return render_ambient(capabilities=capabilities, bounding_set=bounding_set, user=user, of_root=of_root)


def _require_bounding_set(properties: Mapping[str, str], capabilities: Sequence[str]) -> None:
    """Refuse what the unit may never have (systemd.exec(5), CapabilityBoundingSet=): it would be granted in vain."""
    bounding = properties.get("CapabilityBoundingSet")
    beyond = [name for name in capabilities if bounding is not None and name not in bounding.split()]
    if beyond:
        raise Refused(
            f"unit is {properties['Id']!r}, whose CapabilityBoundingSet= lacks {beyond[0]}, which would be granted in "
            "vain; add it there, or give the option bounding_set"
        )


def _in_force(properties: Mapping[str, str], *, capabilities: Sequence[str], user: str) -> bool:
    granted = properties.get("AmbientCapabilities", "").split()
    return set(capabilities) <= set(granted) and user in ("", properties.get("User", ""))


def _own(before: Entry) -> set[str]:
    """The capabilities that the drop-in of the collection gave before."""
    own = parse_own_dropin(before.content)
    return set(own.first("AmbientCapabilities").lower().split()) if own else set()


def _restart_required(process: Process | None, *, granted: set[str], in_systemd: set[str], user: User | None) -> bool:
    """Whether the running process lacks what is granted, still holds what is not, or is another user's.

    in_systemd: every capability that systemd gives to the unit's next process.
    """
    if process is None:
        return False
    held = set(process.status.ambient)
    return not granted <= held <= in_systemd or (user is not None and process.status.uid != user.pw_uid)


def main() -> None:
    run_module(
        run,
        host=Host(),
        locks=True,
        argument_spec={
            "unit": {"type": "str", "required": True},
            "capabilities": {"type": "list", "elements": "str", "default": ["cap_net_bind_service"]},
            "bounding_set": {"type": "list", "elements": "str", "default": []},
            "user": {"type": "str", "default": ""},
            "dropin": {"type": "str", "default": "50-privport"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    )


if __name__ == "__main__":
    main()
