# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""inetd(8) of OpenBSD as the one that starts a program for each connection: lines in inetd.conf(5), between marks."""

from __future__ import annotations

import re
from typing import FrozenSet, Iterator, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import MARK, plain_name
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, file
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import FAMILIES, Port
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import (
    NAME,
    Ground,
    Request,
    Server,
    Shared,
    families,
    reloads,
)

PATH = "/etc/inetd.conf"
# How many starts a minute it takes for a service that runs wild, where nothing else is said.
_STARTS_A_MINUTE = 256
_LINE = re.compile(r"(?:\S+:)?(?P<port>[0-9]{1,5})\s+(?P<kind>stream|dgram)\s.*")


def _begin(service: str) -> str:
    return f"{MARK} ({NAME}) for {plain_name(service)}; state=absent removes these lines.\n"


def _end(service: str) -> str:
    return f"{MARK} ({NAME}) for {plain_name(service)}: end.\n"


def block_of(text: str, *, service: str) -> str:
    """The collection's own lines for a service, marks included; '' for none. Without its end only the mark is its."""
    begin, end = _begin(service), _end(service)
    start = text.find(begin)
    if start < 0 or (start > 0 and text[start - 1] != "\n"):
        return ""
    stop = text.find(end, start)
    return text[start : stop + len(end)] if stop >= 0 else begin


def without_block(text: str, *, service: str) -> str:
    """The file with nothing of the service's in it, and every other byte as it was."""
    block = block_of(text, service=service)
    return text.replace(block, "", 1) if block else text


def with_block(text: str, block: str) -> str:
    """At the beginning: others may have ended the last line, or not."""
    return block + text


def ports_of(block: str) -> Tuple[Port, ...]:
    """The ports of lines that name theirs by number."""
    found = (_LINE.fullmatch(line) for line in block.split("\n"))
    return tuple(dict.fromkeys(Port(int(it["port"]), "udp" if it["kind"] == "dgram" else "tcp") for it in found if it))


class Inetd(Server):
    name = "inetd"
    package = "openbsd-inetd"
    daemon = "inetd.service"
    can: FrozenSet[str] = frozenset(("cps", "wait", "udp", "ipv6", "addresses"))

    def obstacle(self, request: Request, ground: Ground) -> Optional[Reason]:
        if ground.inetd is None:
            text = "inetd has no configuration; make an empty one"
            return Reason("server_configuration", text, f"no {PATH}")
        return None

    def warnings(self, request: Request, ground: Ground) -> Tuple[str, ...]:
        if request.options.cps is not None or all(map(request.waits, request.ports)):
            return ()
        text = "inetd gives a service up for ten minutes that it starts more than {} times in one; say cps if it may"
        return (text.format(_STARTS_A_MINUTE),)

    def desired(self, request: Request, ground: Ground, planned: Desired) -> Desired:
        before = shared(ground, planned)
        if before is None:
            return Desired()
        text = with_block(without_block(before.text, service=request.name), block(request, ground))
        return _as_desired(before, text)._replace(
            reloads=reloads(self.daemon, file=PATH, ports=request.ports, held=True)
        )


def block(request: Request, ground: Ground) -> str:
    """The lines for a service."""
    return "".join((_begin(request.name), *_lines(request, ground), _end(request.name)))


def shared(ground: Ground, planned: Desired) -> Optional[Shared]:
    """The file as it is planned, else as it is."""
    entry = planned.written.get(PATH)
    if entry is None or ground.inetd is None:
        return ground.inetd
    return ground.inetd._replace(text=entry.content)


def absent(service: str, ground: Ground, planned: Desired) -> Desired:
    """The file without the service's lines; nothing where it has none, and killed runs left nothing."""
    before = shared(ground, planned)
    own = block_of(before.text, service=service) if before else ""
    if before is None or not (own or before.leftovers):
        return Desired()
    gone = _as_desired(before, without_block(before.text, service=service))
    return gone._replace(reloads=reloads(Inetd.daemon, file=PATH, ports=ports_of(own), held=False))


def _as_desired(before: Shared, text: str) -> Desired:
    return Desired(entries=(file(PATH, text, mode=before.mode, uid=before.uid, gid=before.gid),))


def _lines(request: Request, ground: Ground) -> Iterator[str]:
    program, *arguments = request.command
    words = " ".join((program, program.rpartition("/")[2], *arguments))
    for port in request.ports:
        for where, protocol in _sockets(request, ground, port):
            kind = "stream" if port.protocol == "tcp" else "dgram"
            yield f"{where} {kind} {protocol} {_waiting(request, port)} {request.user} {words}\n"


def _sockets(request: Request, ground: Ground, port: Port) -> Iterator[Tuple[str, str]]:
    """The first and the third word for each socket."""
    for address in request.addresses:
        shown = f"[{address}]" if ":" in address else address
        yield f"{shown}:{port.number}", f"{port.protocol}{'6' if ':' in address else '4'}"
    if not request.addresses:
        reached = families(request, ground)
        one = {"ipv4": "4", "ipv6": "6"}.get(reached[0], "")
        yield str(port.number), port.protocol + ("" if reached == FAMILIES else one)


def _waiting(request: Request, port: Port) -> str:
    most = "" if request.options.cps is None else f".{60 * request.options.cps}"
    return ("wait" if request.waits(port) else "nowait") + most
