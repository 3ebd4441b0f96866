#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin: options, host, core, result."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: privport_setcap
short_description: Let a program bind ports below 1024 by a file capability
version_added: 1.0.0
description:
  - Sets or removes the file capabilities of a program, so that an ordinary user who starts it can bind
    privileged ports.
  - Reads and writes the extended attribute C(security.capability) itself and compares meanings, not texts.
    No C(setcap) is needed on the host.
  - Refuses what would be in vain or dangerous, and says why.
author:
  - The netbind.privport authors (@netbind)
requirements:
  - Python 3.8 or later on the host.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.changes
  - netbind.privport._attributes.action
options:
  path:
    description:
      - The program's file, as an absolute path. A symbolic link is followed to the file that it leads to.
      - A file that does not exist is an error with O(state=present), and nothing to do with O(state=absent).
    type: path
    required: true
  capabilities:
    description:
      - The capabilities in the text form of cap_from_text(3), as C(setcap) takes them. Spellings that mean the
        same are the same, for example V(cap_net_bind_service+ep), V(cap_net_bind_service=pe) and V(10=ep).
      - With O(state=present) the default is V(cap_net_bind_service=ep). The set must let the program bind, that
        is, hold C(cap_net_bind_service) permitted and effective, and must not hold all capabilities.
      - With O(state=absent) just the capabilities that are named here are removed, whatever their flags. Without
        this option all are removed.
    type: str
    aliases: [capability]
  state:
    description:
      - V(present) gives the file the capabilities.
      - V(absent) takes them away. The extended attribute itself is deleted when nothing is left in it, because
        an empty one still makes the kernel drop ambient capabilities and C(LD_PRELOAD). No hazard blocks this.
    type: str
    choices: [present, absent]
    default: present
  merge:
    description:
      - Keep the file's other capabilities. By default the file has exactly O(capabilities) afterwards.
      - Linux has one effective flag for the whole file, so that the others become effective as well.
    type: bool
    default: false
  allow_interpreter:
    description:
      - Grant to an interpreter that every user can execute, such as C(python3), C(node), C(perl) or C(java).
        Every user of the host can then bind any privileged port.
      - A private copy that only the service's group can execute (mode 0750) needs no such consent.
    type: bool
    default: false
  keep:
    description:
      - With V(true) the host itself gives the file its capabilities back when an upgrade has taken them away, by a
        systemd path unit C(privport-keep-PATH.path) and a service of that name, both in C(/etc/systemd/system).
        Refused without systemd, and where a user other than root can write the file or a folder above it.
      - With V(false) these units are removed. Without this option they are left as they are.
      - O(state=absent) always removes them.
    type: bool
notes:
  - The kernel or the tool clears a file's capabilities when the file is written or truncated, on every C(chown) and
    C(chgrp) (even to the same owner), and when it is replaced, as by C(cp), C(install), C(sed -i), C(strip),
    C(rsync -a) without C(-X), C(tar) without C(--xattrs-include), or a package upgrade. Run this module after those.
  - A process that already runs is not affected; restart it.
  - A program with file capabilities starts without C(LD_PRELOAD), C(LD_LIBRARY_PATH) and C($ORIGIN) library paths.
  - Refused are sets that do not bind (C(+p), C(+e) or C(+i) alone), sets of all capabilities, scripts, interpreters
    that every user can execute, files on a mount with C(nosuid), programs that find a library by C($ORIGIN) alone,
    and files or parent folders that a user other than root and the file's owner can write, also by an access control
    list (acl(5)). Such hazards of a file that has the capabilities already are given as warnings.
  - Warned is of files with a set-user-ID or set-group-ID bit, files writable by their group, and files that do not
    belong to root.
seealso:
  - module: netbind.privport.privport_ambient
  - module: netbind.privport.privport_authbind
  - name: capabilities(7)
    description: The kernel's capabilities and how files get them.
    link: https://man7.org/linux/man-pages/man7/capabilities.7.html
"""

EXAMPLES = r"""
- name: Let Caddy bind ports 80 and 443 as its own user
  netbind.privport.privport_setcap:
    path: /usr/bin/caddy

# The same from the command line: ansible web -b -m privport_setcap -a path=/usr/bin/caddy
# And what it would change:       ansible web -b -m privport_setcap -a path=/usr/bin/caddy --check --diff

- name: Let it bind them also after every upgrade of its package
  netbind.privport.privport_setcap:
    path: /usr/bin/caddy
    keep: true

- name: Add the capability beside those that the file has
  netbind.privport.privport_setcap:
    path: /usr/local/bin/dhcp-relay
    merge: true

