# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing to grant: the host lets this user bind the ports already."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision import boot
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import (
    Case,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import (
    confinement,
    execution,
    sandbox,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import judge
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import EVERYONE, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown

_OF_A_HANDED_SOCKET = (execution.not_executable, sandbox.handed_socket)
_HAZARDS = (
    *_OF_A_HANDED_SOCKET,
    sandbox.private_network,
    sandbox.address_families,
    sandbox.system_calls,
    sandbox.socket_bind_deny,
)


def _where(case: Case) -> str:
    return "the host" if case.facts.network.is_host else "the service's network namespace"


def _setting(case: Case) -> str:
    network = case.facts.network
    return f"ip_unprivileged_port_start={network.unprivileged_port_start}" + (
        f" in {network.path}" if network.path else ""
    )


class Unneeded(Strategy):
    name = "unneeded"
    audience = EVERYONE
    # A forwarder holds the port then.
    voided_by = ("superserver", "forward")

    def hazards(self, case: Case) -> tuple[Reason, ...]:
        needed = case.needed_ports
        # What keeps a unit from opening or binding sockets is nothing to those that are there when it starts.
        if all(map(case.handed_by, case.service.ports)):
            return judge(case, _OF_A_HANDED_SOCKET)
        if not needed:
            return judge(case, _HAZARDS) + confinement.refused_port(case)
        start, ports = case.facts.network.unprivileged_port_start, ", ".join(map(str, needed))
        if start is not None:
            return (
                Reason("privileged", f"{_where(case)} keeps port {ports} for privileged processes", _setting(case)),
            )
        text = f"whether {_where(case)} keeps port {ports} for privileged processes cannot be read"
        unread = Unknown("privileged", text, case.facts.network.path or "net.ipv4.ip_unprivileged_port_start")
        return (*judge(case, _HAZARDS), unread)

    def why(self, case: Case) -> str:
        handed = [f"{case.handed_by(port)} binds port {port} for it" for port in case.privileged_ports]
        return ", ".join(handed) or f"every user may bind these ports: {_setting(case)}"

    def starts(self, case: Case) -> tuple[str, ...] | None:
        return ()

    def volatile(self, case: Case) -> str:
        return boot.closes(case)
