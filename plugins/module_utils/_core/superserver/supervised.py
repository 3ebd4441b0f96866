# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tcpserver and tcpsvd: servers of one port each, which a unit of the collection's own runs.

They bind the port as root, and become the user before the first connection comes. No process of root's stays.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import FrozenSet, Optional, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import File, heading
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.server import (
    NAME,
    Ground,
    Request,
    Server,
    link,
    stem,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.systemd import SANDBOX, filters
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import quoted
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER

_AT_BOOT = "multi-user.target"
ALL_ADDRESSES = "0"


class Supervised(Server):
    def features(self, ground: Ground) -> FrozenSet[str]:
        return self.can if ground.filters else self.can - {"only_from"}

    def obstacle(self, request: Request, ground: Ground) -> Optional[Reason]:
        if request.uid >= 0:
            return None
        return Reason("no_account", f"the user {request.user} does not exist on this host", f"User={request.user}")

    @abstractmethod
    def argv(self, request: Request, *, program: str, address: str, port: Port) -> Sequence[str]:
        """The command that serves the port."""

    def warnings(self, request: Request, ground: Ground) -> Tuple[str, ...]:
        return (f"{self.name} takes from its programs all groups of {request.user} but the primary one",)

    def units(self, request: Request) -> Tuple[str, ...]:
        return tuple(_unit(request, port) for port in request.ports)

    def files(self, request: Request, ground: Ground) -> Tuple[File, ...]:
        return tuple(file for port in request.ports for file in self._files(request, ground, port))

    def _files(self, request: Request, ground: Ground, port: Port) -> Tuple[File, ...]:
        name, address = _unit(request, port), (*request.addresses, ALL_ADDRESSES)[0]
        argv = self.argv(request, program=ground.programs[self.name], address=address, port=port)
        lines = [
            heading(NAME),
            "[Unit]",
            f"Description=Port {port} of {request.name}",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            f"ExecStart={quoted(argv)}",
            "Restart=on-failure",
            *filters(request),
        ]
        bounded = SANDBOX.replace("BoundingSet=", "BoundingSet=CAP_NET_BIND_SERVICE CAP_SETGID CAP_SETUID")
        text = "\n".join(lines) + "\n" + bounded
        return File(path=f"{UNIT_FOLDER}/{name}", text=text), link(name, target=_AT_BOOT)


def _unit(request: Request, port: Port) -> str:
    return f"{stem(request.name)}-{port.number}.service"
