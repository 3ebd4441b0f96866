# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hazards that are settings of the unit."""

from __future__ import annotations

from typing import Tuple

from .hazard import FOLDER, Hazard, setting

_IMPLYING = (
    "SystemCallFilter=@system-service",
    "SystemCallArchitectures=native",
    "SystemCallLog=bind",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "MemoryDenyWriteExecute=yes",
    "LockPersonality=yes",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
)

_IN_ROOT = f"RootDirectory={FOLDER}/root"
_MOUNTS = (
    Hazard(name="ProtectHome=yes, the program in /home", settings=("ProtectHome=yes",), program="home"),
    Hazard(name="ProtectHome=tmpfs, the program in /home", settings=("ProtectHome=tmpfs",), program="home"),
    Hazard(
        name="ProtectHome=tmpfs, the program in /home and BindReadOnlyPaths= of it",
        settings=("ProtectHome=tmpfs", "BindReadOnlyPaths=/home/home"),
        program="home",
    ),
    Hazard(name="ProtectHome=read-only, the program in /home", settings=("ProtectHome=read-only",), program="home"),
    Hazard(name="PrivateTmp=yes, the program in /tmp", settings=("PrivateTmp=yes",), program="tmp"),
    Hazard(name="RootDirectory=, static ELF in it", settings=(_IN_ROOT,), program="root", root=f"{FOLDER}/root"),
    Hazard(
        name="RootDirectory= with BindReadOnlyPaths= of all the host",
        settings=(_IN_ROOT, "BindReadOnlyPaths=/usr /bin /sbin /lib /lib64 /etc /opt", "MountAPIVFS=yes"),
    ),
    Hazard(
        name="RootDirectory= with BindReadOnlyPaths= of /usr, /lib, /lib64 and the program",
        settings=(_IN_ROOT, f"BindReadOnlyPaths=/usr /lib /lib64 {FOLDER}", "MountAPIVFS=yes"),
    ),
    Hazard(
        name="BindReadOnlyPaths= over the program",
        settings=(f"BindReadOnlyPaths={FOLDER}/covering/server:{FOLDER}/covered/server",),
        program="covered",
    ),
    Hazard(
        name="TemporaryFileSystem=/opt and BindReadOnlyPaths= of the program",
        settings=("TemporaryFileSystem=/opt", f"BindReadOnlyPaths={FOLDER}"),
    ),
    setting("TemporaryFileSystem=/usr/lib/authbind"),
    setting("InaccessiblePaths=/usr/lib/authbind/helper"),
    setting("InaccessiblePaths=/etc/authbind"),
    setting(f"InaccessiblePaths={FOLDER}/plain"),
    setting("ReadOnlyPaths=/"),
    setting("NoExecPaths=/etc/authbind", since=252),
    setting("NoExecPaths=/usr/lib/authbind", since=252),
    setting("NoExecPaths=/opt", since=252),
    setting("NoExecPaths=/", "ExecPaths=/usr /lib /lib64 /etc /opt", since=252),
    setting("NoExecPaths=/", "ExecPaths=/usr /lib /lib64 /opt", since=252),
    setting(
        "InaccessiblePaths=/etc/systemd/system/to-hidden",
        program="hidden",
        files=(("to-hidden", f"->{FOLDER}/hidden"),),
    ),
    setting(
        "NoExecPaths=/etc/systemd/system/to-hidden",
        program="hidden",
        files=(("to-hidden", f"->{FOLDER}/hidden"),),
        since=252,
    ),
    setting(
        "NoExecPaths=/",
        "ExecPaths=/usr /lib /lib64 /etc /etc/systemd/system/to-opt",
        files=(("to-opt", "->/opt"),),
        since=252,
    ),
    setting(
        "TemporaryFileSystem=/etc/systemd/system/to-hidden",
        program="hidden",
        files=(("to-hidden", f"->{FOLDER}/hidden"),),
    ),
    setting(
        "BindReadOnlyPaths=/etc/systemd/system/to-covering:/etc/systemd/system/to-hidden",
        program="hidden",
        files=(("to-hidden", f"->{FOLDER}/hidden"), ("to-covering", f"->{FOLDER}/covering")),
    ),
    setting("User=nosuchuser", user=""),
    setting("User=12345", user=""),
    setting("User=12345", "Group=12345", user=""),
)

