# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarders on a host: what there is of them, and their coming and going."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._apply import own_units, task
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import forwarder as forward
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import init_script as forward_script
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    SCRIPT_FOLDER,
    Installed,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, without
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import installed, processes, units


def ground(host: Host, *, systemd: Optional[int]) -> forward.Ground:
    """What the host, which systemd of this version runs, has for forwarding."""
    found = {name: _program(host, places) for name, places in forward.PROGRAMS.items()}
    return forward.Ground(
        systemd=systemd,
        # Where systemd itself looks.
        ipv6=host.status("/proc/net/if_inet6") is not None,
        programs={name: path for name, path in found.items() if path},
        init_scripts=systemd is None and own_units.runs_scripts(host),
    )


def _program(host: Host, places: Sequence[str]) -> str:
    paths = (place if place.startswith("/") else host.which(place) for place in places)
    return next((path for path in paths if path and host.status(path) is not None), "")


def observe(host: Host, service: Service, unit: Optional[Unit]) -> Installed:
    """What is there for a service, those of earlier descriptions included."""
    ports = [port.number for port in service.ports]
    own = unit.name if unit else service.system_unit
    paths, names = _places(host, service.name, ports=ports, unit=own)
    # Most services have none, and systemd need not be asked.
    if not any(host.status_of_itself(path) is not None or host.leftovers(path) for path in paths):
        return Installed(paths=paths, units=names)
    return look(host, service.name, ports=ports, unit=own)


def look(host: Host, name: str, *, ports: Sequence[int], unit: str) -> Installed:
    """What is there for the service of this name on these ports and on others."""
    paths, names = _places(host, name, ports=ports, unit=unit)
    return installed.look(host, paths=paths, names=names)


def _places(host: Host, name: str, *, ports: Sequence[int], unit: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every path and every unit or script that is, or may be, the service's."""
    if host.status("/run/systemd/system") is None:
        scripts = [forward_script.port_of(entry, service=name) for entry in host.names_in(SCRIPT_FOLDER)]
        numbers = sorted({*ports, *(it for it in scripts if it is not None)})
        return (
            tuple(forward_script.path(name, port) for port in numbers),
            tuple(forward_script.name(name, port) for port in numbers),
        )
    links = [
        (f"{UNIT_FOLDER}/{folder}/{entry}", forward.port_of(entry, service=name))
        for folder in host.names_in(UNIT_FOLDER)
        if folder.endswith(".wants")
        for entry in host.names_in(f"{UNIT_FOLDER}/{folder}")
    ]
    files = [forward.port_of(entry, service=name) for entry in host.names_in(UNIT_FOLDER)]
    numbers = sorted({*ports, *(it for it in (*files, *(port for _path, port in links)) if it is not None)})
    paths = [path for port in numbers for path in forward.paths(name, port, unit=unit)]
    paths += [path for path, port in links if port is not None]
    return tuple(dict.fromkeys(paths)), tuple(it for port in numbers for it in forward.units(name, port))


class Change(NamedTuple):
    """The way to what is asked for.

    units and paths are what is then there, or was. held are the ports that the service's own unit holds until its next
    start.
    """

    desired: Desired
    units: tuple[str, ...]
    paths: tuple[str, ...]
    held: tuple[int, ...] = ()
    forwarder: str = ""


def plan_present(host: Host, request: forward.Request) -> Change:
    """Raises Refused for what cannot be, and for a port that somebody else holds."""
    here = ground(host, systemd=units.systemd_version(host))
    complete = forward.installation(request, here)
    found = look(host, request.name, ports=[port.number for port in request.ports], unit=request.unit)
    held = _held(host, request, here, own=complete.units, found=found)
    desired = forward.desired(request, here, found=found, later=held)
    return Change(
        desired=desired,
        units=desired.running,
        paths=tuple(it.path for it in complete.files),
        held=held,
        forwarder=forward.forwarder(request, here),
    )


def plan_absent(host: Host, name: str, *, ports: Sequence[int], unit: str) -> Change:
    """The ports are those that are known: what a killed run left of a first file, only its name tells."""
    found = look(host, name, ports=ports, unit=unit)
    return Change(desired=without(found), units=found.units, paths=tuple(it.path for it in found.files))


def _held(
    host: Host, request: forward.Request, here: forward.Ground, *, own: Sequence[str], found: Installed
) -> tuple[int, ...]:
    """The ports that a process of the service's unit holds, or systemd for it."""
    held = set()
    for listener in processes.listeners(host, list(request.ports)):
        # systemd is among the holders of our own sockets too.
        ours = {f"{forward.stem(request.name, listener.port)}.socket"} & set(found.active)
        others = [it for it in listener.owners if it.unit not in own and it.pid not in found.daemons]
        holders = [it for it in others if not (ours and it.pid == 1)]
        strangers = [it for it in holders if not request.unit or (it.unit != request.unit and it.pid != 1)]
        if strangers and len(strangers) == len(listener.owners):
            advice = ", or name its unit" if here.systemd else ""
            raise Refused(f"port {listener.port} is held by {strangers[0]}; stop that first{advice}")
        if holders:
            held.add(listener.port)
    return tuple(sorted(held))


def apply(host: Host, change: Change, *, restarting: str, check_mode: bool) -> task.Applied:
    """Make it so. Raises PrivportError; then everything is as it was before, or the error says what is not.

    restarting is a unit that binds the ports itself from its restart on, '' for none. They are away for that alone.
    """
    return task.apply(
        host, change.desired, check_mode=check_mode, between=lambda: _restart(host, restarting) if restarting else None
    )


def _restart(host: Host, unit: str) -> None:
    # Without waiting: it may take long to say that it is ready.
    host.run(["systemctl", "--no-block", "restart", "--", unit]).checked()
