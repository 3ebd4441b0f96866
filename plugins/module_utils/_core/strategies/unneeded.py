# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing to grant: the host lets this user bind the ports already."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.held import Expected
from ansible_collections.netbind.privport.plugins.module_utils._core.strategies.base import (
    Case,
    Reason,
    Strategy,
    exec_gives,
    process_steps,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.strategies.hazards import (
    judge,
    sandbox,
)

_HAZARDS = (sandbox.private_network, sandbox.address_families, sandbox.system_calls, sandbox.socket_bind_deny)


def _blockers(case: Case) -> tuple[Reason, ...]:
    needed = case.privileged_ports
    if not needed:
        return judge(case, _HAZARDS)
    start = case.host.unprivileged_port_start
    evidence = "kernel without ip_unprivileged_port_start" if start is None else f"ip_unprivileged_port_start={start}"
    ports = ", ".join(str(port) for port in needed)
    return (Reason("privileged", f"the host keeps port {ports} for privileged processes", evidence),)


def _why(case: Case) -> str:
    return f"every user may bind these ports: ip_unprivileged_port_start={case.host.unprivileged_port_start}"


def _expects(case: Case) -> Expected:
    return Expected(most=exec_gives(case))


STRATEGY = Strategy(
    name="unneeded",
    blockers=_blockers,
    why=_why,
    warnings=lambda case: (),
    granted=lambda case: False,
    pending=lambda case: process_steps(case, changing=False, holds=_expects(case).is_met_by),
    expects=_expects,
)
