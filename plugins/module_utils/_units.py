# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd on the host: what it says of units, and the one drop-in that the collection writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core import unit as units
from ansible_collections.netbind.privport.plugins.module_utils._core.errors import HostError, InvalidInput, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model import Process
from ansible_collections.netbind.privport.plugins.module_utils._host import Host
from ansible_collections.netbind.privport.plugins.module_utils._processes import read_process

# All that decisions and proofs ask of a unit. A systemd that lacks one of them leaves it out.
PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
    "MainPID",
    "Result",
    "ExecStart",
    "User",
    "Group",
    "DynamicUser",
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "NoNewPrivileges",
    "PrivateUsers",
    "PrivateUsersEx",
    "PrivateNetwork",
    "NetworkNamespacePath",
    "SecureBits",
    "SocketBindAllow",
    "SocketBindDeny",
    *units.IMPLIES_NO_NEW_PRIVS,
)


def systemd_version(host: Host) -> int | None:
    """The version of the systemd that runs this host, None where none does (sd_booted(3))."""
    systemd = read_systemd(host)
    return systemd.version if systemd else None


def read_systemd(host: Host) -> units.Systemd | None:
    """The systemd that runs this host, None where none does (sd_booted(3))."""
    if host.status("/run/systemd/system") is None or host.which("systemctl") is None:
        return None
    return units.parse_version(host.run(["systemctl", "--version"]).checked().stdout)


def show(host: Host, names: Sequence[str], *, properties: Sequence[str] = PROPERTIES) -> dict[str, dict[str, str]]:
    """The properties of each named unit, by the name that was asked for, from one call."""
    if not names:
        return {}
    argv = ["systemctl", "show", "--no-pager", "--property=" + ",".join(properties), "--", *names]
    shown = units.parse_show(host.run(argv).checked().stdout)
    if len(shown) != len(names):
        raise HostError(f"systemctl show answered for {len(shown)} of the units {', '.join(names)}")
    return dict(zip(names, shown))


def show_unit(host: Host, name: str, *, state: str) -> dict[str, str]:
    """The properties of a unit that is to be changed.

    Raises HostError without systemd, and for state present InvalidInput where the unit is missing or masked: what
    is left of a unit that is gone can still be removed.
    """
    if systemd_version(host) is None:
        raise HostError(f"unit is {name!r}, but systemd does not run this host; use privport_setcap instead")
    properties = show(host, [name])[name]
    state = properties.get("LoadState", "") if state == "present" else "loaded"
    if state == "not-found":
        raise InvalidInput(f"unit is {name!r}, which does not exist on this host; install it first or correct the name")
    if state != "loaded":
        raise InvalidInput(f"unit is {name!r}, which is {state}; see systemctl status {name}")
    return properties


def commands(host: Host, properties: Mapping[str, str], *, own_dropin: str) -> tuple[units.Command, ...]:
    """The unit's ExecStart= commands as its files write them, the collection's own drop-in left out."""
    paths = [properties.get("FragmentPath", ""), *units.split_paths(properties.get("DropInPaths", ""))]
    texts = [host.read(path) for path in paths if path and path != own_dropin]
    return units.effective_commands([text for text in texts if text is not None])


def overriding(host: Host, properties: Mapping[str, str]) -> dict[str, str]:
    """The drop-ins that take back what ours sets, by setting."""
    paths = units.split_paths(properties.get("DropInPaths", ""))
    return units.overriding({path: host.read(path) or "" for path in paths})


@dataclass(frozen=True)
class Dropin:
    """A drop-in before and after a change; '' for none."""

    path: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after

    @property
    def diff(self) -> dict[str, str]:
        """As diff mode shows it."""
        header = {"before_header": self.path, "after_header": self.path}
        return {**header, "before": self.before, "after": self.after}


def plan_dropin(host: Host, *, unit: str, dropin: str, strategy: str, wanted: str) -> Dropin:
    """What the drop-in is to become: wanted, or '' for none.

    Only a drop-in that the collection wrote is ever replaced, and only one of this strategy removed. Raises Refused
    for somebody else's file of that name.
    """
    path = units.dropin_path(unit=unit, dropin=dropin)
    before = host.read(path) or ""
    own = units.parse_own_dropin(before)
    # An empty file or a link to /dev/null is how people keep a drop-in of that name out.
    if own is None and wanted and _exists(host, path):
        raise Refused(f"{path} was not written by this collection; choose another name with the option dropin")
    if not wanted and (own is None or own.strategy != strategy):
        return Dropin(path=path, before=before, after=before)
    return Dropin(path=path, before=before, after=wanted)


def _exists(host: Host, path: str) -> bool:
    return host.status(path) is not None or host.link_target(path) is not None


def is_unread_removal(host: Host, dropin: Dropin, properties: Mapping[str, str]) -> bool:
    """Whether a drop-in is gone, and systemd has not been told: the unit still has its settings."""
    loaded = dropin.path in units.split_paths(properties.get("DropInPaths", ""))
    return loaded and not dropin.after and not _exists(host, dropin.path)


def install_dropin(host: Host, dropin: Dropin, *, unit: str, in_force: Callable[[Mapping[str, str]], bool]) -> None:
    """Make the drop-in what it is to become, have systemd read it, and read back that it is in force.

    in_force judges the unit's properties. HostError where it says no, or where systemd fails; the drop-in is then
    what it was before.
    """
    try:
        _write_dropin(host, path=dropin.path, content=dropin.after)
        properties = show(host, [unit])[unit]
        if dropin.after and not in_force(properties):
            raise HostError(
                f"{dropin.path} does not come into force and was taken back; look for a setting that overrides it in "
                f"the unit's drop-ins: {properties.get('DropInPaths', 'none')}"
            )
    except HostError:
        _write_dropin(host, path=dropin.path, content=dropin.before)
        raise


def _write_dropin(host: Host, *, path: str, content: str) -> None:
    folder = path.rpartition("/")[0]
    if content:
        host.make_folder(folder)
        host.write(path, content=content)
    else:
        host.remove(path)
        host.remove_folder_if_empty(folder)
    host.run(["systemctl", "daemon-reload"]).checked()


def main_process(host: Host, properties: Mapping[str, str]) -> Process | None:
    """The unit's running main process."""
    pid = int(properties.get("MainPID", "0") or 0)
    return read_process(host, pid) if pid else None
