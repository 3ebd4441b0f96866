# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write of a server that starts a program for each connection, checked and made into data."""

from __future__ import annotations

import ipaddress
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ansible_collections.netbind.privport.plugins.module_utils._core.model import options
from ansible_collections.netbind.privport.plugins.module_utils._core.model.address import parse_addresses
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import (
    SUPERSERVER_OPTIONS,
    SUPERSERVERS,
)

if TYPE_CHECKING:
    from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service


class SuperserverOptions(NamedTuple):
    """What is asked of the server that starts a program for each connection; None and () stand for its own ways."""

    bind: tuple[str, ...] = ()
    # Networks, each with the length of its prefix.
    only_from: tuple[str, ...] = ()
    instances: Optional[int] = None
    per_source: Optional[int] = None
    cps: Optional[int] = None
    wait: Optional[bool] = None
    log: Optional[bool] = None


def parse_command(value: Any, *, where: str) -> tuple[str, ...]:
    """A program and its arguments, a list of words or a text that is split as a shell does. Raises InvalidInput."""
    if isinstance(value, (list, tuple)):
        words = tuple(options.text(it, where=where) for it in value)
    else:
        try:
            words = tuple(shlex.split(options.text(value, where=where)))
        except ValueError as failure:
            raise InvalidInput(f"{where} is {str(value)[:80]!r}: {failure}; write a list of words") from failure
    if words and not words[0].startswith("/"):
        raise InvalidInput(f"{where} begins with {words[0]!r}; write the absolute path of the program")
    return words


def parse_superserver(value: Any, *, where: str) -> SuperserverOptions:
    """The mapping of a superserver's options. Raises InvalidInput that names the key."""
    found = options.mapping(value, where=where, example='{"instances": 20}')
    given = {key: item for key, item in found.items() if item is not None}
    options.refuse_unknown_keys(given, SUPERSERVER_OPTIONS, where=f"{where}:")
    numbers: dict[str, Any] = {
        key: options.whole_number(given[key], where=f"{where} {key}", least=1)
        for key in ("instances", "per_source", "cps")
        if key in given
    }
    flags: dict[str, Any] = {
        key: options.flag(given[key], where=f"{where} {key}") for key in ("wait", "log") if key in given
    }
    return SuperserverOptions(
        bind=parse_addresses(given.get("bind", ()), where=f"{where} bind"),
        only_from=_networks(given.get("only_from", ()), where=f"{where} only_from"),
        **numbers,
        **flags,
    )


def _networks(value: Any, *, where: str) -> tuple[str, ...]:
    found = options.words(value, where=where, example="[192.0.2.0/24, '2001:db8::/32']")
    return tuple(dict.fromkeys(_network(word, where=where) for word in found))


def _network(word: str, *, where: str) -> str:
    try:
        return str(ipaddress.ip_network(word, strict=False))
    except ValueError:
        message = f"{where} holds {word!r}; write addresses and networks, such as 127.0.0.1 or 10.0.0.0/8"
        raise InvalidInput(message) from None


def problem_of(service: Service) -> str:
    """What a description says wrong of what starts the service, '' for nothing."""
    if service.state == "absent":
        return ""
    if service.superserver:
        return _problem_with_server(service)
    given = service.strategy == "superserver" or service.command or service.superserver_options != SuperserverOptions()
    missing = "superserver is missing; name what starts the command for each connection, one of"
    return f"{missing} {', '.join(SUPERSERVERS)}" if given else ""


def _problem_with_server(service: Service) -> str:
    """What the keys beside superserver say wrong, '' for nothing."""
    asked, server = service.superserver_options, f"superserver is {service.superserver!r}"
    datagrams = [port for port in service.ports if port.protocol == "udp"]
    problems = {
        f"{server} and strategy is {service.strategy!r}; leave strategy out": service.strategy
        not in ("auto", "superserver"),
        f"{server} and unit is {service.unit!r}, which listens by itself; leave one of the two out": bool(service.unit),
        f"{server}, and manager is given, which starts it once; leave one of the two out": service.manager is not None,
        f"{server} and command is missing; say what is started: [/usr/local/sbin/identd, -x]": not service.command,
        f"{server} and user is missing; say as whom the command runs": not service.user,
        f"executable is {service.executable!r}, and command starts {service.command[:1]}; leave executable out": bool(
            service.executable
        )
        and service.executable not in service.command[:1],
        "addresses and superserver_options bind differ; say one of them": bool(asked.bind and service.addresses)
        and set(asked.bind) != set(service.addresses),
        f"superserver_options wait is false, and UDP has no connections; leave wait out for port {datagrams[:1]}": bool(
            datagrams
        )
        and asked.wait is False,
    }
    return next((text for text, holds in problems.items() if holds), "")
