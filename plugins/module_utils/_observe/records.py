# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection remembers on a host of its grants, and what has become of them."""

from __future__ import annotations

from typing import Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import (
    ATTRIBUTE,
    STATE,
    Record,
    parse,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host


def read_records(host: Host) -> Tuple[Record, ...]:
    """The records with what their resources are now; none where nothing is remembered."""
    return tuple(it._replace(now=_now(host, it)) for it in parse(host.read(STATE) or ""))


def _now(host: Host, record: Record) -> Optional[str]:
    if record.kind == ATTRIBUTE:
        value = host.capability(record.path)
        return None if value is None else value.hex()
    target = host.link_target(record.path)
    return host.unit_file(record.path) if target is None else target
