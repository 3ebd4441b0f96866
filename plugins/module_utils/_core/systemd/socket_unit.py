# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket unit by which systemd binds ports and hands them to a service (systemd.socket(5), sd_listen_fds(3))."""

from __future__ import annotations

import ipaddress
import posixpath
from typing import Callable, Iterable, Iterator, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    File,
    Installed,
    heading,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Desired,
    file,
    merged,
    of_file,
    without,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Listener, Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import FAMILIES, Port, SocketOptions
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    DROPIN_NAME,
    UNIT_FOLDER,
    dropin_path,
    render_socket,
)

# systemd.unit(5), "Unit File Load Path", but UNIT_FOLDER.
_OTHER_FOLDERS = (
    "/run/systemd/transient",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
# sd_listen_fds(3), SD_LISTEN_FDS_START.
_FIRST_DESCRIPTOR = 3
_LISTENS = {"tcp": "ListenStream", "udp": "ListenDatagram"}
_WILDCARD = {"ipv4": "0.0.0.0", "ipv6": "[::]"}  # noqa: S104
# The program of this name looks for its sockets in a variable of its own, each by the address of a listen line.
_NGINX = "nginx"


def socket_name(unit: str) -> str:
    """systemd.socket(5), Service=: a socket unit starts the service of its own name."""
    return unit.rpartition(".")[0] + ".socket"


def paths(unit: str) -> tuple[str, str]:
    """The socket unit's file, and the link by which a boot starts it."""
    name = socket_name(unit)
    return f"{UNIT_FOLDER}/{name}", f"{UNIT_FOLDER}/sockets.target.wants/{name}"


def paths_elsewhere(unit: str) -> tuple[str, ...]:
    """Where else systemd finds a unit of that name, or the template that it is an instance of (systemd.unit(5))."""
    name = socket_name(unit)
    stem, instance, _rest = name.partition("@")
    template = f"{stem}@.socket" if instance else ""
    names = [f"{folder}/{name}" for folder in _OTHER_FOLDERS]
    templates = [f"{folder}/{template}" for folder in (UNIT_FOLDER, *_OTHER_FOLDERS) if template]
    return (*names, *templates)


def names_its_sockets(program: str) -> bool:
    """Whether the program, a path or a name, takes a socket only for an address that it is told to listen on."""
    return posixpath.basename(program) == _NGINX


class Handed(NamedTuple):
    """What a service unit is to be handed: program is the one that it starts in the end, '' where nobody can tell."""

    unit: str
    ports: tuple[Port, ...]
    families: tuple[str, ...]
    options: SocketOptions
    program: str
    # The only ones that are to be bound; () for all.
    only: tuple[str, ...] = ()
    # The unit's BindNetworkInterface=, which systemd heeds for sockets that the unit opens itself; '' for any.
    interface: str = ""

    @property
    def addresses(self) -> tuple[tuple[Port, str], ...]:
        """A port and an address, '' for all of both families, for each socket in the order of their descriptors."""
        together = not self.families or (self.families == FAMILIES and not names_its_sockets(self.program))
        of_families = ("",) if together else tuple(_WILDCARD[family] for family in self.families)
        of_a_port = tuple(f"[{it}]" if ":" in it else it for it in self.only) or of_families
        return tuple((port, address) for port in self.ports for address in of_a_port)

    @property
    def files(self) -> tuple[File, File]:
        path, link = paths(self.unit)
        return File(path=path, text=self._text()), File(path=link, target=path)

    def _text(self) -> str:
        lines = [
            heading("socket"),
            "[Unit]",
            f"Description=The ports of {self.unit}",
            "",
            "[Socket]",
            *(f"{_LISTENS[port.protocol]}={listened(port, address)}" for port, address in self.addresses),
            f"BindIPv6Only={'ipv6-only' if all(address for _port, address in self.addresses) else 'both'}",
            # A boot starts sockets before the network has its addresses.
            *(["FreeBind=yes"] if self.only else []),
            *([f"BindToDevice={self.interface}"] if self.interface else []),
            *(f"{key}={value}" for key, value in _settings(self.options)),
            "",
            "[Install]",
            "WantedBy=sockets.target",
        ]
        return "\n".join(lines) + "\n"

    @property
    def dropin(self) -> str:
        """The drop-in of the service unit."""
        descriptors = range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + len(self.addresses))
        told = "NGINX=" + "".join(f"{number}:" for number in descriptors)
        environment = told if names_its_sockets(self.program) else ""
        return render_socket(socket=socket_name(self.unit), environment=environment)

    def desired(self, found: Installed) -> Desired:
        """The socket unit, in the place of what was found, and the drop-in."""
        dropin = file(dropin_path(unit=self.unit, dropin=DROPIN_NAME), self.dropin)
        wanted = Desired(
            entries=(*map(of_file, self.files), dropin),
            # As long as the service runs without a socket of it, systemd refuses to start it.
            with_service=(socket_name(self.unit),),
        )
        return merged(without(found), wanted)

    @property
    def listen_lines(self) -> tuple[str, ...]:
        """As nginx has to say what it is handed; it takes a socket for no other line."""
        return tuple(
            f"listen {_address(port, address or _WILDCARD['ipv6'])}"
            + ("" if address else " ipv6only=off")
            + (" udp" if port.protocol == "udp" else "")
            for port, address in self.addresses
        )


