# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units that keep a program's file capability through upgrades."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._apply import managed
from ansible_collections.netbind.privport.plugins.module_utils._core.capability import keep as core
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.systemd import systemd_version


def observe(host: Host, path: str) -> str:
    """NOT_KEPT, KEPT or KEPT_IN_PART: whether the host gives the program at path its capability back by itself."""
    places = core.unkept(path).entries
    # Most programs have no units, and systemd need not be asked.
    if not any(host.status_of_itself(it.path) is not None or host.leftovers(it.path) for it in places):
        return core.NOT_KEPT
    value = core.kept_value(host.unit_file(core.paths(path)[0]) or "")
    wanted = core.kept(path=path, value=value or b"", python=host.python())
    return core.KEPT if managed.Way(managed.look(host, [wanted]), wanted).is_done else core.KEPT_IN_PART


def kept(host: Host, path: str, *, value: bytes) -> Desired:
    """The units for the program at path. Raises PrivportError for what cannot be kept."""
    if systemd_version(host) is None:
        raise Refused("keep is true, but systemd does not run this host; run this again after each upgrade instead")
    refused = refusal(host, path)
    if refused:
        raise Refused(refused)
    return core.kept(path=path, value=value, python=host.python())


def refusal(host: Host, path: str) -> str:
    """Why there can be no units for the program at path, a sentence; '' where there can."""
    try:
        name = core.base_name(path)
    except Refused as refused:
        return str(refused)
    texts = {it: host.unit_file(it) for it in (f"{UNIT_FOLDER}/{name}.service", f"{UNIT_FOLDER}/{name}.path")}
    foreign = [it for it, text in texts.items() if text and not text.startswith(core.MARK)]
    return f"keep is true, but {foreign[0]} was not written by this collection; remove it first" if foreign else ""
