# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service descriptions as people write them, checked and made into data."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import unit_name

STRATEGY_NAMES = ("unneeded", "socket", "ambient", "setcap", "authbind", "redirect", "forward", "sysctl")
_KEYS = (
    "name",
    "ports",
    "unit",
    "executable",
    "user",
    "strategy",
    "socket_activation",
    "socket",
    "backend_ports",
    "forward_with",
    "families",
    "state",
)
FAMILIES = ("ipv4", "ipv6")
FORWARDERS = ("proxyd", "socat", "haproxy", "nginx")
# systemd.resource-control(5), IPAddressAllow=.
_ADDRESS_NAMES = ("any", "localhost", "link-local", "multicast")
_SOCKET_KEYS = ("backlog", "no_delay", "reuse_port", "address_allow", "address_deny")
_PORT = re.compile(r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?(?:/(?P<protocol>tcp|udp))?")


class Port(NamedTuple):
    """A port of a protocol, 'tcp' or 'udp'."""

    number: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return str(self.number) if self.protocol == "tcp" else f"{self.number}/{self.protocol}"


class SocketOptions(NamedTuple):
    """What systemd.socket(5) and systemd.resource-control(5) let one say of a socket; None and () stand for nothing."""

    backlog: Optional[int] = None
    no_delay: Optional[bool] = None
    reuse_port: Optional[bool] = None
    address_allow: tuple[str, ...] = ()
    address_deny: tuple[str, ...] = ()


class Service(NamedTuple):
    """One declared service; '' stands for what is not given."""

    name: str
    ports: tuple[Port, ...]
    unit: str = ""
    executable: str = ""
    user: str = ""
    strategy: str = "auto"
    socket_activation: bool = False
    socket: SocketOptions = SocketOptions()
    backend_ports: Mapping[str, int] = {}
    # One of FORWARDERS, '' for what suits the host.
    forward_with: str = ""
    # Those that it must be reached by; none for whatever it listens on.
    families: tuple[str, ...] = ()
    state: str = "present"
    # Whether the host is to give a file capability back after an upgrade; None: not asked, as in a proof.
    keep: Optional[bool] = None

    @property
    def listens(self) -> tuple[Port, ...]:
        """Its ports, and those of backend_ports, which it listens on in their stead."""
        backends = (self.backend(port) for port in self.ports)
        return (*self.ports, *(port for port in backends if port is not None))

    def backend(self, port: Port) -> Optional[Port]:
        """The port of backend_ports that the service listens on for this one; None where it names none."""
        number = self.backend_ports.get(str(port.number))
        return None if number is None else Port(number, port.protocol)


def parse_ports(values: Sequence[Any], *, where: str) -> tuple[Port, ...]:
    """The ports that N, N-M, N/tcp and N/udp name, sorted, each once.

    where begins the error ("service 'caddy': ports"). Raises InvalidInput.
    """
    if not isinstance(values, (list, tuple)):
        raise InvalidInput(f"{where} is {values!r}, not a list; write [80, 443/udp]")
    if not values:
        raise InvalidInput(f"{where} is empty; name at least one port, such as [80]")
    found = {port for value in values for port in _parse_port(value, where=where)}
    return tuple(sorted(found))


def _parse_port(value: Any, *, where: str) -> list[Port]:
    match = _PORT.fullmatch(str(value)) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    if match is None:
        raise InvalidInput(f"{where} holds {value!r}; a port is a number, 'N-M', 'N/tcp' or 'N/udp'")
    first = int(match["first"])
    last = int(match["last"] or first)
    if not 1 <= first <= last <= 65535:
        raise InvalidInput(f"{where} holds {value!r}; ports go from 1 to 65535, the lower one first")
    return [Port(number, match["protocol"] or "tcp") for number in range(first, last + 1)]


def parse_services(descriptions: Any) -> tuple[Service, ...]:
    """A list of service descriptions as data. Raises InvalidInput that names the service and the key."""
    if not isinstance(descriptions, (list, tuple)):
        raise InvalidInput(f"services is {descriptions!r}, not a list of service descriptions")
    services = tuple(_parse_service(description) for description in descriptions)
    _refuse_shared_names(services)
    _refuse_shared_ports(services)
    return services


def _parse_service(description: Any) -> Service:
    if not isinstance(description, Mapping):
        raise InvalidInput(f"services holds {description!r}; each service is a mapping with a name and ports")
    given = {key: value for key, value in description.items() if value is not None}
    name = given.get("name")
    if not isinstance(name, str) or not name.strip():
        raise InvalidInput(f"a service has the name {name!r}; give each a name of its own, such as 'caddy'")
    where = f"service {name!r}:"
    unknown = sorted(str(key) for key in given if key not in _KEYS)
    if unknown:
        raise InvalidInput(f"{where} unknown key {unknown[0]!r}; the keys are {', '.join(_KEYS)}")
    return Service(
        name=str(name),
        ports=parse_ports(given.get("ports", ()), where=f"{where} ports"),
        unit=unit_name(_text(given, "unit", where=where), where=f"{where} unit") if given.get("unit") else "",
        executable=_absolute(_text(given, "executable", where=where), where=f"{where} executable"),
        user=_text(given, "user", where=where),
        strategy=_choice(given, "strategy", ("auto", *STRATEGY_NAMES), where=where),
        socket_activation=_flag(given, "socket_activation", where=where),
        socket=parse_socket(given.get("socket", {}), where=f"{where} socket"),
        backend_ports=parse_backend_ports(given.get("backend_ports", {}), where=f"{where} backend_ports"),
        forward_with=_choice(given, "forward_with", ("", *FORWARDERS), where=where),
        families=parse_families(given.get("families", ()), where=f"{where} families"),
        state=_choice(given, "state", ("present", "absent"), where=where),
    )


def _text(given: Mapping[str, Any], key: str, *, where: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str):
        # A user may be named by its number.
        if key == "user" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise InvalidInput(f"{where} {key} is {value!r}; write it as text")
    if "\n" in value or "\0" in value:
        raise InvalidInput(f"{where} {key} is {value!r}; it cannot hold a newline or NUL")
    return str(value)


def _absolute(path: str, *, where: str) -> str:
    if path and not path.startswith("/"):
        raise InvalidInput(f"{where} is {path!r}; write the absolute path, such as '/usr/bin/caddy'")
    return path


def _choice(given: Mapping[str, Any], key: str, choices: tuple[str, ...], *, where: str) -> str:
    value = given.get(key, choices[0])
    if value not in choices:
        raise InvalidInput(f"{where} {key} is {value!r}; choose one of {', '.join(filter(None, choices))}")
    return str(value)


def parse_families(value: Any, *, where: str) -> tuple[str, ...]:
    """Some of FAMILIES, sorted, each once. Raises InvalidInput."""
    known = isinstance(value, (list, tuple)) and all(family in FAMILIES for family in value)
    if not known:
        raise InvalidInput(f"{where} is {value!r}; write a list of {' and '.join(FAMILIES)}")
    return tuple(sorted(set(value)))


def _flag(given: Mapping[str, Any], key: str, *, where: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"{where} {key} is {value!r}; write true or false")
    return value


def parse_socket(value: Any, *, where: str) -> SocketOptions:
    """The mapping of a service's socket options. Raises InvalidInput that names the key."""
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} is {value!r}; write a mapping such as {{backlog: 512}}")
    given = {key: item for key, item in value.items() if item is not None}
    unknown = sorted(str(key) for key in given if key not in _SOCKET_KEYS)
    if unknown:
        raise InvalidInput(f"{where} holds the key {unknown[0]!r}; the keys are {', '.join(_SOCKET_KEYS)}")
    backlog = given.get("backlog")
    if backlog is not None and (isinstance(backlog, bool) or not isinstance(backlog, int) or backlog < 1):
        raise InvalidInput(f"{where} backlog is {backlog!r}; write how many connections may wait, such as 512")
    return SocketOptions(
        backlog=backlog,
        no_delay=_flag(given, "no_delay", where=where) if "no_delay" in given else None,
        reuse_port=_flag(given, "reuse_port", where=where) if "reuse_port" in given else None,
        address_allow=_addresses(given.get("address_allow", ()), where=f"{where} address_allow"),
        address_deny=_addresses(given.get("address_deny", ()), where=f"{where} address_deny"),
    )


