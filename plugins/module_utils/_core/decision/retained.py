# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running process keeps of a grant that is taken back: nothing but its end takes it from there."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import Expected
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case, exec_gives
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY, Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port


def retained(case: Case, *, surplus: Sequence[Strategy], expected: Expected) -> tuple[str, ...]:
    """A sentence for each process of the service that holds what its next start would not give it.

    surplus are the strategies whose grants are still there and about to be removed; expected is what the strategy
    that stays gives, nothing for a service that is to be absent.
    """
    unit = case.facts.unit
    until = f"until {unit.name} is restarted" if unit else "until it ends"
    # The main process may be root's, which starts the server as another user and waits for it.
    processes = {process.pid: process for process in (*case.processes, *case.holders)}.values()
    told = ((process, _kept(case, process, surplus=surplus, expected=expected)) for process in processes)
    return tuple(f"{process} keeps {' and '.join(kept)} {until}" for process, kept in told if kept)


def _kept(case: Case, process: Process, *, surplus: Sequence[Strategy], expected: Expected) -> tuple[str, ...]:
    if process.status.is_root:
        return ()
    taken = [it.expects(case) for it in surplus]
    by_exec = set() if any(CAPABILITY in it.least.permitted for it in taken) else exec_gives(case).permitted
    again = expected.least.permitted | by_exec
    capability = CAPABILITY in process.status.permitted and CAPABILITY not in again
    unit = case.facts.unit
    through_authbind = (
        unit is not None and "/authbind ;" in unit.says("ExecStart") and not any(it.authbind for it in taken)
    )
    authbind = process.authbind is True and not through_authbind and not expected.authbind
    kept = ((CAPABILITY,) if capability else ()) + (("what authbind gave it",) if authbind else ())
    if kept or CAPABILITY in again or through_authbind:
        return kept
    return _ports(case, process, surplus=surplus)


def _ports(case: Case, process: Process, *, surplus: Sequence[Strategy]) -> tuple[str, ...]:
    """The ports of the sockets that systemd handed to it, or that nothing would let it bind again."""
    absent, unit = case.service.state == "absent", case.facts.unit
    # What starts as root and gives that up binds first.
    if unit is None or unit.user in ("root", "0") or not (absent or any(it.hands_over for it in surplus)):
        return ()
    ports = case.needed_ports if absent else case.service.ports
    held = [port for port in ports if _holds(case, process, port, handed=not absent)]
    return (f"port {', '.join(map(str, held))}",) if held else ()


def _holds(case: Case, process: Process, port: Port, *, handed: bool) -> bool:
    owners = [{owner.pid for owner in listener.owners} for listener in case.facts.listeners_on(port)]
    return any(process.pid in pids and (1 in pids or not handed) for pids in owners)
