# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""authbind's rule files on a host: reading them all and carrying out a plan."""

from __future__ import annotations

import stat
from typing import Dict, List, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.plan import RuleChange
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import BYUID, FOLDERS, RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.acl import parse_acl
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import TEMPORARY


def read_rules(host: Host) -> Dict[str, RuleFile]:
    """Every rule file and rule folder by path; links are followed, as access(2) does. Empty without authbind.

    A file that this process may not read has empty content: run as root to see byuid rules that others cannot.
    """
    found: Dict[str, RuleFile] = {}
    for folder in (*FOLDERS, BYUID):
        _add(found, host, folder)
    for folder in (*FOLDERS[1:], BYUID):
        for name in host.names_in(folder):
            if not name.startswith(TEMPORARY):
                _add(found, host, f"{folder}/{name}")
    return found


def leftovers(host: Host) -> Tuple[str, ...]:
    """What a killed run left in the rule folders, which authbind does not read."""
    return tuple(f"{it}/{name}" for it in (*FOLDERS, BYUID) for name in host.names_in(it) if name.startswith(TEMPORARY))


def apply_changes(host: Host, changes: Sequence[RuleChange]) -> None:
    """Write and remove the files, then read them again and compare.

    Raises HostError when one fails or is not as planned; those that were changed are then what they were before.
    """
    done: List[RuleChange] = []
    try:
        # Additions first: nobody loses a port between two steps.
        for change in sorted(changes, key=lambda change: change.after is None):
            _apply(host, change)
            done.append(change)
        now = read_rules(host)
        for change in changes:
            if now.get(change.path) != change.after:
                raise HostError(
                    f"{change.path} is not what was written to it; look for another program that manages it"
                )
    except HostError:
        take_back(host, done)
        raise


def take_back(host: Host, changes: Sequence[RuleChange]) -> None:
    """Undo changes that were applied, the last first. Raises HostError."""
    for change in reversed(changes):
        _apply(host, RuleChange(before=change.after, after=change.before))


def _apply(host: Host, change: RuleChange) -> None:
    rule = change.after
    if rule is None:
        host.remove(change.path)
    else:
        host.write(rule.path, content=rule.content, uid=rule.uid, gid=rule.gid, mode=rule.mode)


def _add(found: Dict[str, RuleFile], host: Host, path: str) -> None:
    status = host.status(path)
    if status is None:
        return
    # A FIFO or device is not read: that can block.
    content = host.read(path) if stat.S_ISREG(status.mode) else None
    acl = host.acl(path)
    found[path] = RuleFile(
        path=path,
        uid=status.uid,
        gid=status.gid,
        mode=status.permissions,
        content=content or "",
        acl=None if acl is None else parse_acl(acl),
    )
