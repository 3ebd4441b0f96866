#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: privport_authbind
short_description: Let a user or group bind ports below 1024 through authbind
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Manages the rule files of authbind below C(/etc/authbind), so that just one user or one group may bind the ports.
  - Judges rules as authbind does, and refuses when the rules that exist would keep the new one from working.
  - With O(unit) it also has that unit start its program through authbind, by a drop-in.
  - Does not install authbind and does not start anything. A program without a unit must be started as
    C(authbind PROGRAM).
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.changes
options:
  ports:
    description:
      - The ports, each as V(80), V(80-89), V(80/tcp) or V(80/udp), all within 1 to 1023.
      - authbind does not tell protocols apart. A rule for V(80/udp) admits TCP as well.
    type: list
    elements: str
    required: true
  user:
    description:
      - The user who may bind, by name or number.
      - Exactly one of O(user) and O(group) is required.
    type: str
  group:
    description:
      - The group whose members may bind, by name or number. Rules by line (O(method=byuid)) cannot name groups.
    type: str
  addresses:
    description:
      - Local IPv4 and IPv6 addresses to which the permission is limited. Without any, every address is permitted.
      - V(0.0.0.0) is a bind to all of IPv4, V(::) is one to all of IPv6 or, as most programs do it, to both.
      - With O(state=absent) only rules for these very addresses are removed.
    type: list
    elements: str
    default: []
  method:
    description:
      - Which kind of rule to write. With O(state=absent), which kinds to remove.
      - V(byport) is a file for the port, executable for one user or one group. Nobody else gets the port beside them,
        because authbind asks no other rule once this file exists.
      - V(byaddr) is such a file for an address and a port. It needs O(addresses).
      - V(byuid) is a line for the port in a file of the user. Several users can have the same port in this way.
      - V(auto) keeps lines in the user's file when they permit what is asked. Otherwise it is V(byaddr) with
        O(addresses) and V(byport) without. Where that would take the port from another user whom a weaker rule
        admits, it is V(byuid). With O(state=absent) it is every kind.
    type: str
    choices: [auto, byport, byaddr, byuid]
    default: auto
  unit:
    description:
      - The service unit whose C(ExecStart=) commands are to run through authbind. The user must be the unit's C(User=).
      - Writes C(/etc/systemd/system/UNIT.d/50-privport.conf) and reads back from systemd that it is in force.
        RV(restart_required) tells whether the running process was started without it.
    type: str
  deep:
    description:
      - Whether authbind stays in force in programs that the unit's command starts in turn (C(--deep)), as behind a
        wrapper script.
    type: bool
    default: false
  dropin:
    description: The name of the unit's drop-in, without C(.conf).
    type: str
    default: 50-privport
  state:
    description:
      - V(present) makes sure that the user or group may bind the ports, and narrows its own rule to the least
        privilege. Its own V(byport) file goes when O(addresses) are given or lines are asked for.
      - V(absent) removes what belongs to this user or group. Files of others and lines for other ports stay. A warning
        tells when another rule permits the ports still.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Needs root, and authbind on the host for O(state=present) (C(apt-get install authbind)).
  - A rule file that belongs to somebody else is never changed. When it admits the user, nothing needs to be done, and a
    warning says so when it admits everyone. When it does not, no other rule can work, and the module fails.
  - Without O(unit), start a program behind a wrapper script with C(authbind --deep). C(authbind) alone reaches only
    the first program that it starts.
  - Has no effect on statically linked programs, on Go programs, on programs with a set-user-ID bit or file
    capabilities, nor under C(NoNewPrivileges=).
  - "The error of a failed bind tells why. C(EPERM): no rule file was found. C(EACCES): a rule file was found and is not
    executable for the user, or authbind itself had no effect. C(ENOENT): the user's file of lines was found and no line
    matches."
  - Ports from 512 to 1023 also let a program pose as the whole host to some protocols, such as NFS. authbind wants
    their rule files marked with C(!), and the module does that.
seealso:
  - module: netbind.privport.privport_ambient
  - module: netbind.privport.privport_setcap
"""

EXAMPLES = r"""
- name: Let the user www bind HTTP and HTTPS
  netbind.privport.privport_authbind:
    ports: [80, 443]
    user: www

