# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule files as authbind's tests need them: what is not said is a file of user 1001 alone."""

from __future__ import annotations

from typing import Dict

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import (
    BYADDR,
    BYPORT,
    BYUID,
    RuleFile,
)


def rules(*files: RuleFile) -> Dict[str, RuleFile]:
    return {file.path: file for file in files}


def byport(name: str, *, uid: int = 1001, gid: int = 0, mode: int = 0o500, content: str = "") -> RuleFile:
    return RuleFile(path=f"{BYPORT}/{name}", uid=uid, gid=gid, mode=mode, content=content)


def byaddr(name: str, *, uid: int = 1001, gid: int = 0, mode: int = 0o500) -> RuleFile:
    return RuleFile(path=f"{BYADDR}/{name}", uid=uid, gid=gid, mode=mode)


def byuid(name: str, content: str, *, uid: int = 0, mode: int = 0o644) -> RuleFile:
    return RuleFile(path=f"{BYUID}/{name}", uid=uid, gid=0, mode=mode, content=content)
