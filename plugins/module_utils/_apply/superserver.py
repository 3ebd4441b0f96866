# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that start a program for each connection, on a host: what there is of them, and their coming and going."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import daemons, task
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver import inetd, servers, xinetd
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import (
    Daemon,
    Ground,
    Request,
    Shared,
    is_of,
    names,
    request_of,
    runs,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import installed, processes, systemd

# systemd.resource-control(5), IPAddressDeny=: without the one hierarchy systemd leaves it out.
_ONE_HIERARCHY = "/sys/fs/cgroup/cgroup.controllers"
_XINETD = "/etc/xinetd.conf"
_LINKS = ("sockets.target.wants", "multi-user.target.wants")
_PROPERTIES = ("Id", "ActiveState", "UnitFileState", "WantedBy", "CanReload")


def ground(host: Host, service: Service, *, version: Optional[int]) -> Optional[Ground]:
    """What the host, which systemd of this version runs, has for it; None for a service of another kind."""
    lines = _inetd(host)
    mine = lines is not None and bool(inetd.block_of(lines.text, service=service.name))
    if not service.superserver and not mine and host.status_of_itself(xinetd.path(service.name)) is None:
        return None
    return look_ground(host, version=version)


def look_ground(host: Host, *, version: Optional[int]) -> Ground:
    """The same for whoever asks."""
    found = {name: host.which(program) for name, program in servers.PROGRAMS.items()}
    return Ground(
        systemd=version,
        ipv6=host.status("/proc/net/if_inet6") is not None,
        filters=host.read(_ONE_HIERARCHY) is not None,
        programs={name: path for name, path in found.items() if path},
        daemons=_daemons(host) if version is not None else {},
        inetd=_inetd(host),
        xinetd=host.read(_XINETD) or "",
    )


def _inetd(host: Host) -> Optional[Shared]:
    status, text = host.status(inetd.PATH), host.read(inetd.PATH)
    if status is None or text is None:
        return None
    return Shared(text, status.uid, status.gid, status.permissions, leftovers=host.leftovers(inetd.PATH))


def _daemons(host: Host) -> Dict[str, Daemon]:
    shown = systemd.show(host, list(servers.DAEMONS.values()), properties=_PROPERTIES)
    return {
        name: _daemon(unit, shown[unit])._replace(stale=daemons.is_stale(host, unit))
        for name, unit in servers.DAEMONS.items()
    }


def _daemon(unit: str, properties: Dict[str, str]) -> Daemon:
    return Daemon(
        unit=unit,
        # xinetd's script calls itself inetd, too.
        active=properties.get("Id") == unit and properties.get("ActiveState") in ("active", "reloading"),
        # Of an init script nothing but its links tells.
        at_boot=properties.get("UnitFileState") == "enabled" or bool(properties.get("WantedBy")),
        reloads=properties.get("CanReload") == "yes" or properties.get("ActiveState") != "active",
    )


def observe(host: Host, service: Service, _unit: Optional[Unit]) -> Installed:
    """What is there for a service, of whichever server."""
    there = (*_units(host, service.name), *_links(host, service.name))
    file = host.status_of_itself(xinetd.path(service.name))
    if not service.superserver and not there and file is None:
        return Installed()
    return look(host, service.name, ports=service.ports)


def look(host: Host, name: str, *, ports: Sequence[Port]) -> Installed:
    """The same, and what killed runs left of it on these ports."""
    known = names(name, ports)
    units = tuple(dict.fromkeys((*known, *_units(host, name))))
    links = [f"{UNIT_FOLDER}/{folder}/{unit}" for folder in _LINKS for unit in known if runs(unit)]
    paths = (*(f"{UNIT_FOLDER}/{unit}" for unit in units), *links, *_links(host, name), xinetd.path(name))
    runnable = [unit for unit in units if runs(unit)] if host.status("/run/systemd/system") is not None else []
    return installed.look(host, paths=tuple(dict.fromkeys(paths)), names=runnable)


def _units(host: Host, name: str) -> Tuple[str, ...]:
    return tuple(it for it in host.names_in(UNIT_FOLDER) if is_of(it, service=name))


def _links(host: Host, name: str) -> Tuple[str, ...]:
    return tuple(
        f"{UNIT_FOLDER}/{folder}/{it}"
        for folder in _LINKS
        for it in host.names_in(f"{UNIT_FOLDER}/{folder}")
        if is_of(it, service=name)
    )


class Change(NamedTuple):
    """The way to what is asked for; units and paths are what is then there, or was."""

    desired: Desired
    units: Tuple[str, ...]
    paths: Tuple[str, ...]


def request(host: Host, service: Service) -> Request:
    """What a description asks for on this host. Raises Refused for a user that is none."""
    account = host.account(service.user)
    if account is None or account.pw_uid == 0:
        problem = "does not exist on this host; create it first" if account is None else "is root; name another one"
        raise Refused(f"user is {service.user!r}, which {problem}")
    return request_of(service, uid=account.pw_uid, gid=account.pw_gid)


def plan_present(host: Host, request: Request) -> Change:
    """Raises Refused for what cannot be, and for a port that somebody else holds."""
    here = look_ground(host, version=systemd.systemd_version(host))
    in_the_way = servers.obstacles(request, here)
    if in_the_way:
        raise Refused(str(in_the_way[0]))
    found = look(host, request.name, ports=request.ports)
    _refuse_held(host, request, own=(*found.units, *servers.may_hold(request.name, here, found)), found=found)
    desired = servers.desired(request, here, found=found, planned=Desired())
    written = tuple(desired.written)
    return Change(desired=desired, units=desired.running, paths=written)


def _refuse_held(host: Host, request: Request, *, own: Sequence[str], found: Installed) -> None:
    sockets = [it for it in found.active if it.endswith(".socket")]
    for listener in processes.listeners(host, list(request.ports)):
        # systemd is among the holders of our own sockets, too.
        others = [it for it in listener.owners if it.unit not in own and not (sockets and it.pid == 1)]
        if others and len(others) == len(listener.owners):
            raise Refused(f"port {listener.port} is held by {others[0]}; stop that first")


def plan_absent(host: Host, name: str, *, ports: Sequence[Port]) -> Change:
    """The ports are those that are known: what a killed run left of a first file, only its name tells."""
    found = look(host, name, ports=ports)
    here = look_ground(host, version=systemd.systemd_version(host))
    desired = servers.absent(name, here, found=found, planned=Desired())
    shared = (inetd.PATH,) if inetd.PATH in desired.written else ()
    return Change(desired=desired, units=found.active, paths=(*(it.path for it in found.files), *shared))


def apply(host: Host, change: Change, *, check_mode: bool) -> task.Applied:
    """Make it so. Raises PrivportError; then everything is as it was before, or the error says what is not."""
    return task.apply(host, change.desired, check_mode=check_mode)
