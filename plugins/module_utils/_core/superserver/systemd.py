# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd as the one that starts a program for each connection (systemd.socket(5), Accept=; systemd.exec(5))."""

from __future__ import annotations

from typing import FrozenSet, Iterator, NamedTuple, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import File, heading
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import FAMILIES, Port
from ansible_collections.netbind.privport.plugins.module_utils._core.model.superserver_options import SuperserverOptions
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import (
    NAME,
    Ground,
    Request,
    Server,
    families,
    link,
    stem,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import quoted
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.socket_unit import listened
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER

_LISTENS = {"tcp": "ListenStream", "udp": "ListenDatagram"}
_WILDCARD = {"ipv4": "0.0.0.0", "ipv6": "[::]"}  # noqa: S104
# systemd.socket(5), PollLimitIntervalSec=: it lets connections wait. The older limit ends the socket for good.
_FIRST_WITH_POLL_LIMIT = 255
# What no program needs that serves a connection. It can do nothing as its user that others of that user cannot.
SANDBOX = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateTmp=yes
ProtectSystem=full
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
"""


def filters(request: Request) -> Tuple[str, ...]:
    """The settings that let these clients in alone (systemd.resource-control(5), IPAddressAllow=)."""
    allowed = request.options.only_from
    return ("IPAddressDeny=any", f"IPAddressAllow={' '.join(allowed)}") if allowed else ()


class Systemd(Server):
    name = "systemd"
    package = "systemd"
    can = frozenset(
        ("only_from", "instances", "per_source", "wait", "log", "udp", "ipv6", "addresses", "blanks", "quotes")
    )

    def features(self, ground: Ground) -> FrozenSet[str]:
        limits = ground.systemd is not None and ground.systemd >= _FIRST_WITH_POLL_LIMIT
        lacking = set() if ground.filters else {"only_from"}
        return (self.can | ({"cps"} if limits else set())) - lacking

    def units(self, request: Request) -> Tuple[str, ...]:
        return tuple(f"{it.name}.socket" for it in _sockets(request))

    def files(self, request: Request, ground: Ground) -> Tuple[File, ...]:
        return tuple(file for it in _sockets(request) for file in _files(request, ground, it))


class _Socket(NamedTuple):
    """A socket unit and the ports that it binds; addresses () for all."""

    name: str
    ports: Tuple[Port, ...]
    addresses: Tuple[str, ...]
    waits: bool


def _sockets(request: Request) -> Iterator[_Socket]:
    """One for all ports whose program gets connections, and one for each socket that a program itself gets.

    systemd.exec(5), StandardInput=socket: of those it is a single one.
    """
    accepted = tuple(port for port in request.ports if not request.waits(port))
    if accepted:
        yield _Socket(stem(request.name), accepted, request.addresses, waits=False)
    for port in filter(request.waits, request.ports):
        for number, address in enumerate(request.addresses or ("",)):
            name = f"{stem(request.name)}-{port.number}-{port.protocol}" + (f"-{number}" if number else "")
            yield _Socket(name, (port,), (address,) if address else (), waits=True)


def _files(request: Request, ground: Ground, it: _Socket) -> Tuple[File, ...]:
    socket, service = f"{it.name}.socket", f"{it.name}{'' if it.waits else '@'}.service"
    return (
        File(path=f"{UNIT_FOLDER}/{socket}", text=_socket(request, ground, it)),
        File(path=f"{UNIT_FOLDER}/{service}", text=_service(request, socket=socket, waits=it.waits)),
        link(socket, target="sockets.target"),
    )


def _socket(request: Request, ground: Ground, it: _Socket) -> str:
    asked, reached = request.options, families(request, ground)
    # A single socket for both families.
    both = it.waits and not it.addresses and reached == FAMILIES
    given = tuple(f"[{address}]" if ":" in address else address for address in it.addresses)
    addresses = given or tuple(_WILDCARD[family] for family in (("ipv6",) if both else reached))
    lines = [
        heading(NAME),
        "[Unit]",
        f"Description=Ports of {request.name}",
        "",
        "[Socket]",
        *(f"{_LISTENS[port.protocol]}={listened(port, address)}" for port in it.ports for address in addresses),
        f"BindIPv6Only={'both' if both else 'ipv6-only'}",
        f"Accept={'no' if it.waits else 'yes'}",
        # A boot starts sockets before the network has its addresses.
        *(["FreeBind=yes"] if it.addresses else []),
        *([] if it.waits else _limits(asked)),
        *([] if asked.cps is None else ["PollLimitIntervalSec=1s", f"PollLimitBurst={asked.cps}"]),
        *filters(request),
    ]
    return "\n".join(lines) + "\n"


def _limits(asked: SuperserverOptions) -> Iterator[str]:
    if asked.instances is not None:
        yield f"MaxConnections={asked.instances}"
    if asked.per_source is not None:
        yield f"MaxConnectionsPerSource={asked.per_source}"
    # Else whoever connects often enough ends the socket for everybody.
    yield "TriggerLimitIntervalSec=0"


def _service(request: Request, *, socket: str, waits: bool) -> str:
    lines = [
        heading(NAME),
        "[Unit]",
        f"Description={request.name}" + ("" if waits else " (%I)"),
        *([f"PartOf={socket}"] if waits else ["CollectMode=inactive-or-failed"]),
        "",
        "[Service]",
        f"ExecStart={'' if waits else '-'}{quoted(request.command)}",
        f"User={request.user}",
        "StandardInput=socket",
        "StandardOutput=inherit",
        "StandardError=journal",
    ]
    return "\n".join(lines) + "\n" + SANDBOX
