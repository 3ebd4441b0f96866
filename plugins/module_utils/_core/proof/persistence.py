# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a grant a restart of the service and a boot of the host leave, and what is worth knowing beside."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Unit
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    FAIL,
    PASS,
    UNKNOWN,
    Check,
    Seen,
    strangers_on,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl.setting import KERNEL_DEFAULT, boot_start

_AT_BOOT = ("enabled", "generated")


def is_volatile(path: str) -> bool:
    """Whether a boot forgets the file. What generators write below /run they write again at each boot."""
    return path.startswith(("/run/", "/dev/")) and not path.startswith("/run/systemd/generator")


def restart_check(case: Case, strategy: Strategy) -> Check:
    """Whether the next start gets what the running process has: nothing came in its way since."""
    # What could not be found out stood in nobody's way when the process started.
    unit, blockers = case.facts.unit, strategy.blockers(case)
    if blockers:
        text = f"the next start would not get the port by {strategy.name}: {'; '.join(map(str, blockers))}"
        return Check("restart", FAIL, text)
    if unit is not None and unit.is_on("NeedDaemonReload"):
        text = f"files of {unit.name} were changed and systemd has not read them, so the next start is not foreseen"
        return Check("restart", UNKNOWN, text)
    return Check("restart", PASS, "the next start gets the same grant")


def boot_check(case: Case, strategy: Strategy) -> Check:
    """Whether what grants the port is on disk, so that it is there after a boot."""
    volatile = _volatile(case, strategy)
    if volatile:
        return Check("boot", FAIL, volatile)
    return Check("boot", PASS, f"what strategy {strategy.name} needs is on disk")


def _volatile(case: Case, strategy: Strategy) -> str:
    unit, program = case.facts.unit, case.facts.program
    if strategy.name in ("unneeded", "sysctl"):
        return _volatile_start(case)
    if strategy.name == "setcap" and program is not None and is_volatile(program.real_path):
        return f"a boot forgets {program.real_path}, and its capability with it"
    granting = unit.capability_files if strategy.name == "ambient" and unit is not None else ()
    if granting and all(map(is_volatile, granting)):
        return f"the capability is granted by {granting[-1]} alone, which a boot forgets"
    return ""


def _volatile_start(case: Case) -> str:
    network, after_boot = case.facts.network, boot_start(case.host)
    first = KERNEL_DEFAULT if after_boot is None else after_boot
    closed = [port for port in case.service.ports if port.number < first and not case.handed_by(port)]
    # Who makes a container or a network namespace sets the value anew each time.
    if not closed or case.host.container or not network.is_host:
        return ""
    return (
        f"ip_unprivileged_port_start is {network.unprivileged_port_start} now and {first} after a boot, "
        f"when port {closed[0]} is privileged again; no file in sysctl.d keeps it"
    )


def notes(seen: Seen) -> tuple[str, ...]:
    """What fails nothing, but is worth a sentence."""
    unit = seen.case.facts.unit
    found = (_starts_at_boot(seen.case, unit) if unit else "", _replaced(seen), _reach(seen), _beside(seen))
    return tuple(note for note in found if note)


def _starts_at_boot(case: Case, unit: Unit) -> str:
    """Why a boot does not start the unit, '' where it does."""
    state = unit.says("UnitFileState")
    if is_volatile(unit.says("FragmentPath")):
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
    ours = {process.pid for process in seen.processes}
    sharing = {
        process.pid: process
        for listener in seen.listeners
        for process in listener.owners
        if ours and process.pid not in ours and process.pid != 1
    }
    elsewhere = {process.pid for listener in strangers_on(seen) for process in listener.owners}
    told = [f"{process}{' on another address' if pid in elsewhere else ''}" for pid, process in sharing.items()]
    return f"port {seen.port} is held also by {', '.join(told)}" if told else ""
