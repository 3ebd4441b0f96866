# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to become of the collection's own drop-in of a unit."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    FILE,
    MISSING,
    Entry,
    file,
    gone,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_own_dropin


def entry(now: Entry, text: str, *, strategy: str) -> Entry:
    """The drop-in with this text, or, for '', none of this strategy: that of anybody else stays as it is now.

    Raises Refused where somebody else's would be replaced. An empty file or a link to /dev/null is how people keep a
    drop-in of that name out.
    """
    own = parse_own_dropin(now.content) if now.kind == FILE else None
    if text and own is None and now.kind != MISSING:
        raise Refused(f"{now.path} was not written by this collection; choose another name with the option dropin")
    if text:
        return file(now.path, text)
    return now if own is None or own.strategy != strategy else gone(now.path)
