# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hazards that are tried on the fleet, as data: each a unit with one thing that may void a grant."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Tuple

FOLDER = "/opt/hazards"
FIRST_PORT = 101
HOSTS = {"bullseye": 247, "bookworm": 252, "trixie": 257}
STRATEGIES = ("ambient", "setcap", "authbind")
NET_RAW = "0100000200200000000000000000000000000000"
BIND = "0100000200040000000000000000000000000000"
BIND_PERMITTED = "0000000200040000000000000000000000000000"
BIND_FOREIGN = "0100000300040000000000000000000000000000e8030000"
NET_RAW_PERMITTED = "0000000200200000000000000000000000000000"
NET_RAW_INHERITABLE = "0000000200000000002000000000000000000000"
NOTHING = "00000002" + 16 * "00"


@dataclass(frozen=True)
class Program:
    """A program file that the host makes of its own python3 (server), caddy or env, or writes.

    xattr is the value of security.capability in hexadecimal. mount holds the type and options of a file system of
    its own; 'ro' among them is set once the file is there.
    """

    kind: str = "server"
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"
    xattr: str = ""
    mount: str = ""
    immutable: bool = False
    # What runs this script: the name of another program of the table, or a #! line's words.
    interpreter: str = ""
    folder_mode: int = 0o755


PROGRAMS: Dict[str, Program] = {
    "plain": Program(),
    "python3": Program(mode=0o750, group="www-data"),
    "script": Program(kind="script"),
    "static": Program(kind="static"),
    "go": Program(kind="caddy"),
    "env": Program(kind="env"),
    "nosuid": Program(mount="tmpfs nosuid"),
    "tmpfs": Program(mount="tmpfs rw"),
    "read-only": Program(mount="tmpfs ro"),
    "ramfs": Program(mount="ramfs rw"),
    "immutable": Program(immutable=True),
    "baked": Program(mount="tmpfs ro", xattr=BIND),
    "setuid-root": Program(mode=0o4755),
    "setuid-other": Program(mode=0o4755, owner="daemon"),
    "setgid-other": Program(mode=0o2755, group="daemon"),
    "setuid-own": Program(mode=0o6755, owner="www-data", group="www-data"),
    "net_raw": Program(xattr=NET_RAW),
    "net_raw-p": Program(xattr=NET_RAW_PERMITTED),
    "net_raw-i": Program(xattr=NET_RAW_INHERITABLE),
    "empty": Program(xattr=NOTHING),
    "own": Program(xattr=BIND),
    "permitted": Program(xattr=BIND_PERMITTED),
    "foreign": Program(xattr=BIND_FOREIGN),
    "interpreter-net_raw": Program(xattr=NET_RAW),
    "script-net_raw": Program(kind="script", interpreter="interpreter-net_raw"),
    "interpreter-empty": Program(xattr=NOTHING),
    "script-empty": Program(kind="script", interpreter="interpreter-empty"),
    "interpreter-own": Program(xattr=BIND),
    "script-own": Program(kind="script", interpreter="interpreter-own"),
    "interpreter-setuid": Program(mode=0o4755),
    "script-setuid": Program(kind="script", interpreter="interpreter-setuid"),
    "script-env": Program(kind="script", interpreter="/usr/bin/env python3"),
    "wrapper": Program(kind="wrapper"),
    "baked-empty": Program(mount="tmpfs ro", xattr=NOTHING),
    "immutable-own": Program(immutable=True, xattr=BIND),
    "writable": Program(mode=0o777),
    "writable-folder": Program(folder_mode=0o777),
    "shared": Program(kind="python"),
    "behind-sh": Program(),
    "behind-env": Program(),
}


@dataclass(frozen=True)
class Hazard:
    """A row of the table: a unit, and what the collection is told of it."""

    name: str
    settings: Tuple[str, ...] = ()
    program: str = "plain"
    prefix: str = ""
    # The command line around the program's own.
    wrapper: str = "{command}"
    user: str = "www-data"
    declared_user: str = ""
    # The family and the protocol that the server is told: inet, inet6 or udp.
    family: str = "inet"
    # Settings of another drop-in, which systemd reads after the collection's.
    later: Tuple[str, ...] = ()
    port: int = 0
    # What the kernel would let through and the collection refuses all the same, for it would be a hole.
    unsafe: Tuple[str, ...] = ()
    hosts: Tuple[str, ...] = tuple(HOSTS)


def _setting(*lines: str, **fields: Any) -> Hazard:
    return Hazard(name=" ".join(lines), settings=lines, **fields)


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

