# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd on the host: its version, and what it says of units."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import unit as units
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import ProcessRecord

# All that decisions and proofs ask of a unit. A systemd that lacks one of them leaves it out.
PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Type",
    "RemainAfterExit",
    "TriggeredBy",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
    "MainPID",
    "Result",
    "ExecMainStatus",
    "NRestarts",
    "Job",
    "Restart",
    "RefuseManualStart",
    "RefuseManualStop",
    "WantedBy",
    "RequiredBy",
    "Requires",
    "ExecStart",
    "User",
    "Group",
    "DynamicUser",
    "Environment",
    "EnvironmentFiles",
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "NoNewPrivileges",
    "PrivateUsers",
    "PrivateUsersEx",
    "DelegateNamespaces",
    "UserNamespacePath",
    "PrivateNetwork",
    "NetworkNamespacePath",
    "JoinsNamespaceOf",
    "SecureBits",
    "SocketBindAllow",
    "SocketBindDeny",
    "IPAddressAllow",
    "IPAddressDeny",
    "RestrictNetworkInterfaces",
    "BindNetworkInterface",
    "RootDirectory",
    "RootImage",
    "RootMStack",
    "MountImages",
    "ExtensionImages",
    "ExtensionDirectories",
    "BindPaths",
    "BindReadOnlyPaths",
    "TemporaryFileSystem",
    "InaccessiblePaths",
    "PrivateTmp",
    "PrivateTmpEx",
    "ProtectHome",
    "ExecPaths",
    "NoExecPaths",
    "ExecSearchPath",
    "SupplementaryGroups",
    "AppArmorProfile",
    "SELinuxContext",
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
    return units.parse_version(host.query(["systemctl", "--version"]).checked().stdout)


class Seen(NamedTuple):
    """The properties of a unit, and its running main process, None for none."""

    properties: dict[str, str]
    main: Optional[ProcessRecord]


def look(host: Host, names: Sequence[str], *, properties: Sequence[str] = PROPERTIES) -> dict[str, Seen]:
    """Each named unit, by the name that was asked for, from one call."""
    if not names:
        return {}
    answer = host.show_units(names, properties)
    shown = units.parse_show(answer.text)
    if len(shown) != len(names):
        raise HostError(f"systemctl show answered for {len(shown)} of the units {', '.join(names)}")
    return {
        name: Seen(properties=it, main=answer.processes.get(int(it.get("MainPID") or 0)))
        for name, it in zip(names, shown)
    }


def show(host: Host, names: Sequence[str], *, properties: Sequence[str] = PROPERTIES) -> dict[str, dict[str, str]]:
    """The properties of each named unit alone."""
    return {name: seen.properties for name, seen in look(host, names, properties=properties).items()}
