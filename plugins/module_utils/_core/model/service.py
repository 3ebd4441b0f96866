# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service descriptions as people write them, checked and made into data."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model import options
from ansible_collections.netbind.privport.plugins.module_utils._core.model.address import (
    family_of,
    parse_addresses,
    serves,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import (
    FORWARDERS,
    LISTENS,
    MANAGER_OPTIONS,
    SCOPES,
    SERVICE_OPTIONS,
    SOCKET_OPTIONS,
    STATES,
    STRATEGY_NAMES,
    SUPERSERVERS,
    WIDENS,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.superserver_options import (
    SuperserverOptions,
    parse_command,
    parse_superserver,
    problem_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import KINDS, Manager, of_user
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import (
    instance_of,
    is_template,
    template_of,
    unit_name,
)

FAMILIES = ("ipv4", "ipv6")
# systemd.resource-control(5), IPAddressAllow=.
_ADDRESS_NAMES = ("any", "localhost", "link-local", "multicast")
# JSON, for that is right in a text as well as in YAML.
_EXAMPLE = '{"name": "caddy", "ports": [80, 443], "unit": "caddy.service"}'
# What tools take as a name and never as an option, of supervisord with its group, or the path of a service's folder.
_MANAGED_NAME = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9_.:@+/-]{0,254}")
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
    # Those that it listens on; none for whatever it listens on.
    addresses: tuple[str, ...] = ()
    unit: str = ""
    # One of SCOPES: whose manager has the unit, the system's or that of the user.
    scope: str = "system"
    # What starts it instead of a unit.
    manager: Optional[Manager] = None
    executable: str = ""
    user: str = ""
    strategy: str = "auto"
    # Of a template; none for those that run.
    instances: tuple[str, ...] = ()
    # One of LISTENS.
    listens: str = "always"
    # Some of WIDENS: what our drop-in may add to the unit's sandbox.
    widen: tuple[str, ...] = ()
    # Seconds that it may take until it listens; None for what holds for all services of the run.
    timeout: Optional[int] = None
    socket_activation: bool = False
    socket: SocketOptions = SocketOptions()
    backend_ports: Mapping[str, int] = {}
    # One of FORWARDERS, '' for what suits the host.
    forward_with: str = ""
    # Those that it must be reached by; none for whatever it listens on.
    families: tuple[str, ...] = ()
    # One of SUPERSERVERS, '' for a program that listens by itself; and what that one starts for each connection.
    superserver: str = ""
    superserver_options: SuperserverOptions = SuperserverOptions()
    command: tuple[str, ...] = ()
    state: str = "present"
    # Whether the host is to give a file capability back after an upgrade; None: not asked, as in a proof.
    keep: Optional[bool] = None
    # Of one that stands for an instance: the template of its unit, the instance, '' where the template has none, and
    # the name in the description (instances.py).
    template: str = ""
    instance: str = ""
    declared: str = ""

    @property
    def started_by(self) -> str:
        """The name of the unit or, in its place, of the supervisor's service that starts it; '' for neither."""
        if self.manager is not None:
            return str(self.manager)
        return str(of_user(self.user, unit=self.unit)) if self.scope == "user" else self.unit

    @property
    def system_unit(self) -> str:
        """Its unit where that is one of the system's manager, else ''."""
        return self.unit if self.scope == "system" else ""

    @property
    def all_ports(self) -> tuple[Port, ...]:
        """Its ports, and those of backend_ports, which it listens on in their stead."""
        backends = (self.backend(port) for port in self.ports)
        return (*self.ports, *(port for port in backends if port is not None))

    def serves_by(self, address: str, *, v6only: Optional[bool]) -> bool:
        """Whether a socket bound to this address, as ss(8) shows it, concerns the service."""
        return not self.addresses or any(serves(address, own, v6only=v6only) for own in self.addresses)

    def shares_ports_with(self, other: Service) -> bool:
        """Whether both may hold one port: on different addresses, or as instances of one template by SO_REUSEPORT."""
        apart = self.addresses and other.addresses and not set(self.addresses).intersection(other.addresses)
        template = template_of(self.unit)
        return bool(apart) or bool(template and template == template_of(other.unit))

    def seconds(self, of_all: float) -> float:
        """How long it may take until it listens; of_all is what holds for services that say nothing themselves."""
        return of_all if self.timeout is None else self.timeout

    def backend(self, port: Port) -> Optional[Port]:
        """The port of backend_ports that the service listens on for this one; None where it names none."""
        number = self.backend_ports.get(str(port.number))
        return None if number is None else Port(number, port.protocol)


def parse_ports(value: Any, *, where: str) -> tuple[Port, ...]:
    """The ports that N, N-M, N/tcp and N/udp name, in a list or as text, sorted, each once.

    where begins the error ("service 'caddy': ports"). Raises InvalidInput.
    """
    written = options.words(value, where=where, example="[80, 443/udp]")
    if not written:
        raise InvalidInput(f"{where} is empty; name at least one port, such as [80]")
    return tuple(sorted({port for word in written for port in _parse_port(word, where=where)}))


def runs_of(ports: Sequence[Port]) -> tuple[tuple[int, int, str], ...]:
    """The ports in a row, each with the first and the last number and the protocol."""
    runs: list[tuple[int, int, str]] = []
    for port in sorted(ports, key=lambda it: (it.protocol, it.number)):
        if runs and runs[-1][1:] == (port.number - 1, port.protocol):
            runs[-1] = (runs[-1][0], port.number, port.protocol)
        else:
            runs.append((port.number, port.number, port.protocol))
    return tuple(sorted(runs))


def port_words(ports: Sequence[Port]) -> tuple[str, ...]:
    """The ports as a description writes them, three in a row and more as a range: '80', '443/udp', '5000-6000/udp'."""
    return tuple(word for run in runs_of(ports) for word in _words_of_run(*run))


def _words_of_run(first: int, last: int, protocol: str) -> tuple[str, ...]:
    if last - first < 2:
        return tuple(str(Port(number, protocol)) for number in range(first, last + 1))
    return (f"{first}-{last}" if protocol == "tcp" else f"{first}-{last}/{protocol}",)


def _parse_port(word: str, *, where: str) -> list[Port]:
    match = _PORT.fullmatch(word)
    if match is None:
        raise InvalidInput(f"{where} holds {word[:80]!r}; a port is a number, 'N-M', 'N/tcp' or 'N/udp'")
    first = int(match["first"])
    last = int(match["last"] or first)
    if not 1 <= first <= last <= 65535:
        raise InvalidInput(f"{where} holds {word!r}; ports go from 1 to 65535, the lower one first")
    protocol = match["protocol"] or "tcp"
    return [Port(number, protocol) for number in range(first, last + 1)]


def parse_services(descriptions: Any) -> tuple[Service, ...]:
    """A list of service descriptions, or a text that holds one, as data. A key that is None is not given.

    Raises InvalidInput that names the service and the key, with a line for each service that is described wrongly.
    """
    services, problems = [], []
    for where, item in options.items(descriptions, where="services", example=_EXAMPLE):
        try:
            services.append(_parse_service(options.mapping(item, where=where, example=_EXAMPLE)))
        except InvalidInput as error:
            problems.append(str(error))
    if problems:
        raise InvalidInput("\n".join(problems))
    _refuse_shared_names(services)
    _refuse_shared_ports(services)
    return tuple(services)


def right_and_wrong(descriptions: Any) -> tuple[tuple[Mapping[Any, Any], ...], tuple[str, ...]]:
    """The descriptions that parse_services() takes together, and a sentence for each of the others.

    Raises InvalidInput for what is no list of descriptions.
    """
    right: list[Mapping[Any, Any]] = []
    wrong: list[str] = []
    for where, item in options.items(descriptions, where="services", example=_EXAMPLE):
        try:
            description = options.mapping(item, where=where, example=_EXAMPLE)
            parse_services([*right, description])
        except InvalidInput as error:
            wrong.append(str(error))
        else:
            right.append(description)
    return tuple(right), tuple(wrong)


def _parse_service(description: Mapping[Any, Any]) -> Service:
    given = {key: value for key, value in description.items() if value is not None}
    name = options.text(given.get("name", ""), where="a service's name")
    if not name.strip():
        raise InvalidInput(f"a service has the name {name!r}; give each a name of its own, such as 'caddy'")
    where = f"service {name!r}:"
    options.refuse_unknown_keys(given, SERVICE_OPTIONS, where=where)
    unit = options.text(given.get("unit", ""), where=f"{where} unit")
    service = Service(
        name=name,
        ports=parse_ports(given.get("ports", ()), where=f"{where} ports"),
        addresses=parse_addresses(given.get("addresses", ()), where=f"{where} addresses"),
        unit=unit_name(unit, where=f"{where} unit", template=True) if unit else "",
        scope=options.choice(given.get("scope", "system"), SCOPES, where=f"{where} scope"),
        manager=parse_manager(given["manager"], of=name, where=f"{where} manager") if "manager" in given else None,
        executable=_absolute(given.get("executable", ""), where=f"{where} executable"),
        user=options.text(given.get("user", ""), where=f"{where} user"),
        strategy=options.choice(given.get("strategy", "auto"), ("auto", *STRATEGY_NAMES), where=f"{where} strategy"),
        instances=tuple(
            dict.fromkeys(
                options.words(given.get("instances", ()), where=f"{where} instances", example="[site-a, site-b]")
            )
        ),
        listens=options.choice(given.get("listens", "always"), LISTENS, where=f"{where} listens"),
        widen=_some(given.get("widen", ()), WIDENS, where=f"{where} widen"),
        timeout=options.whole_number(given["timeout"], where=f"{where} timeout") if "timeout" in given else None,
        socket_activation=options.flag(given.get("socket_activation", False), where=f"{where} socket_activation"),
        socket=parse_socket(given.get("socket", {}), where=f"{where} socket"),
        backend_ports=parse_backend_ports(given.get("backend_ports", {}), where=f"{where} backend_ports"),
        forward_with=options.choice(given.get("forward_with", ""), ("", *FORWARDERS), where=f"{where} forward_with"),
        families=parse_families(given.get("families", ()), where=f"{where} families"),
        superserver=options.choice(given.get("superserver", ""), ("", *SUPERSERVERS), where=f"{where} superserver"),
        superserver_options=parse_superserver(
            given.get("superserver_options", {}), where=f"{where} superserver_options"
        ),
        command=parse_command(given.get("command", ()), where=f"{where} command"),
        state=options.choice(given.get("state", "present"), STATES, where=f"{where} state"),
    )
    problem = problem_of(service)
    if problem:
        raise InvalidInput(f"{where} {problem}")
    if service.superserver and service.state == "present":
        bound = service.addresses or service.superserver_options.bind
        service = service._replace(strategy="superserver", executable=service.command[0], addresses=bound)
    _refuse_families_without_address(service, where=where)
    _refuse_wrong_instances(service, where=where)
    _refuse_two_starters(service, where=where)
    _refuse_nobodys_unit(service, where=where)
    return service


def _refuse_nobodys_unit(service: Service, *, where: str) -> None:
    if service.scope == "system":
        return
    for key, example in (("unit", "app.service"), ("user", "alice")):
        if not getattr(service, key):
            raise InvalidInput(f"{where} scope is user, and {key} is not given; say {key}: {example} as well")
    if is_template(service.unit):
        raise InvalidInput(
            f"{where} scope is user, and unit is the template {service.unit!r}; name one of its instances"
        )
    for key in ("socket_activation", "widen"):
        if getattr(service, key):
            raise InvalidInput(f"{where} scope is user, and {key} is given, which is for units of the system")


def parse_manager(value: Any, *, of: str, where: str) -> Manager:
    """What starts the service of this name, by which it is known there if none is given. Raises InvalidInput."""
    found = options.mapping(value, where=where, example='{"kind": "runit", "name": "web"}')
    given = {key: item for key, item in found.items() if item is not None}
    options.refuse_unknown_keys(given, MANAGER_OPTIONS, where=f"{where}:")
    kind = options.choice(given.get("kind", ""), tuple(KINDS), where=f"{where} kind")
    name = options.text(given.get("name", of), where=f"{where} name")
    if not _MANAGED_NAME.fullmatch(name):
        raise InvalidInput(f"{where} name is {name!r}; write the name that {kind} knows the service by")
    return Manager(kind, name)


def _refuse_two_starters(service: Service, *, where: str) -> None:
    if service.manager is None:
        return
    for key in ("unit", "socket_activation", "widen"):
        if getattr(service, key):
            raise InvalidInput(f"{where} {key} is given, and manager as well; {key} is for what systemd itself starts")
    if service.strategy in ("ambient", "socket") and service.manager.kind != "openrc":
        text = f"{where} strategy is {service.strategy}, and {service.manager.kind} starts the service"
        raise InvalidInput(f"{text}; only a unit of systemd can be given that: choose another strategy, or auto")


def _refuse_wrong_instances(service: Service, *, where: str) -> None:
    if service.instances and not is_template(service.unit):
        raise InvalidInput(
            f"{where} instances is given, and unit is {service.unit!r}, no template; write unit: NAME@.service"
        )
    for instance in service.instances:
        unit_name(instance_of(service.unit, instance), where=f"{where} instances")


def _refuse_families_without_address(service: Service, *, where: str) -> None:
    missing = set(service.families).difference(map(family_of, service.addresses)) if service.addresses else set()
    if missing:
        raise InvalidInput(
            f"{where} families holds {min(missing)}, and addresses none of that family; add one, or leave families out"
        )


def _absolute(value: Any, *, where: str) -> str:
    path = options.text(value, where=where)
    if path and not path.startswith("/"):
        raise InvalidInput(f"{where} is {path!r}; write the absolute path, such as '/usr/bin/caddy'")
    return path


def parse_families(value: Any, *, where: str) -> tuple[str, ...]:
    """Some of FAMILIES, sorted, each once. Raises InvalidInput."""
    return _some(value, FAMILIES, where=where)


def _some(value: Any, choices: Sequence[str], *, where: str) -> tuple[str, ...]:
    found = options.words(value, where=where, example=f"[{', '.join(choices)}]")
    return tuple(sorted({options.choice(word, choices, where=where) for word in found}))


def parse_socket(value: Any, *, where: str) -> SocketOptions:
    """The mapping of a service's socket options. Raises InvalidInput that names the key."""
    found = options.mapping(value, where=where, example='{"backlog": 512}')
    given = {key: item for key, item in found.items() if item is not None}
    options.refuse_unknown_keys(given, SOCKET_OPTIONS, where=f"{where}:")
    flags = {
        key: options.flag(given[key], where=f"{where} {key}") for key in ("no_delay", "reuse_port") if key in given
    }
    backlog = options.whole_number(given["backlog"], where=f"{where} backlog", least=1) if "backlog" in given else None
    return SocketOptions(
        backlog=backlog,
        address_allow=_addresses(given.get("address_allow", ()), where=f"{where} address_allow"),
        address_deny=_addresses(given.get("address_deny", ()), where=f"{where} address_deny"),
        **flags,
    )


def _addresses(value: Any, *, where: str) -> tuple[str, ...]:
    found = options.words(value, where=where, example="[10.0.0.0/8, localhost]")
    return tuple(_address(word, where=where) for word in found)


def _address(word: str, *, where: str) -> str:
    """An address or a network as systemd takes it."""
    if word in _ADDRESS_NAMES:
        return word
    try:
        return str(ipaddress.ip_interface(word).with_prefixlen)
    except ValueError:
        names = ", ".join(_ADDRESS_NAMES)
        message = f"{where} holds {word!r}; write addresses, networks such as 10.0.0.0/8, or {names}"
        raise InvalidInput(message) from None


def parse_backend_ports(value: Any, *, where: str) -> dict[str, int]:
    """Low port, as text, to high port. Raises InvalidInput.

    Both are of the protocol that the service's port has.
    """
    found = options.mapping(value, where=where, example="{80: 8080}")
    return {str(_one_port(low, where=where)): _one_port(high, where=where) for low, high in found.items()}


def _one_port(value: Any, *, where: str) -> int:
    return options.whole_number(value, where=f"{where} port", least=1, most=65535)


def _refuse_shared_names(services: Sequence[Service]) -> None:
    seen: set[str] = set()
    for service in services:
        if service.name in seen:
            raise InvalidInput(f"service {service.name!r}: name is used by two services; give each its own")
        seen.add(service.name)


def _refuse_shared_ports(services: Sequence[Service]) -> None:
    owners: dict[Port, list[Service]] = {}
    for service in services:
        for port in service.ports if service.state == "present" else ():
            others = owners.setdefault(port, [])
            other = next((it for it in others if not service.shares_ports_with(it)), None)
            if other is not None:
                raise InvalidInput(
                    f"service {service.name!r}: ports holds {port}, which service {other.name!r} has too; "
                    "where each listens on addresses of its own, name them in both by addresses"
                )
            others.append(service)