- name: Set exactly two capabilities
  netbind.privport.privport_setcap:
    path: /usr/local/bin/probe
    capabilities: cap_net_bind_service,cap_net_raw=ep

- name: Take the capability away again, and leave others alone
  netbind.privport.privport_setcap:
    path: /usr/local/bin/probe
    capabilities: cap_net_bind_service=ep
    state: absent

- name: Remove all file capabilities
  netbind.privport.privport_setcap:
    path: /usr/bin/caddy
    state: absent

- name: A private Python that only the group webapp can execute
  ansible.builtin.copy:
    src: /usr/bin/python3
    dest: /opt/webapp/python3
    remote_src: true
    owner: root
    group: webapp
    mode: "0750"

- name: Let that copy bind privileged ports
  netbind.privport.privport_setcap:
    path: /opt/webapp/python3
"""

RETURN = r"""
path:
  description: The path as it was given.
  returned: success
  type: str
  sample: /usr/bin/editor
real_path:
  description: The file that was looked at or changed, after symbolic links.
  returned: success
  type: str
  sample: /usr/bin/vim.basic
before:
  description:
    - The capabilities that the file had, in the form that C(getcap) prints, empty for none.
    - V(=) is an attribute that grants nothing. C([rootid=N]) marks one that counts in another user namespace only.
      V(unreadable) is one that the kernel does not give out.
  returned: success
  type: str
  sample: ""
after:
  description: The capabilities that the file has now, or would have in check mode, in the same form.
  returned: success
  type: str
  sample: cap_net_bind_service=ep
"""

from typing import Any, Dict

from ansible_collections.netbind.privport.plugins.module_utils._apply import keep, task
from ansible_collections.netbind.privport.plugins.module_utils._apply.file_capability import (
    OF_FILE,
    Outcome,
    Request,
    carry_out,
    result_of,
    understand,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.keep import refusal, unkept
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import format_xattr, parse_text
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Attribute
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module
from ansible_collections.netbind.privport.plugins.module_utils._observe.program import observe_program


def run(*, request: Request, host: Host, check_mode: bool) -> Outcome:
    """Bring the file and the units that keep it so to what is requested; raises PrivportError."""
    if request.present and request.keep is None:
        return carry_out(request=request, host=host, check_mode=check_mode)
    if request.present and request.keep:
        return _kept(request=request, host=host, check_mode=check_mode)
    return _unkept(request=request, host=host, check_mode=check_mode)


def _kept(*, request: Request, host: Host, check_mode: bool) -> Outcome:
    foreseen = carry_out(request=request, host=host, check_mode=True)
    with host.open_regular(foreseen.real_path) as file:
        refused = refusal(observe_program(file, host=host))
    if refused:
        raise Refused(refused)
    value = format_xattr(parse_text(foreseen.after))
    # Spellings that mean the same are the same.
    attributes = (Attribute(foreseen.real_path, value.hex()),) if foreseen.changed else ()
    units = keep.kept(host, foreseen.real_path, value=value)
    return _with_units(foreseen, task.apply(host, units._replace(attributes=attributes), check_mode=check_mode))


def _unkept(*, request: Request, host: Host, check_mode: bool) -> Outcome:
    units = unkept(host.resolve(request.path))
    if not any(host.status_of_itself(it.path) is not None or host.leftovers(it.path) for it in units.entries):
        return carry_out(request=request, host=host, check_mode=check_mode)
    foreseen = carry_out(request=request, host=host, check_mode=True)
    # The units first, or they would give back what is taken.
    applied = task.apply(host, units, check_mode=check_mode)
    outcome = foreseen if check_mode else carry_out(request=request, host=host, check_mode=False)
    return _with_units(outcome, applied)


def _with_units(outcome: Outcome, applied: task.Applied) -> Outcome:
    units = tuple(it for it in applied.diffs if it["after_header"] != outcome.real_path)
    return outcome._replace(changed=outcome.changed or applied.changed, units=units)


def carry_out_options(params: dict[str, Any], *, host: Host, check_mode: bool) -> Dict[str, Any]:
    """The module's result. Raises PrivportError; then the attribute is what it was before."""
    request = understand(params=params)
    outcome = run(request=request, host=host, check_mode=check_mode)
    return result_of(request, outcome)


def main() -> None:
    run_module(
        carry_out_options,
        host=Host(),
        locks=True,
        argument_spec={**OF_FILE, "keep": {"type": "bool"}},
    )


if __name__ == "__main__":
    main()
