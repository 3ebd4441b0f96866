# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to become of the collection's own drop-in of a unit."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Entry, file, gone
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_own_dropin


def entry(now: Entry, text: str, *, strategy: str) -> Entry:
    """The drop-in with this text, or, for '', none of this strategy: that of anybody else stays as it is now."""
    if text:
        return file(now.path, text)
    own = parse_own_dropin(now.content)
    return now if own is None or own.strategy != strategy else gone(now.path)
