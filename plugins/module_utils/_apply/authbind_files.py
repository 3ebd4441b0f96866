# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""authbind's rule files on a host."""

from __future__ import annotations

import stat
from typing import Dict, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import BYUID, FOLDERS, RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.acl import parse_acl
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
