# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""xinetd(8) as the one that starts a program for each connection: its file, and how it reads it (xinetd.conf(5))."""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Iterator, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    XINETD_FOLDER,
    File,
    heading,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import (
    NAME,
    Ground,
    Request,
    Server,
    families,
    reloads,
    stem,
)

_CONFIGURATION = "/etc/xinetd.conf"
# A blank must stand on both sides of the sign, or the line is dropped without a word.
_ATTRIBUTE = re.compile(r"\s*(?P<key>\S+)\s+(?P<sign>[-+]?=)\s+(?P<value>.*?)\s*")
_SECTION = re.compile(r"\s*(?:service\s+(?P<name>\S+)|(?P<defaults>defaults))\s*")
# How long it takes no connections once more than cps came within a second; its own default is ten seconds.
_REST_SECONDS = 1


class Section(NamedTuple):
    """A service's section of a file, or, with the name '', the defaults; attributes that are given twice are joined."""

    name: str
    attributes: Dict[str, str]


def parse(text: str) -> Tuple[Section, ...]:
    """The sections of a file as xinetd reads them. Total: what it does not understand it leaves out, as xinetd does."""
    found = []
    name: Optional[str] = None
    attributes: Dict[str, str] = {}
    for line in text.split("\n"):
        section, attribute = _SECTION.fullmatch(line), _ATTRIBUTE.fullmatch(line)
        if section is not None:
            name, attributes = section["name"] or "", {}
        elif line.strip() == "}" and name is not None:
            found.append(Section(name, attributes))
            name = None
        elif attribute is not None and name is not None and not line.lstrip().startswith("#"):
            before = attributes.get(attribute["key"], "") if attribute["sign"] == "+=" else ""
            attributes[attribute["key"]] = f"{before} {attribute['value']}".strip()
    return tuple(found)


def ports_of(text: str) -> Tuple[Port, ...]:
    """The ports of a file's sections that name theirs by number."""
    return tuple(dict.fromkeys(_ports(parse(text))))


def _ports(sections: Sequence[Section]) -> Iterator[Port]:
    for section in sections:
        number = section.attributes.get("port", "")
        protocol = "udp" if section.attributes.get("socket_type") == "dgram" else "tcp"
        if re.fullmatch("[0-9]{1,5}", number):
            yield Port(int(number), protocol)


def path(service: str) -> str:
    """Its file. Those with a dot in their names xinetd leaves out."""
    return f"{XINETD_FOLDER}/" + stem(service).replace(".", "\\x2e")


class Xinetd(Server):
    name = "xinetd"
    package = "xinetd"
    daemon = "xinetd.service"
    can: FrozenSet[str] = frozenset(
        ("only_from", "instances", "per_source", "cps", "wait", "log", "udp", "ipv6", "addresses")
    )

    def obstacle(self, request: Request, ground: Ground) -> Optional[Reason]:
        defaults = next((it.attributes for it in parse(ground.xinetd) if not it.name), {})
        if not re.search(rf"^\s*includedir\s+{re.escape(XINETD_FOLDER)}/?\s*$", ground.xinetd, re.MULTILINE):
            text = f"xinetd does not read {XINETD_FOLDER}; add 'includedir {XINETD_FOLDER}' to its configuration"
            return Reason("server_configuration", text, _CONFIGURATION)
        ids = {_id(request, port, address) for port, address in _listeners(request)}
        enabled = defaults.get("enabled", "").split()
        if (enabled and ids - set(enabled)) or ids & set(defaults.get("disabled", "").split()):
            text = f"its defaults leave out {min(ids)}; name that in enabled, or take enabled and disabled out"
            return Reason("server_configuration", text, _CONFIGURATION)
        return None

    def warnings(self, request: Request, ground: Ground) -> Tuple[str, ...]:
        defaults = next((it.attributes for it in parse(ground.xinetd) if not it.name), {})
        limits = ("only_from", "no_access", "access_times", "instances", "per_source", "cps", "max_load")
        told = [f"{key} = {defaults[key]}" for key in limits if key in defaults and not _says(request, key)]
        return (f"the defaults of xinetd hold for it, too: {', '.join(told)}",) if told else ()

    def files(self, request: Request, ground: Ground) -> Tuple[File, ...]:
        sections = (_section(request, ground, port, address) for port, address in _listeners(request))
        return (File(path=path(request.name), text="\n".join((heading(NAME), *sections))),)

    def desired(self, request: Request, ground: Ground, planned: Desired) -> Desired:
        wanted = super().desired(request, ground, planned)
        file = path(request.name)
        return wanted._replace(reloads=reloads(self.daemon, file=file, ports=request.ports, held=True))


def _says(request: Request, key: str) -> bool:
    return getattr(request.options, key, None) not in (None, ())


def _listeners(request: Request) -> Iterator[Tuple[Port, str]]:
    """A section binds one address."""
    for port in request.ports:
        for address in request.addresses or ("",):
            yield port, address


def _client(network: str) -> str:
    """A network as xinetd takes it: with the whole length of an address it lets none of IPv6 in."""
    address, _slash, length = network.partition("/")
    return address if length == ("128" if ":" in address else "32") else network


def _id(request: Request, port: Port, address: str) -> str:
    return "-".join(filter(None, (stem(request.name), str(port.number), port.protocol, address)))


def _section(request: Request, ground: Ground, port: Port, address: str) -> str:
    lines = (f"\t{key} = {value}" for key, value in _attributes(request, ground, port, address))
    return "\n".join((f"service {stem(request.name)}", "{", *lines, "}")) + "\n"


def _attributes(request: Request, ground: Ground, port: Port, address: str) -> Iterator[Tuple[str, str]]:
    asked = request.options
    ipv6 = ":" in address if address else "ipv6" in families(request, ground)
    yield from (("id", _id(request, port, address)), ("type", "UNLISTED"), ("port", str(port.number)))
    yield from (("socket_type", "stream" if port.protocol == "tcp" else "dgram"), ("protocol", port.protocol))
    yield from (("wait", "yes" if request.waits(port) else "no"), ("flags", "IPv6" if ipv6 else "IPv4"))
    if address:
        yield "bind", address
    yield from (("user", request.user), ("groups", "yes"), ("server", request.command[0]))
    if request.command[1:]:
        yield "server_args", " ".join(request.command[1:])
    if asked.only_from:
        yield "only_from", " ".join(map(_client, asked.only_from))
    for key in ("instances", "per_source"):
        if getattr(asked, key) is not None:
            yield key, str(getattr(asked, key))
    if asked.cps is not None:
        yield "cps", f"{asked.cps} {_REST_SECONDS}"
    if asked.log:
        yield from (("log_type", "SYSLOG daemon info"), ("log_on_success", "HOST PID"), ("log_on_failure", "HOST"))
    yield "disable", "no"
