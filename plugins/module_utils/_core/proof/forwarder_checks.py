# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of who takes connections for a service that listens on another port."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import WILDCARDS
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import Expected
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Process
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    FAIL,
    PASS,
    UNKNOWN,
    Check,
    Seen,
)


def checks_of_forwarder(seen: Seen) -> tuple[Check, ...]:
    """That the collection's own units hold the port, and hold nothing else; none where no process stands there."""
    expected = seen.strategy.forwarder(seen.case) if seen.strategy else None
    if expected is None:
        return ()
    return (_owner_check(seen), *(_held_check(process, expected) for process in _forwarders(seen)))


def _forwarders(seen: Seen) -> tuple[Process, ...]:
    holders = {it.pid: it for listener in seen.case.facts.listeners_on(seen.port) for it in listener.owners}
    return tuple(it for it in holders.values() if seen.case.is_own(it))


def _owner_check(seen: Seen) -> Check:
    case, on_port = seen.case, seen.case.facts.listeners_on(seen.port)
    strangers = [
        process
        for listener in on_port
        if listener.address in WILDCARDS
        for process in listener.owners
        if not case.is_in_front(process, port=seen.port)
    ]
    if strangers:
        return Check("owner", FAIL, f"port {seen.port} is held by {strangers[0]}, which does not forward it")
    if not on_port:
        return Check("owner", FAIL, f"nobody forwards port {seen.port}: no process holds it")
    if not all(listener.owners_known for listener in on_port):
        return Check("owner", UNKNOWN, f"who holds port {seen.port} is hidden from this user; look as root")
    if not _forwarders(seen):
        return Check("owner", UNKNOWN, f"port {seen.port} is held by systemd alone, and its forwarder does not run")
    held_by = ", ".join(str(process) for process in _forwarders(seen))
    return Check("owner", PASS, f"port {seen.port} is forwarded by {held_by}")


def _held_check(process: Process, expected: Expected) -> Check:
    root = [it for it in (process.status, *(thread.status for thread in process.unlike)) if it.is_root]
    if root:
        return Check("held", FAIL, f"{process}, which forwards the port, is root or can become root again")
    differing = (*expected.lacking(process), *expected.exceeding(process))
    if differing:
        text = f"{process}, which forwards the port, does not hold just what its unit gives: {'; '.join(differing)}"
        return Check("held", FAIL, text)
    held = ", ".join(process.status.effective) or "no capability"
    return Check("held", PASS, f"pid {process.pid}, which forwards the port, holds {held}, in each of its threads")