- name: Let every member of a group bind a port on one address
  netbind.privport.privport_authbind:
    ports: [25]
    group: mailers
    addresses: [192.0.2.10, "2001:db8::10"]

- name: Give two users the same port
  netbind.privport.privport_authbind:
    ports: [53/udp]
    user: "{{ item }}"
    method: byuid
  loop: [resolver-a, resolver-b]

- name: Have a unit start its program through authbind, behind a wrapper script
  netbind.privport.privport_authbind:
    ports: [80]
    user: www
    unit: web.service
    deep: true

- name: Take the ports away again, whatever kind of rule gave them
  netbind.privport.privport_authbind:
    ports: [80, 443]
    user: www
    state: absent
"""

RETURN = r"""
rules_before:
  description: The rule files that existed and bear upon the ports and the user or group, sorted by path.
  returned: success
  type: list
  elements: dict
  sample: []
  contains: &rule
    path:
      description: The file.
      type: str
      sample: /etc/authbind/byport/80
    owner:
      description: Its owner's name, or number where it has none.
      type: str
      sample: www
    group:
      description: Its group's name, or number where it has none.
      type: str
      sample: root
    mode:
      description: Its permissions, octal.
      type: str
      sample: "0500"
    content:
      description: What it holds. Only that of C(byuid) files means anything to authbind.
      type: str
      sample: ""
rules_after:
  description: The same afterwards. In check mode, as they would be.
  returned: success
  type: list
  elements: dict
  contains: *rule
  sample:
    - path: /etc/authbind/byport/80
      owner: www
      group: root
      mode: "0500"
      content: ""
unit:
  description: The unit's full name. An alias is resolved.
  returned: when O(unit) is given
  type: str
  sample: web.service
dropin_path:
  description: The drop-in's path.
  returned: when O(unit) is given
  type: str
  sample: /etc/systemd/system/web.service.d/50-privport.conf
restart_required:
  description:
    - Whether the unit's running process was started without authbind (O(state=present)) or through it
      (O(state=absent)). Read from the process. V(false) when nothing runs.
  returned: when O(unit) is given
  type: bool
"""

from functools import partial
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._apply import task
from ansible_collections.netbind.privport.plugins.module_utils._apply.authbind_files import leftovers, read_rules
from ansible_collections.netbind.privport.plugins.module_utils._apply.authbind_unit import UnitChange, plan_unit
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.plan import (
    METHODS,
    STATES,
    Grantee,
    RulePlan,
    applied,
    concerned,
    in_vain,
    plan_rules,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import (
    BYPORT,
    HELPER,
    ROOT,
    RuleFile,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, gone
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.options import words
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import unit_name
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module


def run(params: Mapping[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises PrivportError; then rules and drop-in are what they were."""
    ports = sorted({port.number for port in parse_ports(params["ports"], where="ports")})
    grantee = find_grantee(user=params["user"], group=params["group"], state=params["state"], host=host)
    addresses = words(params["addresses"], where="addresses", example="[192.0.2.1]")
    bearing = partial(concerned, grantee=grantee, ports=ports, addresses=addresses)
    method, state = params["method"], params["state"]
    planned = partial(plan_rules, grantee=grantee, ports=ports, addresses=addresses, method=method, state=state)
    rules, left = read_rules(host), leftovers(host)
    plan = planned(rules)
    check_host(plan, state=state, host=host)
    change = _of_unit(params, host=host) if params["unit"] else None
    # The rules come first, and go last: a program that runs through authbind is never left without them.
    entries = (*(it.entry for it in plan.changes), *map(gone, left), *([change.dropin] if change else []))
    done = task.apply(
        host,
        Desired(entries=entries),
        check_mode=check_mode,
        anew=change is not None and change.unread,
        verify=lambda: _require_in_force(host, planned, change),
    )
    after = applied(rules, plan.changes) if check_mode else read_rules(host)
    rules_before = describe(bearing(rules), host=host)
    rules_after = describe(bearing(after), host=host)
    diff = {"before": as_text(rules_before) + as_lines(left), "after": as_text(rules_after)}
    result = {
        "changed": done.changed,
        "diff": diff,
        "rules_before": rules_before,
        "rules_after": rules_after,
        "warnings": list(plan.warnings),
    }
    if change is None:
        return result
    return {
        **result,
        "diff": [
            {**diff, "before_header": "rules", "after_header": "rules"},
            *(it for it in done.diffs if not it["after_header"].startswith(f"{ROOT}/")),
        ],
        "unit": change.unit,
        "dropin_path": change.dropin.path,
        "restart_required": change.restart_required(host),
    }


