# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of super-servers, which start a program for each connection to a privileged port."""

from __future__ import annotations

import re
from typing import Iterator, Mapping, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    FIRST_UNPRIVILEGED,
    SUPERSERVER,
    Grant,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver import xinetd
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.inetd import PATH

_SERVICE = re.compile(r"(?P<name>[^\s#]+)\s+(?P<port>[0-9]{1,5})/(?P<protocol>tcp|udp)(?P<more>[^#]*).*")
# inetd.conf(5): the address and the service, the kind of socket, the protocol, whether it waits, and the user.
_LINE = re.compile(
    r"(?:\S+:)?(?P<name>[^\s#:]+)\s+(?:stream|dgram)\s+(?P<protocol>tcp|udp)\S*\s+\S+\s+(?P<user>[^\s.:]+)\S*\s+(?P<command>.*)"
)

Named = Mapping[Tuple[str, str], int]


def ports_by_name(text: str) -> Named:
    """The ports of services(5) by name and protocol, other names included."""
    found: dict[Tuple[str, str], int] = {}
    for it in filter(None, map(_SERVICE.fullmatch, text.splitlines())):
        for name in (it["name"], *it["more"].split()):
            found.setdefault((name, it["protocol"]), int(it["port"]))
    return found


def grants_of_inetd(text: str, named: Named) -> Tuple[Grant, ...]:
    """The lines of inetd.conf with privileged ports."""
    lines = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    found = ((_port(it["name"], it["protocol"], named), it) for it in lines if it is not None)
    return tuple(_grant(PATH, port, user=it["user"], evidence=it[0]) for port, it in found if port is not None)


def grants_of_xinetd(files: Mapping[str, str], named: Named) -> Tuple[Grant, ...]:
    """The sections of xinetd's files with privileged ports, but those that are disabled."""
    return tuple(it for path, text in files.items() for it in _of_sections(path, text, named))


def _of_sections(path: str, text: str, named: Named) -> Iterator[Grant]:
    for section in xinetd.parse(text):
        says = section.attributes.get
        protocol = "udp" if says("socket_type") == "dgram" else "tcp"
        port = _port(says("port") or section.name, protocol, named)
        if section.name and says("disable") != "yes" and port is not None:
            evidence = f"service {section.name}, server {says('server', 'inside xinetd')}"
            yield _grant(path, port, user=says("user", "root"), evidence=evidence)


def _port(name: str, protocol: str, named: Named) -> Port | None:
    """The privileged port of a number or a name; None for others."""
    number = int(name) if name.isdigit() else named.get((name, protocol), FIRST_UNPRIVILEGED)
    return Port(number, protocol) if number < FIRST_UNPRIVILEGED else None


def _grant(path: str, port: Port, *, user: str, evidence: str) -> Grant:
    return Grant(
        mechanism=SUPERSERVER,
        subject=f"{path}: {port}",
        holders=(f"user {user}",),
        ports=(str(port),),
        # It does while the super-server runs, which the listeners tell.
        live=None,
        file=path,
        evidence=evidence,
    )
