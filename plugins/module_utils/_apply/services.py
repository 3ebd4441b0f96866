# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services' own units: started, restarted by need, and waited for."""

from __future__ import annotations

import time
from typing import Dict, Iterable, Mapping, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import starts
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import is_unit
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import units

_PAUSE_SECONDS = 0.1
# A little more than a unit may take to stop before it is killed (systemd-system.conf(5), DefaultTimeoutStopSec=).
_STOP_SECONDS = 100
_PROPERTIES = ("Id", "Job", "ActiveState")


def wanted(decisions: Iterable[Decision]) -> Dict[str, str]:
    """'start' or 'restart' by the name of each unit for which one of these decisions says so."""
    verbs: Dict[str, str] = {}
    for it in decisions:
        if {"start", "restart"} & set(it.pending) and verbs.get(it.unit) != "restart":
            verbs[it.unit] = "start" if "start" in it.pending else "restart"
    return verbs


def start(host: Host, decisions: Sequence[Decision]) -> Tuple[Tuple[str, str], ...]:
    """Start or restart the units of these decisions, each once, without waiting for them.

    Gives what was done, 'started' or 'restarted', by the unit's name. Raises HostError.
    """
    verbs = wanted(decisions)
    forgiving = sorted({it.unit for it in decisions if it.unit in verbs and it.unit_forgives})
    if forgiving:
        # They failed and started for want of the grant, and that must not keep them from starting now
        # (systemd.unit(5), StartLimitBurst=).
        host.run(["systemctl", "reset-failed", "--", *forgiving])
    for verb in ("restart", "start"):
        names = [name for name, it in verbs.items() if it == verb]
        _bring(host, verb, names)
    return tuple((name, f"{verb}ed") for name, verb in verbs.items())


def restart(host: Host, names: Sequence[str]) -> None:
    """Restart units without waiting for them. Raises HostError."""
    _bring(host, "restart", names)


def _bring(host: Host, verb: str, names: Sequence[str]) -> None:
    """By systemd, or by the supervisor that starts it."""
    of_systemd = [name for name in names if is_unit(name)]
    if of_systemd:
        # Without waiting: systemd itself may wait for ever for a unit to say that it is ready.
        host.run(["systemctl", "--no-block", verb, "--", *of_systemd]).checked()
    starts.bring(host, verb, names)


def await_jobs(host: Host, names: Sequence[str], *, seconds: float) -> Tuple[str, ...]:
    """Wait until systemd is done with these units; gives those that it still works on when the time is up.

    The seconds begin when the units have stopped: a service may take its time for that, and then starts at once.
    """
    last = time.monotonic() + _STOP_SECONDS + seconds
    deadline = time.monotonic() + seconds
    busy = _busy(host, [name for name in names if is_unit(name)])
    while busy and time.monotonic() < deadline:
        if "deactivating" in busy.values():
            deadline = min(last, time.monotonic() + seconds)
        time.sleep(_PAUSE_SECONDS)
        busy = _busy(host, list(busy))
    return tuple(busy)


def started_again(host: Host, names: Sequence[str]) -> Dict[str, int]:
    """How often systemd started each of these units again (systemd.service(5), Restart=)."""
    of_systemd = [name for name in names if is_unit(name)]
    if not of_systemd:
        return {}
    host.begin()
    shown: Mapping[str, Mapping[str, str]] = units.show(host, of_systemd, properties=("Id", "NRestarts"))
    return {name: int(it.get("NRestarts") or 0) for name, it in shown.items()}


def _busy(host: Host, names: Sequence[str]) -> Dict[str, str]:
    """The ActiveState of those units for which systemd has a job."""
    host.begin()
    shown: Mapping[str, Mapping[str, str]] = units.show(host, names, properties=_PROPERTIES)
    return {name: it.get("ActiveState", "") for name, it in shown.items() if it.get("Job", "0") not in ("", "0")}
