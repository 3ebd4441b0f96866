# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarders on a host: what there is of them, and their coming and going."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._apply import installation
from ansible_collections.netbind.privport.plugins.module_utils._apply.trials import judge
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import forwarder as forward
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import init_script as forward_script
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    SCRIPT_FOLDER,
    Installation,
    Installed,
    Plan,
    Trial,
    plan,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import processes, units

# What runs the scripts of a runlevel.
_SYSV_RC = "/etc/init.d/rc"


def ground(host: Host, *, systemd: Optional[int]) -> forward.Ground:
    """What the host, which systemd of this version runs, has for forwarding."""
    found = {name: _program(host, places) for name, places in forward.PROGRAMS.items()}
    return forward.Ground(
        systemd=systemd,
        # Where systemd itself looks.
        ipv6=host.status("/proc/net/if_inet6") is not None,
        programs={name: path for name, path in found.items() if path},
        init_scripts=systemd is None and host.status(_SYSV_RC) is not None and _init(host) == "init",
    )


def _init(host: Host) -> str:
    """The name of process 1: in a container it is often the service itself, and no boot runs scripts."""
    return (host.read("/proc/1/comm") or "").strip()


def _program(host: Host, places: Sequence[str]) -> str:
    paths = (place if place.startswith("/") else host.which(place) for place in places)
    return next((path for path in paths if path and host.status(path) is not None), "")


def observe(host: Host, service: Service, unit: Optional[Unit]) -> Installed:
    """What is there for a service, those of earlier descriptions included."""
    ports = [port.number for port in service.ports]
    own = unit.name if unit else service.unit
    paths, names = _places(host, service.name, ports=ports, unit=own)
    # Most services have none, and systemd need not be asked.
    if not any(host.status_of_itself(path) is not None or host.leftovers(path) for path in paths):
        return Installed(paths=paths, units=names)
    return look(host, service.name, ports=ports, unit=own)


def look(host: Host, name: str, *, ports: Sequence[int], unit: str) -> Installed:
    """What is there for the service of this name on these ports and on others."""
    paths, names = _places(host, name, ports=ports, unit=unit)
    return installation.look(host, paths=paths, names=names)


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

    held are the ports that the service's own unit holds until its next start.
    """

    plan: Plan
    held: tuple[int, ...] = ()
    forwarder: str = ""
    trials: tuple[Trial, ...] = ()


def plan_present(host: Host, request: forward.Request) -> Change:
    """Raises Refused for what cannot be, and for a port that somebody else holds."""
    here = ground(host, systemd=units.systemd_version(host))
    complete = forward.installation(request, here)
    found = look(host, request.name, ports=[port.number for port in request.ports], unit=request.unit)
    held = _held(host, request, here, own=complete.units, found=found)
    way = plan(found, forward.installation(request, here, later=held))
    forwarder, written = forward.forwarder(request, here), {file.path for file in way.written}
    return Change(
        plan=way,
        held=held,
        forwarder=forwarder,
        trials=tuple(
            trial
            for port, trial in zip(request.ports, forward.trials(request, here))
            if forward.configuration_path(request.name, port.number, program=forwarder) in written
        ),
    )


def plan_absent(host: Host, name: str, *, ports: Sequence[int], unit: str) -> Change:
    """The ports are those that are known: what a killed run left of a first file, only its name tells."""
    return Change(plan=plan(look(host, name, ports=ports, unit=unit), Installation()))


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


def apply(host: Host, change: Change) -> None:
    """Make it so. Raises PrivportError; then everything is as it was before, or the error says what is not."""
    for trial in change.trials:
        judge(host, trial)
    installation.apply(host, change.plan)


def give_back(host: Host, change: Change, *, name: str, unit: str) -> None:
    """Take everything away from the service of this name, whose own unit binds the ports from its restart on.

    The ports are away for that restart alone. Raises PrivportError; then the forwarders are as they were before.
    """
    found = change.plan.found
    try:
        for link in (file.path for file in found.files if file.target):
            # The restart would start what it names.
            host.remove(link, with_folder=True)
        host.run(["systemctl", "daemon-reload"]).checked()
        if found.active:
            host.run(["systemctl", "stop", "--", *found.active]).checked()
        # Without waiting: it may take long to say that it is ready.
        host.run(["systemctl", "--no-block", "restart", "--", unit]).checked()
    except PrivportError:
        before = Installation(files=found.files, units=found.active)
        installation.apply(host, plan(look(host, name, ports=(), unit=unit), before))
        raise
    installation.apply(host, plan(look(host, name, ports=(), unit=unit), Installation()))
