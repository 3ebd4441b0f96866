# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All units of a host, whether systemd has loaded them or not, and those of users' managers."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import Grant
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.units import (
    ASKED_INSTANCE,
    UnitSeen,
    grants_of_sockets,
    grants_of_units,
    grants_of_user_units,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import SocketUnit
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import unit as units
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import instance_of, template_of
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.systemd import systemd_version
from ansible_collections.netbind.privport.plugins.module_utils._observe.units import sockets as socket_units

_PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "FragmentPath", "DropInPaths", "NeedDaemonReload", "User", "DynamicUser"),
    *("AmbientCapabilities", "ExecStart", "UnitFileState"),
)
# A command line holds some thousand names.
_AT_ONCE = 200
_OF_USERS = ("/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user")
_ACCOUNTS = "/etc/passwd"


class Units(NamedTuple):
    """The service units, the socket units, and the units of users' managers that speak of capabilities, by path."""

    services: Tuple[UnitSeen, ...]
    sockets: Tuple[SocketUnit, ...]
    of_users: Mapping[str, str]

    def grants(self) -> Tuple[Grant, ...]:
        """What they give."""
        return (
            *grants_of_units(self.services),
            *grants_of_sockets(self.sockets, services={it.name: it for it in self.services}),
            *grants_of_user_units(self.of_users),
        )

    def executing(self, host: Host) -> Dict[str, List[str]]:
        """The units that execute each program, by its path with links resolved."""
        found: Dict[str, List[str]] = {}
        for it in self.services:
            paths = re.findall(r"\{ path=(.*?) ; argv", it.properties.get("ExecStart", ""))
            for path in dict.fromkeys(map(host.resolve, paths)):
                found.setdefault(path, []).append(it.name)
        return found


def look(host: Host) -> Units:
    """The units of this host; none where systemd does not run it."""
    if systemd_version(host) is None:
        return Units((), (), {})
    names = _names(host)
    services = tuple(_services(host, names))
    return Units(services, socket_units(host, [it for it in names if not template_of(it)]), _of_users(host))


def _names(host: Host) -> List[str]:
    """The service units that have files, templates included."""
    argv = ["systemctl", "list-unit-files", "--type=service", "--no-legend", "--no-pager"]
    listed = host.query(argv).checked().stdout
    return [line.split()[0] for line in listed.splitlines() if line.split()]


def _services(host: Host, names: Sequence[str]) -> Iterator[UnitSeen]:
    asked = [instance_of(it, ASKED_INSTANCE) if "@." in it else it for it in names]
    seen: Dict[str, Mapping[str, str]] = {}
    for first in range(0, len(asked), _AT_ONCE):
        # Whatever is loaded and has no file, too.
        more = ["*.service"] if not first else []
        shown = units.parse_show(host.show_units([*asked[first : first + _AT_ONCE], *more], _PROPERTIES).text)
        seen.update((it["Id"], it) for it in shown if it.get("LoadState") == "loaded")
    for properties in seen.values():
        yield UnitSeen(properties=properties, files=_files(host, properties))


def _files(host: Host, properties: Mapping[str, str]) -> Dict[str, str]:
    """The unit's files that speak of capabilities."""
    paths = [properties.get("FragmentPath", ""), *units.split_paths(properties.get("DropInPaths", ""))]
    texts = {path: host.unit_file(path) or "" for path in paths if path}
    return {path: text for path, text in texts.items() if "Capabilit" in text}


def _of_users(host: Host) -> Dict[str, str]:
    homes = [line.split(":")[5] for line in (host.read(_ACCOUNTS) or "").splitlines() if line.count(":") >= 6]
    own = [f"{it.rstrip('/')}/.config/systemd/user" for it in dict.fromkeys(homes) if it.startswith("/")]
    found: Dict[str, str] = {}
    for folder in (*_OF_USERS, *own):
        found.update(host.texts_with(folder, "AmbientCapabilities"))
    return found
