# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a grant a restart of the service and a boot of the host leave, and what is worth knowing beside."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision import boot
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    FAIL,
    PASS,
    UNKNOWN,
    Check,
    Seen,
    strangers_on,
)

_AT_BOOT = ("enabled", "generated")


def restart_check(case: Case, strategy: Strategy) -> Check:
    """Whether the next start gets what the running process has: nothing came in its way since."""
    # What could not be found out stood in nobody's way when the process started.
    unit, blockers = case.facts.unit, strategy.against_next_start(case)
    if blockers:
        text = f"the next start would not get the port by {strategy.name}: {'; '.join(map(str, blockers))}"
        return Check("restart", FAIL, text)
    if unit is not None and unit.is_on("NeedDaemonReload"):
        text = f"systemd has not read changed files of {unit.name}, so that nobody knows what its next start does"
        return Check("restart", UNKNOWN, text)
    return Check("restart", PASS, "the next start gets the same grant")


def boot_check(case: Case, strategy: Strategy) -> Check:
    """Whether what grants the port is on disk, so that it is there after a boot."""
    volatile = strategy.volatile(case)
    if volatile:
        return Check("boot", FAIL, volatile)
    return Check("boot", PASS, f"what strategy {strategy.name} needs is on disk")


def notes(seen: Seen) -> tuple[str, ...]:
    """What fails nothing, but is worth a sentence."""
    unit = seen.case.facts.unit
    found = (_starts_at_boot(seen.case, unit) if unit else "", _replaced(seen), _reach(seen), _beside(seen))
    return tuple(note for note in found if note)


def _starts_at_boot(case: Case, unit: Unit) -> str:
    """Why a boot does not start the unit, '' where it does."""
    state = unit.says("UnitFileState")
    if unit.says("Linger") == "no":
        return (
            f"a boot does not start {unit.name}: its user does not linger (loginctl enable-linger {unit.says('User')})"
        )
    if boot.forgets(unit.says("FragmentPath")):
        return f"a boot forgets {unit.name}: its file is {unit.says('FragmentPath')}"
    pulled = unit.says("WantedBy") or unit.says("RequiredBy")
    triggered = any(socket.enabled for socket in case.handing)
    if state in _AT_BOOT or pulled or triggered or unit.says("LoadState") != "loaded":
        return "" if state != "enabled-runtime" else f"{unit.name} is enabled until the next boot only"
    return f"a boot does not start {unit.name}: it is {state or 'not enabled'}, and nothing that is enabled wants it"


def _replaced(seen: Seen) -> str:
    old = next((process for process in seen.processes if process.replaced), None)
    return f"pid {old.pid} executes what is no longer {old.executable}; a restart runs the new file" if old else ""


def _reach(seen: Seen) -> str:
    """Who cannot reach the port by how it is listened on."""
    if not seen.entrances:
        return ""
    if all(it.address.startswith("127.") or it.address == "::1" for it in seen.entrances):
        return f"port {seen.port} is reached from this host alone"
    unsure = any(it.v6only is None for it in seen.entrances)
    return f"port {seen.port} is served over IPv6 alone" if seen.families == {"ipv6"} and not unsure else ""


def _beside(seen: Seen) -> str:
    """Who else holds the port or the very socket; systemd (pid 1) keeps those that it opened."""
    sharing = {
        process.pid: process
        for listener in seen.listeners
        for process in listener.owners
        if seen.processes and not seen.is_ours(process) and process.pid != 1
    }
    elsewhere = {process.pid for listener in strangers_on(seen) for process in listener.owners}
    told = [f"{process}{' on another address' if pid in elsewhere else ''}" for pid, process in sharing.items()]
    return f"port {seen.port} is held also by {', '.join(told)}" if told else ""
