# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts a program for each connection: what is asked of it, what a host has for it, and what each one is."""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    File,
    plain_name,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Desired,
    Reload,
    of_file,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import FAMILIES, Port, Service
from ansible_collections.netbind.privport.plugins.module_utils._core.model.superserver_options import (
    SuperserverOptions,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER

NAME = "superserver"
# What not every server can do, and as what it is told.
FEATURES: Mapping[str, str] = {
    "only_from": "limit who its clients are (only_from)",
    "instances": "limit how many connections it serves (instances)",
    "per_source": "limit how many connections a client has (per_source)",
    "cps": "limit how many connections come in a second (cps)",
    "wait": "leave it to the program to accept connections (wait)",
    "log": "write to the log who its clients are (log)",
    "udp": "take UDP",
    "ipv6": "take IPv6",
    "addresses": "bind several addresses",
    "blanks": "start a command with blanks in a word",
    "quotes": "start a command with a quote, a backslash or an empty word",
}


class Request(NamedTuple):
    """What is asked for: name is the service's, user that of its command; uid and gid are -1 where nobody has it.

    addresses () stands for all, families () for those that the host has.
    """

    name: str
    server: str
    ports: Tuple[Port, ...]
    command: Tuple[str, ...]
    user: str
    uid: int = -1
    gid: int = -1
    addresses: Tuple[str, ...] = ()
    families: Tuple[str, ...] = ()
    options: SuperserverOptions = SuperserverOptions()

    def waits(self, port: Port) -> bool:
        """Whether the program gets the listening socket: of UDP always."""
        return port.protocol == "udp" or bool(self.options.wait)

    @property
    def needs(self) -> FrozenSet[str]:
        """The features that it needs."""
        asked = {key for key in ("only_from", "instances", "per_source", "cps", "wait", "log") if self._asks(key)}
        asked |= {"udp"} if any(port.protocol == "udp" for port in self.ports) else set()
        asked |= {"ipv6"} if "ipv6" in self.families or any(":" in it for it in self.addresses) else set()
        asked |= {"addresses"} if len(self.addresses) > 1 else set()
        asked |= {"blanks"} if any(re.search(r"\s", word) for word in self.command) else set()
        asked |= {"quotes"} if any(not word or re.search(r"[\"'\\]", word) for word in self.command) else set()
        return frozenset(asked)

    def _asks(self, key: str) -> bool:
        return getattr(self.options, key) not in (None, (), False)


def request_of(service: Service, *, uid: int, gid: int) -> Request:
    """What a description asks for."""
    return Request(
        name=service.name,
        server=service.superserver,
        ports=service.ports,
        command=service.command,
        user=service.user,
        uid=uid,
        gid=gid,
        addresses=service.addresses,
        families=service.families,
        options=service.superserver_options,
    )


class Daemon(NamedTuple):
    """A server that is somebody else's, by its unit: whether it runs, a boot starts it, and it can be reloaded.

    stale: a run was killed that changed a file of it, and it may serve by what the file said before.
    """

    unit: str
    active: bool
    at_boot: bool
    reloads: bool
    stale: bool = False


class Shared(NamedTuple):
    """A file that is not the collection's alone, and the temporary files that killed runs left of a change to it."""

    text: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o644
    leftovers: Tuple[str, ...] = ()


class Ground(NamedTuple):
    """What a host has for it.

    programs are paths by the name of the server, daemons by the same. systemd is its version, None for none;
    filters: whether it can keep clients away (systemd.resource-control(5), IPAddressDeny=). inetd is its
    configuration, None where there is none.
    """

    programs: Dict[str, str]
    daemons: Dict[str, Daemon]
    systemd: Optional[int] = None
    ipv6: bool = False
    filters: bool = False
    inetd: Optional[Shared] = None
    xinetd: str = ""


class Server:
    """One of those that can do it. Every method is pure."""

    name: str
    package: str
    # Features, see above.
    can: FrozenSet[str] = frozenset()
    # The unit of a daemon that is somebody else's, '' for none.
    daemon = ""

    def features(self, ground: Ground) -> FrozenSet[str]:
        """What it can do on this host."""
        return self.can

    def obstacle(self, request: Request, ground: Ground) -> Optional[Reason]:
        """What else keeps it from working there."""
        return None

    def files(self, request: Request, ground: Ground) -> Tuple[File, ...]:
        """Its own files. The first tells that there is something."""
        return ()

    def units(self, request: Request) -> Tuple[str, ...]:
        """Its own units that are to be active."""
        return ()

    def warnings(self, request: Request, ground: Ground) -> Tuple[str, ...]:
        """What is worth knowing beside."""
        return ()

    def desired(self, request: Request, ground: Ground, planned: Desired) -> Desired:
        """What is to become of its files and units; planned is what others want of the same files."""
        return Desired(entries=tuple(map(of_file, self.files(request, ground))), running=self.units(request))


def stem(service: str) -> str:
    """The name of its units and files, less what follows."""
    return f"privport-superserver-{plain_name(service)}"


def link(unit: str, *, target: str) -> File:
    """The link by which a boot starts a unit."""
    return File(path=f"{UNIT_FOLDER}/{target}.wants/{unit}", target=f"{UNIT_FOLDER}/{unit}")


def is_of(name: str, *, service: str) -> bool:
    """Whether a file or a link of this name is of the service's units."""
    begins = stem(service)
    return name.startswith(begins) and name[len(begins) :][:1] in (".", "-", "@")


def families(request: Request, ground: Ground) -> Tuple[str, ...]:
    """Those that it is reached by."""
    return request.families or (FAMILIES if ground.ipv6 else ("ipv4",))


def reloads(daemon: str, *, file: str, ports: Sequence[Port], held: bool) -> Tuple[Reload, ...]:
    """That a daemon reads its files again, and holds these ports then, or not."""
    return tuple(Reload(unit=daemon, file=file, port=str(port), held=held) for port in ports)


def runs(name: str) -> bool:
    """Whether a unit of this name is to be active by itself: a socket, or a server of one port."""
    return name.endswith(".socket") or bool(re.search(r"-[0-9]+\.service\Z", name))


def names(service: str, ports: Sequence[Port]) -> Tuple[str, ...]:
    """The names of all unit files that may be written for these ports, whichever server it is."""
    begins = stem(service)
    of_ports = [f"{begins}-{port.number}" for port in ports]
    waiting = [f"{begins}-{port.number}-{port.protocol}" for port in ports]
    return (
        *(f"{begins}.socket", f"{begins}@.service"),
        *(f"{it}.service" for it in of_ports),
        *(f"{it}.{ending}" for it in waiting for ending in ("socket", "service")),
    )
