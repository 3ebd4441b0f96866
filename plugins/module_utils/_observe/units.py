# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd on the host: what it says of units, and the one drop-in that the collection writes."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.instances import members, open_templates
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    CAPABILITY,
    Process,
    SocketUnit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, Service
from ansible_collections.netbind.privport.plugins.module_utils._core.process.sockets import parse_listen
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import unit as units
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import instance_of, template_of
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.processes import read_process
from ansible_collections.netbind.privport.plugins.module_utils._observe.systemd import (
    Seen,
    look,
    read_systemd,
    show,
    systemd_version,
)

__all__ = ("Seen", "look", "read_systemd", "show", "systemd_version")

_SOCKET_PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "Accept", "Listen", "Triggers")


def sockets(host: Host, names: Sequence[str]) -> tuple[SocketUnit, ...]:
    """The socket units that systemd has loaded, and those of the named units, which the next boot may load; one call.

    systemd.socket(5): a socket unit starts the service of its own name, if it does not say otherwise.
    """
    namesakes = [name.rpartition(".")[0] + ".socket" for name in names]
    shown = units.parse_show(host.show_units(["*.socket", *namesakes], _SOCKET_PROPERTIES).text)
    found = {properties["Id"]: properties for properties in shown if properties.get("LoadState") == "loaded"}
    return tuple(_socket(properties) for properties in found.values())


def _socket(properties: Mapping[str, str]) -> SocketUnit:
    listening = parse_listen(properties.get("Listen", ""))
    return SocketUnit(
        name=properties["Id"],
        active=properties.get("ActiveState") in ("active", "deactivating"),
        enabled=properties.get("UnitFileState") in ("enabled", "enabled-runtime"),
        accept=properties.get("Accept") == "yes",
        ports=tuple(str(Port(number, protocol)) for protocol, number in listening),
        triggers=tuple(properties.get("Triggers", "").split()),
    )


def show_unit(host: Host, name: str, *, state: str) -> dict[str, str]:
    """The properties of a unit that is to be changed.

    Raises HostError without systemd, and for state present InvalidInput where the unit is missing or masked: what
    is left of a unit that is gone can still be removed.
    """
    if systemd_version(host) is None:
        raise HostError(f"unit is {name!r}, but systemd does not run this host; use privport_setcap instead")
    properties = show(host, [name])[name]
    problem = units.why_not_loaded(properties) if state == "present" else ""
    if problem:
        raise InvalidInput(f"unit is {name!r}, which {problem}")
    return properties


def files(host: Host, properties: Mapping[str, str]) -> list[str]:
    """The texts of the unit's files, in the order in which systemd reads them, without their secrets."""
    paths = [properties.get("FragmentPath", ""), *units.split_paths(properties.get("DropInPaths", ""))]
    return [_read(host, path) for path in paths if path]


def commands(host: Host, properties: Mapping[str, str], *, own_dropin: str) -> dict[str, tuple[Command, ...]]:
    """The unit's commands by setting as its files write them, the collection's own drop-in left out.

    But for ExecStart= they are those that systemd reads before it: what a later file adds, it adds to ours.
    """
    fragment = properties.get("FragmentPath", "")
    paths = [fragment, *units.split_paths(properties.get("DropInPaths", ""))]
    texts = {path: _read(host, path) for path in paths if path and path != own_dropin}
    last = own_dropin.rpartition("/")[2]
    before = [text for path, text in texts.items() if path == fragment or path.rpartition("/")[2] <= last]
    started = units.effective_commands(list(texts.values())).get("ExecStart")
    return {**units.effective_commands(before), **({"ExecStart": started} if started else {})}


def overriding(host: Host, properties: Mapping[str, str]) -> dict[str, str]:
    """The drop-ins that take back what ours sets, by setting."""
    paths = units.split_paths(properties.get("DropInPaths", ""))
    return units.overriding({path: _read(host, path) for path in paths}, capability=CAPABILITY)