def _of_unit(params: Mapping[str, Any], *, host: Host) -> UnitChange:
    unit = unit_name(params["unit"], where="unit")
    options = {name: params[name] for name in ("dropin", "deep", "user", "state")}
    return plan_unit(host, unit=unit, **options)


def _require_in_force(host: Host, planned: Callable[..., RulePlan], change: UnitChange | None) -> None:
    if planned(read_rules(host)).changes:
        raise HostError("ports: the rules changed while they were written; look for another program that manages them")
    if change is not None:
        change.require_in_force(host)


def find_grantee(*, user: str | None, group: str | None, state: str, host: Host) -> Grantee:
    """The user or group by name or number; InvalidInput for one that the host does not know.

    A number without an account is taken for state=absent: rules outlive their user.
    """
    kind, name = ("user", user) if user is not None else ("group", group or "")
    if kind == "user":
        account = host.account(name)
        if account is not None:
            gids = frozenset((account.pw_gid, *host.groups_of(account.pw_name, gid=account.pw_gid)))
            return Grantee(kind=kind, name=name, number=account.pw_uid, gids=gids)
    else:
        entry = host.group(name)
        if entry is not None:
            return Grantee(kind=kind, name=name, number=entry.gr_gid, gids=frozenset({entry.gr_gid}))
    if state == "absent" and name.isascii() and name.isdecimal():
        return Grantee(kind=kind, name=name, number=int(name), gids=frozenset({int(name)}))
    way_out = "give its number to remove its rules" if state == "absent" else "create it first"
    raise InvalidInput(f"{kind}: '{name}' does not exist on this host; {way_out}")


def check_host(plan: RulePlan, *, state: str, host: Host) -> None:
    """Refuse what would be in vain on this host. Raises Refused or HostError."""
    if state == "present" and host.which("authbind") is None:
        raise Refused("authbind is not on this host, so rules would be in vain; get it with 'apt-get install authbind'")
    helper = host.status(HELPER)
    if state == "present" and (helper is None or helper.uid != 0 or not helper.mode & 0o4000):
        raise Refused(f"{HELPER} is not set-user-ID root, so rules would be in vain; reinstall authbind")
    if not plan.changes:
        return
    if host.effective_uid() != 0:
        raise HostError("authbind's rules belong to root; run the task as root (become: true)")
    refused = in_vain(plan.changes)
    if refused and host.noexec(BYPORT):
        raise Refused(refused)


def describe(files: Sequence[RuleFile], *, host: Host) -> list[dict[str, str]]:
    """The files as the module returns them."""
    return [
        {
            "path": file.path,
            "owner": host.user_name(file.uid),
            "group": host.group_name(file.gid),
            "mode": f"{file.mode:04o}",
            "content": file.content.encode("utf-8", "backslashreplace").decode(),
        }
        for file in files
    ]


def as_text(files: Sequence[Mapping[str, str]]) -> str:
    """The files as diff mode shows them."""
    shown = []
    for file in files:
        shown.append(f"{file['path']} {file['owner']}:{file['group']} {file['mode']}\n")
        shown.extend(f"  {line}\n" for line in file["content"].splitlines())
    return "".join(shown)


def as_lines(left: Sequence[str]) -> str:
    """What an interrupted run left, as diff mode shows it."""
    return "".join(f"{path}, which an interrupted run left\n" for path in left)


def main() -> None:
    run_module(
        run,
        host=Host(),
        locks=True,
        argument_spec={
            "ports": {"type": "list", "elements": "str", "required": True},
            "user": {"type": "str"},
            "group": {"type": "str"},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "method": {"type": "str", "choices": list(METHODS), "default": "auto"},
            "unit": {"type": "str"},
            "deep": {"type": "bool", "default": False},
            "dropin": {"type": "str", "default": "50-privport"},
            "state": {"type": "str", "choices": list(STATES), "default": "present"},
        },
        mutually_exclusive=[("user", "group")],
        required_one_of=[("user", "group")],
    )


if __name__ == "__main__":
    main()
