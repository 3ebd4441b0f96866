# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared with what, and how both are measured in turns."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional

from . import host
from .runs import Run, ad_hoc, counts, playbook, seconds

# Ansible's own default of --forks is 5.
MANY_FORKS = 32
# How many files a search looks at.
SEARCHED = 1_000_000
# The sides of a comparison, as they are called in the raw figures.
MEASURED, AGAINST = "measured", "against"


class Side(NamedTuple):
    """What is run, and what is made of the host before each run, which is not measured."""

    what: str
    run: Run
    before: Callable[[], Any] = dict


class Case(NamedTuple):
    """Two sides, and how many times as long as the second the first may take; None where nothing was promised."""

    name: str
    measured: Side
    against: Side
    goal: Optional[float]
    before: Callable[[], Any] = dict


Result = Dict[str, Any]


def granted(services: int = 1) -> Callable[[], None]:
    """Brings the host to where the first services have what they need, and the others have nothing."""

    def bring() -> None:
        host.act("withdraw")
        seconds(playbook("role", services=services, changes=True))

    return bring


def ungranted() -> None:
    host.act("withdraw")


def loaded(**amounts: int) -> Callable[[], Dict[str, int]]:
    return lambda: host.act("load", **amounts)


def with_capability() -> None:
    ungranted()
    host.act("install", ports=list(host.PORTS))
    seconds(ad_hoc(SETCAP, f"path={host.PROGRAM}")._replace(changes=True))


SETCAP = "netbind.privport.privport_setcap"
CAPABILITIES = "community.general.capabilities"
PING = Side("play with one ping", playbook("ping"))
PING_AD_HOC = Side("ansible -m ping", ad_hoc("ansible.builtin.ping"))
SETCAP_AD_HOC = Side("ansible -m privport_setcap, nothing to do", ad_hoc(SETCAP, f"path={host.PROGRAM}"))
CONVERGED = Side("role, 1 service, nothing to do", playbook("role"))
FIRST = Side("role, 1 service, first run", playbook("role", changes=True), ungranted)


def _names(names: int, forks: Optional[int]) -> Case:
    told = f"{names} hosts, {f'{forks} forks' if forks else 'default forks'}"
    return Case(
        f"names-{names}" + (f"-forks-{forks}" if forks else ""),
        Side(f"role, 1 service, nothing to do, {told}", playbook("role", names=names, forks=forks)),
        Side(f"play with one ping, {told}", playbook("ping", names=names, forks=forks)),
        1.5,
        granted(),
    )


CASES = (
    Case("converged", CONVERGED, PING, 1.25, granted()),
    Case("first", FIRST, Side("play by hand, first run", playbook("by_hand", changes=True), ungranted), 0.5),
    Case(
        "converged-50",
        Side("role, 50 services, nothing to do", playbook("role", services=50)),
        CONVERGED,
        1.5,
        granted(50),
    ),
    Case(
        "first-50",
        Side("role, 50 services, first run", playbook("role", services=50, changes=True), ungranted),
        FIRST,
        3,
    ),
    Case(
        "sockets",
        CONVERGED._replace(what="role, 10,000 listening sockets", before=loaded(sockets=10_000)),
        CONVERGED._replace(what="role, 10 listening sockets", before=loaded(sockets=10)),
        1.2,
        granted(),
    ),
    Case(
        "crowd",
        CONVERGED._replace(what="role, 5,000 processes and 50,000 users", before=loaded(processes=5_000, users=50_000)),
        CONVERGED._replace(what="role, an idle host", before=loaded()),
        1.5,
        granted(),
    ),
    *(_names(names, forks) for names in (32, 128) for forks in (None, MANY_FORKS)),
    Case("adhoc", SETCAP_AD_HOC, PING_AD_HOC, 1.1, with_capability),
)
# Run when they are named: these need a collection that is large to download.
ON_DEMAND = (
    Case(
        "capabilities",
        SETCAP_AD_HOC,
        Side(
            "ansible -m community.general.capabilities, nothing to do",
            ad_hoc(CAPABILITIES, f"path={host.PROGRAM} capability=cap_net_bind_service=ep"),
        ),
        None,
        with_capability,
    ),
)


def measure(case: Case, rounds: int) -> Result:
    """The seconds of both sides in turns, after one run of each that is counted and not timed."""
    case.before()
    sides = {MEASURED: case.measured, AGAINST: case.against}
    result: Result = {"unit": "seconds", "goal": case.goal}
    for name, side in sides.items():
        seen = side.before() or {}
        result[name] = {"what": side.what, "counts": counts(side.run), "host": seen, "raw": []}
    for _ in range(rounds):
        for name, side in sides.items():
            side.before()
            result[name]["raw"].append(round(seconds(side.run), 4))
    host.act("load")
    return result


def measure_payload(rounds: int) -> Dict[str, Result]:
    """What the modules of a converged role weigh, and what they take on the host, beside those of a ping."""
    granted()()
    sides = {MEASURED: CONVERGED, AGAINST: PING}
    sent = {name: _bytes_of(name, side.run) for name, side in sides.items()}
    taken = host.act("time_modules", names=list(sides), rounds=rounds)
    units: Dict[str, Callable[[str], List[float]]] = {
        "payload-bytes": lambda name: [sum(sent[name])],
        "payload-import": lambda name: taken[name]["import"],
        "payload-run": lambda name: taken[name]["run"],
    }
    return {
        kind: {
            "unit": "bytes" if kind == "payload-bytes" else "seconds",
            "goal": None,
            **{
                name: {
                    "what": side.what,
                    "counts": {"module_executions": len(sent[name])},
                    "host": {},
                    "raw": raw(name),
                }
                for name, side in sides.items()
            },
        }
        for kind, raw in units.items()
    }


def measure_search(rounds: int) -> Dict[str, Result]:
    """The search of an audit for files with capabilities, beside getcap and beside a walk that looks at no file."""
    taken = host.act("time_search", files=SEARCHED, rounds=rounds)
    told = {"search": "search for file capabilities", "getcap": "getcap -r", "find": "find, names only"}
    sides = {
        name: {
            "what": f"{what}, {SEARCHED:,} files",
            "counts": {},
            "host": {},
            "raw": [round(it, 4) for it in taken[name]],
        }
        for name, what in told.items()
    }
    goals = {"getcap": 0.33, "find": None}
    return {
        f"scan-{name}": {"unit": "seconds", "goal": goal, MEASURED: sides["search"], AGAINST: sides[name]}
        for name, goal in goals.items()
    }


def _bytes_of(name: str, run: Run) -> List[int]:
    seconds(run, ANSIBLE_KEEP_REMOTE_FILES="true", ANSIBLE_PIPELINING="false")
    sent: List[int] = host.act("keep", name=name)["bytes"]
    return sent