def _addresses(value: Any, *, where: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise InvalidInput(f"{where} is {value!r}; write a list such as [10.0.0.0/8, localhost]")
    return tuple(_address(item, where=where) for item in value)


def _address(value: Any, *, where: str) -> str:
    """An address or a network as systemd takes it."""
    if value in _ADDRESS_NAMES:
        return str(value)
    try:
        return str(ipaddress.ip_interface(value if isinstance(value, str) else "").with_prefixlen)
    except ValueError:
        names = ", ".join(_ADDRESS_NAMES)
        message = f"{where} holds {value!r}; write addresses, networks such as 10.0.0.0/8, or {names}"
        raise InvalidInput(message) from None


def parse_backend_ports(value: Any, *, where: str) -> dict[str, int]:
    """Low port, as text, to high port. Raises InvalidInput.

    Both are of the protocol that the service's port has.
    """
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} is {value!r}; write a mapping such as {{80: 8080}}")
    return {str(_one_number(low, where=where)): _one_number(high, where=where) for low, high in value.items()}


def _one_number(value: Any, *, where: str) -> int:
    ports = _parse_port(value, where=where)
    if len(ports) != 1 or ports[0].protocol != "tcp" or "/" in str(value):
        raise InvalidInput(f"{where} holds {value!r}; write single ports, such as {{80: 8080}}")
    return ports[0].number


def _refuse_shared_names(services: Sequence[Service]) -> None:
    names = [service.name for service in services]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"service {twice[0]!r}: name is used by two services; give each its own")


def _refuse_shared_ports(services: Sequence[Service]) -> None:
    owner: dict[Port, str] = {}
    for service in services:
        for port in service.ports if service.state == "present" else ():
            if port in owner:
                raise InvalidInput(
                    f"service {service.name!r}: ports holds {port}, which service {owner[port]!r} has too; "
                    "a port belongs to one service"
                )
            owner[port] = service.name