_SETTINGS = (
    _setting("NoNewPrivileges=yes"),
    _setting("DynamicUser=yes", user=""),
    Hazard(name="DynamicUser=yes, User=www-data", settings=("DynamicUser=yes",)),
    *(_setting(line) for line in _IMPLYING),
    _setting("LockPersonality=yes", "AmbientCapabilities=CAP_CHOWN"),
    _setting("LockPersonality=yes", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    _setting("LockPersonality=yes", "AmbientCapabilities=CAP_SYS_ADMIN"),
    _setting("NoNewPrivileges=yes", "AmbientCapabilities=CAP_CHOWN"),
    _setting("NoNewPrivileges=yes", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    _setting("AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    _setting("SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources"),
    _setting("SystemCallFilter=~capset"),
    _setting("SystemCallFilter=~prctl"),
    _setting("SystemCallFilter=~capset", "AmbientCapabilities=CAP_CHOWN"),
    _setting("Environment=LD_PRELOAD=libm.so.6"),
    _setting("ProcSubset=pid"),
    _setting("PAMName=other"),
    _setting("PrivatePIDs=yes", hosts=("trixie",)),
    _setting("PrivateTmp=yes"),
    _setting("ProtectSystem=strict"),
    _setting("ProtectHome=yes"),
    _setting("ProtectControlGroups=yes"),
    _setting("ProtectProc=invisible"),
    _setting("PrivateUsers=yes"),
    _setting("PrivateUsers=identity", hosts=("trixie",)),
    _setting("CapabilityBoundingSet=CAP_CHOWN"),
    _setting("CapabilityBoundingSet=~CAP_NET_BIND_SERVICE"),
    _setting("CapabilityBoundingSet="),
    _setting("CapabilityBoundingSet=CAP_NET_BIND_SERVICE"),
    _setting("SecureBits=noroot"),
    _setting("RestrictAddressFamilies=AF_UNIX"),
    _setting("RestrictAddressFamilies=none"),
    _setting("RestrictAddressFamilies=~AF_INET AF_INET6"),
    _setting("RestrictAddressFamilies=AF_INET6", family="inet6"),
    _setting("SystemCallFilter=~bind"),
    _setting("SystemCallFilter=~@network-io:EPERM"),
    _setting("SocketBindDeny=any", hosts=("bookworm", "trixie")),
    _setting("SocketBindDeny=any", "SocketBindAllow=tcp:1-400", hosts=("bookworm", "trixie")),
    _setting("SocketBindDeny=ipv4:udp", hosts=("bookworm", "trixie")),
    _setting("PrivateNetwork=yes"),
    _setting("NetworkNamespacePath=/run/netns/hazards"),
)

_COMMANDS = (
    _setting("User=", user=""),
    Hazard(name="User= unset, www-data declared", user="", declared_user="www-data"),
    Hazard(name="User=root", user="root"),
    Hazard(name="User=www-data, daemon declared", declared_user="daemon"),
    Hazard(name="User=33", user="33"),
    *(Hazard(name=f"ExecStart={prefix}…", prefix=prefix) for prefix in ("+", "!", "!!", "-", ":", "@")),
    Hazard(name="AmbientCapabilities= in a later drop-in", later=("AmbientCapabilities=",)),
    Hazard(name="AmbientCapabilities=CAP_CHOWN in a later drop-in", later=("AmbientCapabilities=CAP_CHOWN",)),
    Hazard(name="ExecStart= and ExecStart=… in a later drop-in", later=("ExecStart=", "ExecStart={command}")),
    Hazard(name="a UDP port", family="udp"),
    Hazard(name="port 600", port=600),
    Hazard(name="ExecStart=/bin/sh -c 'exec …'", program="behind-sh", wrapper="/bin/sh -c 'exec {command}'"),
    Hazard(name="ExecStart=env …", program="behind-env", wrapper=FOLDER + "/env/env A=b {command}"),
)

_PROGRAMS = (
    Hazard(name="a private copy of python3", program="python3"),
    Hazard(name="script (#!)", program="script"),
    Hazard(name="script of an interpreter with cap_net_raw=ep", program="script-net_raw"),
    Hazard(name="script of an interpreter with an empty security.capability", program="script-empty"),
    Hazard(name="script of an interpreter with cap_net_bind_service=ep", program="script-own"),
    Hazard(name="script of a set-user-ID interpreter", program="script-setuid"),
    Hazard(name="script of /usr/bin/env", program="script-env"),
    Hazard(name="shell script that starts the server", program="wrapper"),
    Hazard(name="static ELF", program="static"),
    Hazard(name="Go (caddy)", program="go", hosts=("bookworm", "trixie")),
    Hazard(name="on a tmpfs", program="tmpfs"),
    Hazard(name="on a nosuid mount", program="nosuid"),
    Hazard(name="on a read-only mount", program="read-only"),
    Hazard(name="on a read-only mount, has cap_net_bind_service=ep", program="baked"),
    Hazard(name="on a ramfs, which has no attributes", program="ramfs"),
    Hazard(name="on a read-only mount, has an empty security.capability", program="baked-empty"),
    Hazard(name="immutable file", program="immutable"),
    Hazard(name="immutable file, has cap_net_bind_service=ep", program="immutable-own"),
    Hazard(name="everyone may write the file", program="writable", unsafe=("setcap",)),
    Hazard(name="everyone may write in its folder", program="writable-folder", unsafe=("setcap",)),
    Hazard(name="python3 that everyone may execute", program="shared", unsafe=("setcap",)),
    Hazard(name="set-user-ID root", program="setuid-root"),
    Hazard(name="set-user-ID to another user", program="setuid-other"),
    Hazard(name="set-group-ID to another group", program="setgid-other"),
    Hazard(name="set-user-ID to the unit's own user", program="setuid-own"),
    Hazard(name="has cap_net_raw=ep", program="net_raw"),
    Hazard(name="has cap_net_raw=p", program="net_raw-p"),
    Hazard(name="has cap_net_raw=i", program="net_raw-i"),
    Hazard(name="has an empty security.capability", program="empty"),
    Hazard(name="has cap_net_bind_service=ep", program="own"),
    Hazard(name="has cap_net_bind_service=p", program="permitted"),
    Hazard(name="has cap_net_bind_service=ep of another root id", program="foreign"),
)

HAZARDS: Tuple[Hazard, ...] = (Hazard(name="none: a plain unit"), *_SETTINGS, *_COMMANDS, *_PROGRAMS)


@dataclass(frozen=True)
class Row:
    """A hazard with the names that it gets on the hosts."""

    number: int
    hazard: Hazard

    @property
    def port(self) -> int:
        return self.hazard.port or FIRST_PORT + self.number

    @property
    def unit(self) -> str:
        return f"hazard{self.number:02d}.service"

    @property
    def program_path(self) -> str:
        name = {"env": "env", "python": "python3"}.get(PROGRAMS[self.hazard.program].kind, "server")
        # The port of a program that takes no argument is in its file.
        own = f"-{self.port}" if PROGRAMS[self.hazard.program].kind == "static" else ""
        return f"{FOLDER}/{self.hazard.program}/{name}{own}"

    @property
    def command(self) -> str:
        kind = PROGRAMS[self.hazard.program].kind
        argv0 = "server " if "@" in self.hazard.prefix else ""
        arguments = {
            "server": f"{argv0}{FOLDER}/serve.py {self.port} {self.hazard.family}",
            "python": f"{FOLDER}/serve.py {self.port} {self.hazard.family}",
            "script": f"{self.port} {self.hazard.family}",
            "wrapper": f"{FOLDER}/serve.py {self.port} {self.hazard.family}",
            "caddy": f"file-server --listen :{self.port}",
            "static": "",
        }[kind]
        return self.hazard.wrapper.format(command=f"{self.program_path} {arguments}".strip())

    @property
    def files(self) -> Dict[str, str]:
        """The unit's file and drop-in by their paths below /etc/systemd/system."""
        later = "\n".join(["[Service]", *self.hazard.later, ""]).format(command=self.command)
        return {self.unit: self._text, **({f"{self.unit}.d/zz.conf": later} if self.hazard.later else {})}

    @property
    def _text(self) -> str:
        user = [f"User={self.hazard.user}"] if self.hazard.user else []
        lines = [
            "[Service]",
            *user,
            f"ExecStart={self.hazard.prefix}{self.command}",
            "Environment=HOME=/tmp",
            "KillSignal=SIGKILL",
        ]
        return "\n".join([*lines, *self.hazard.settings, ""])

    @property
    def service(self) -> Dict[str, Any]:
        """The description that the collection gets, less the strategy."""
        described = {
            "name": self.unit.partition(".")[0],
            "ports": [f"{self.port}/udp" if self.hazard.family == "udp" else self.port],
            "unit": self.unit,
            "user": self.hazard.declared_user,
        }
        return {key: value for key, value in described.items() if value}


def rows_of(host: str) -> Tuple[Row, ...]:
    return tuple(Row(number, hazard) for number, hazard in enumerate(HAZARDS) if host in hazard.hosts)


def programs_of(host: str) -> Dict[str, Dict[str, Any]]:
    """The programs that the host is to make, as plain data."""
    return {
        name: asdict(program) for name, program in PROGRAMS.items() if program.kind != "caddy" or host != "bullseye"
    }