HAZARDS: Tuple[Hazard, ...] = (
    setting("NoNewPrivileges=yes"),
    setting("DynamicUser=yes", user=""),
    Hazard(name="DynamicUser=yes, User=www-data", settings=("DynamicUser=yes",)),
    *(setting(line) for line in _IMPLYING),
    setting("LockPersonality=yes", "AmbientCapabilities=CAP_CHOWN"),
    setting("LockPersonality=yes", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    setting("LockPersonality=yes", "AmbientCapabilities=CAP_SYS_ADMIN"),
    *(
        setting("NoNewPrivileges=yes", line)
        for line in (
            *("SystemCallArchitectures=native", "SystemCallFilter=@system-service", "RestrictNamespaces=yes"),
            *("ProtectKernelTunables=yes", "LockPersonality=yes"),
        )
    ),
    setting("DynamicUser=yes", "SystemCallArchitectures=native", user=""),
    setting("SecureBits=noroot", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    setting("NoNewPrivileges=yes", "SecureBits=noroot", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    setting("NoNewPrivileges=yes", "SystemCallArchitectures=native", "SystemCallFilter=~capset"),
    setting("NoNewPrivileges=yes", "AmbientCapabilities=CAP_CHOWN"),
    setting("NoNewPrivileges=yes", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    setting("AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    setting("SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources"),
    setting("SystemCallFilter=~capset"),
    setting("SystemCallFilter=~prctl"),
    setting("SystemCallFilter=~capset", "AmbientCapabilities=CAP_CHOWN"),
    setting("Environment=LD_PRELOAD=libm.so.6"),
    setting("Environment=LD_LIBRARY_PATH=/opt"),
    setting("EnvironmentFile=/etc/systemd/system/hazard.env", files=(("hazard.env", "LD_LIBRARY_PATH=/opt\n"),)),
    setting(
        "ExtensionDirectories=/etc/systemd/system/hazard-extension",
        files=(("hazard-extension/usr/lib/extension-release.d/extension-release.hazard-extension", "ID=_any\n"),),
        since=252,
    ),
    setting("ProcSubset=pid"),
    setting("PAMName=other"),
    setting("PrivatePIDs=yes", since=257),
    setting("PrivateTmp=yes"),
    setting("ProtectSystem=strict"),
    setting("ProtectHome=yes"),
    setting("ProtectControlGroups=yes"),
    setting("ProtectProc=invisible"),
    setting("PrivateUsers=yes"),
    setting("PrivateUsers=identity", since=257),
    setting("CapabilityBoundingSet=CAP_CHOWN"),
    setting("CapabilityBoundingSet=~CAP_NET_BIND_SERVICE"),
    setting("CapabilityBoundingSet="),
    setting("CapabilityBoundingSet=CAP_NET_BIND_SERVICE"),
    setting("SecureBits=noroot"),
    setting("RestrictAddressFamilies=AF_UNIX"),
    setting("RestrictAddressFamilies=none"),
    setting("RestrictAddressFamilies=~AF_INET AF_INET6"),
    setting("RestrictAddressFamilies=AF_INET6", family="inet6"),
    setting("SystemCallFilter=~bind"),
    setting("SystemCallFilter=~@network-io:EPERM"),
    setting("SocketBindDeny=any", since=252),
    setting("SocketBindDeny=any", "SocketBindAllow=tcp:1-400", since=252),
    setting("SocketBindDeny=ipv4:udp", since=252),
    setting("SocketBindDeny=ipv4:tcp", since=252),
    setting("SocketBindDeny=ipv6:tcp", since=252),
    setting("SocketBindDeny=ipv4:tcp", "SocketBindDeny=ipv6:tcp", since=252),
    setting("SocketBindDeny=any", "SocketBindAllow=ipv6:tcp:1-400", since=252),
    setting("SystemCallFilter=~clone fork vfork"),
    setting("IPAddressDeny=any", "IPAddressAllow=localhost"),
    setting("MemoryDenyWriteExecute=yes", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    setting("RestrictSUIDSGID=yes", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    setting("LimitNOFILE=16"),
    setting("MountAPIVFS=yes"),
    *_MOUNTS,
    setting("PrivateNetwork=yes"),
    # systemd would bind the ports of the host's network, where nobody looks for them.
    setting("NetworkNamespacePath=/run/netns/hazards", unsafe=("socket",)),
)