def _read(host: Host, path: str) -> str:
    """The text of a unit's file; '' for one that is gone, as it will be to systemd once that reads the files again."""
    text = host.unit_file(path)
    if text is None and host.status(path) is not None:
        raise HostError(f"{path} cannot be read")
    return text or ""


def running_instances(host: Host, services: Sequence[Service]) -> dict[str, tuple[str, ...]]:
    """The instances that run, failed or are enabled, of each template of these services that does not name them.

    They may have failed for want of their port, and a run that failed may have left them stopped.
    """
    templates = open_templates(services)
    if not templates or systemd_version(host) is None:
        return {}
    patterns = [instance_of(it, "?*") for it in templates]
    shown = units.parse_show(host.show_units(patterns, ("Id", "ActiveState")).text)
    there = {it["Id"] for it in shown if it.get("ActiveState") not in ("inactive", "deactivating")}
    there |= _enabled(host)
    return {it: tuple(sorted(name for name in there if template_of(name) == it and name != it)) for it in templates}


def _enabled(host: Host) -> set[str]:
    """The units that are enabled, as far as an administrator did so (systemd.unit(5), WantedBy=)."""
    folders = (it for it in host.names_in(units.UNIT_FOLDER) if it.endswith((".wants", ".requires")))
    return {name for folder in folders for name in host.names_in(f"{units.UNIT_FOLDER}/{folder}")}


def resolved(host: Host, services: Sequence[Service]) -> tuple[Service, ...]:
    """The services, with one for each instance in the place of one whose unit is a template."""
    return members(services, running_instances(host, services))


def foreign_dropin(host: Host, properties: Mapping[str, str], *, own_dropin: str) -> str:
    """Somebody else's drop-in that ours would replace, or hide for having its base name; '' for none."""
    if units.parse_own_dropin(host.unit_file(own_dropin)) is not None:
        return ""
    if _exists(host, own_dropin):
        return own_dropin
    name = own_dropin.rpartition("/")[2]
    paths = units.split_paths(properties.get("DropInPaths", ""))
    others = (path for path in paths if path != own_dropin and path.rpartition("/")[2] == name)
    # Of an instance and its template each may have one of ours, and that of the instance hides the other.
    return next((path for path in others if units.parse_own_dropin(host.unit_file(path)) is None), "")


def granting(host: Host, properties: Mapping[str, str]) -> tuple[str, ...]:
    """The files of the unit that grant the capability to bind ports."""
    paths = [properties.get("FragmentPath", ""), *units.split_paths(properties.get("DropInPaths", ""))]
    return units.granting({path: _read(host, path) for path in paths if path}, capability=CAPABILITY)


def narrow(host: Host, properties: Mapping[str, str]) -> tuple[str, ...]:
    """The settings by which the unit's files keep the capability to bind ports from it, whatever our drop-in says."""
    others = (text for text in files(host, properties) if units.parse_own_dropin(text) is None)
    return units.narrow(list(others), capability=CAPABILITY)


def require_in_force(host: Host, unit: str, *, dropin: str, holds: Callable[[Mapping[str, str]], bool]) -> None:
    """Raises HostError where holds says of the unit's properties that the drop-in at this path is not in force."""
    properties = show(host, [unit])[unit]
    if not holds(properties):
        raise HostError(
            f"{dropin} does not come into force; look for a setting that overrides it in the unit's drop-ins: "
            f"{properties.get('DropInPaths', 'none')}"
        )


def _exists(host: Host, path: str) -> bool:
    return host.status(path) is not None or host.link_target(path) is not None


def is_unread_removal(host: Host, path: str, properties: Mapping[str, str]) -> bool:
    """Whether a drop-in is gone, and systemd has not been told: the unit still has its settings."""
    return path in units.split_paths(properties.get("DropInPaths", "")) and not _exists(host, path)


def main_process(host: Host, properties: Mapping[str, str]) -> Process | None:
    """The unit's running main process."""
    pid = int(properties.get("MainPID", "0") or 0)
    record = host.process(pid) if pid else None
    return read_process(record) if record else None
