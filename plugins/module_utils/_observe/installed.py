# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of files, units and init scripts of the collection's own on a host."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._apply import own_units
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    File,
    Installed,
    is_own,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host


def look(host: Host, *, paths: Sequence[str], names: Sequence[str]) -> Installed:
    """What is at these paths and of the units of these names: of systemd's only where that runs the host."""
    found = [(path, _file(host, path)) for path in paths]
    states = own_units.states(host, names)
    return Installed(
        paths=tuple(paths),
        units=tuple(names),
        files=tuple(file for _path, file in found if file is not None),
        foreign=tuple(path for path, file in found if file is None and host.status_of_itself(path) is not None),
        leftovers=tuple(left for path in paths for left in host.leftovers(path)),
        active=tuple(name for name in names if states[name].active in ("active", "reloading")),
        unread=tuple(name for name in names if states[name].unread),
        daemons=own_units.daemons(host, names),
    )


def _file(host: Host, path: str) -> File | None:
    """The collection's own file at path; None where there is none."""
    target = host.link_target(path)
    if target is not None:
        # Links are to units of our names, and are told apart by their own.
        return File(path=path, target=target) if ".wants/" in path else None
    text, status = host.unit_file(path) or "", host.status_of_itself(path)
    return File(path=path, text=text, mode=status.permissions) if status is not None and is_own(text) else None