def _address(port: Port, address: str) -> str:
    return f"{address}:{port.number}" if address else str(port.number)


def listened(port: Port, address: str) -> str:
    """A port at an address, in brackets where it is IPv6, as systemd reads it.

    An interface stands behind the port, and two '%' are one (systemd.socket(5), systemd.unit(5), Specifiers).
    """
    ip, percent, interface = address.strip("[]").partition("%")
    return f"[{ip}]:{port.number}%%{interface}" if percent else _address(port, address)


def address_problem(address: str) -> str:
    """Why systemd cannot bind a declared address, '' where it can (systemd.socket(5), ListenStream=; ipv6(7))."""
    ip, _percent, interface = address.partition("%")
    if ":" not in ip and interface:
        return f"systemd binds no IPv4 address on one interface alone; write {ip} in addresses"
    if ":" in ip and not interface and ipaddress.ip_address(ip).is_link_local:
        return f"a link-local address is bound with its interface alone; write {ip}%INTERFACE in addresses"
    return ""


def _settings(options: SocketOptions) -> Iterator[tuple[str, str]]:
    if options.backlog is not None:
        yield "Backlog", str(options.backlog)
    for key, value in (("NoDelay", options.no_delay), ("ReusePort", options.reuse_port)):
        if value is not None:
            yield key, "yes" if value else "no"
    for key, addresses in (("IPAddressAllow", options.address_allow), ("IPAddressDeny", options.address_deny)):
        if addresses:
            yield key, " ".join(addresses)


def refusal(options: SocketOptions) -> str:
    """Why systemd would do nothing of what is asked for, a sentence; '' where it would.

    systemd.resource-control(5), IPAddressAllow=: who is not denied is let in anyway.
    """
    if not options.address_allow or options.address_deny:
        return ""
    allowed = ", ".join(options.address_allow)
    return f"address_allow is [{allowed}] without address_deny, which lets everybody in; add address_deny: [any]"


def foreign_text(socket: str, *, path: str) -> str:
    """Why there can be no socket unit of ours."""
    return (
        f"{socket} is somebody else's ({path}); keep that one, which hands the ports over by itself once it runs, or "
        "remove it first"
    )


def takes_none_text(program: str) -> str:
    """Why a caddy is refused."""
    return f"{program} is a caddy that takes no sockets from systemd; that came with caddy 2.9 (bind fd/3)"


def is_handed(listeners: Iterable[Listener], *, owns: Callable[[Process], bool]) -> bool | None:
    """Whether systemd and the service hold one of these sockets together; None where the holders are hidden."""
    found = tuple(listeners)
    if any(_shared(it.owners, owns=owns) for it in found):
        return True
    return False if all(it.owners_known for it in found) else None


def _shared(owners: Sequence[Process], *, owns: Callable[[Process], bool]) -> bool:
    return any(owner.pid == 1 for owner in owners) and any(owns(owner) for owner in owners)
