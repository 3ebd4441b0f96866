# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with daemons: given to the role, asked, given to it again, and taken back."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Sequence

from .daemon import BEHIND, ITSELF, Daemon
from .fleet import Host
from .table import PORTS


class Trial(NamedTuple):
    """A daemon, and whether it is given to the role by its way out."""

    daemon: Daemon
    by_way: bool = False

    @property
    def port(self) -> int:
        return PORTS[self.daemon.name]

    @property
    def _behind(self) -> bool:
        return self.by_way and self.daemon.way.behind

    @property
    def own_port(self) -> int:
        """The port that its own configuration names."""
        return self.port + BEHIND if self._behind else self.port

    @property
    def strategy(self) -> str:
        return self.daemon.way.strategy if self.by_way else self.daemon.strategy

    @property
    def service(self) -> Dict[str, Any]:
        daemon = self.daemon
        return {
            "name": daemon.name,
            "unit": daemon.unit,
            "ports": [f"{self.port}/{transport}" for transport in daemon.transports],
            **daemon.said,
            **(daemon.way.said if self.by_way else {}),
            **({"backend_ports": {self.port: self.own_port}} if self._behind else {}),
        }


def refused(host: Host, trials: Sequence[Trial]) -> Iterator[str]:
    """What is wrong with refusals: each names the reason, and the daemon runs on; where it has its port, it answers."""
    names = [it.daemon.unit for it in trials]
    _configure(host, trials)
    host.do("begin", names)
    before, running = host.do("tree"), host.do("units", names)
    result = host.roll_out([it.service for it in trials])
    if not result.get("failed"):
        yield f"they should be refused, but the role ends with {_told(result)}"
    for trial in trials:
        said = re.search(rf"^{trial.daemon.name}: .*(\n  .*)*", _told(result), re.MULTILINE)
        if not said or not re.search(trial.daemon.refused, said[0]):
            yield f"the refusal of {trial.daemon.name} does not say {trial.daemon.refused}: {_told(result)}"
    # Without its port, another one may end and be started again at any time.
    serving = [it for it in trials if it.daemon.way == ITSELF]
    for trial in serving:
        yield from _unanswered(host, trial, trial.port)
    yield from _restarted(running, host.do("units", [it.daemon.unit for it in serving]))
    host.do("end", names)
    yield from _left(before, host.do("tree"), trials)


def served(host: Host, trials: Sequence[Trial]) -> Iterator[str]:
    """What is wrong with services that should work, given to the role together."""
    names = [it.daemon.unit for it in trials]
    _configure(host, trials)
    host.do("begin", names)
    for trial in trials:
        if trial.own_port != trial.port:
            yield from _unanswered(host, trial, trial.own_port)
    before = host.do("tree")
    yield from _proven(host, trials)
    gone = host.roll_out([{**it.service, "state": "absent"} for it in trials])
    if gone.get("failed"):
        yield f"they cannot be taken back: {_told(gone)}"
    host.do("end", names)
    yield from _left(before, host.do("tree"), trials)


def _configure(host: Host, trials: Sequence[Trial]) -> None:
    error = host.do("configure", [[it.daemon.configure, it.own_port] for it in trials])
    if error:
        raise ValueError(f"the daemon cannot be told its port: {error}")


def _proven(host: Host, trials: Sequence[Trial]) -> Iterator[str]:
    """The role, the question from another host, and the role again."""
    names = [it.daemon.unit for it in trials]
    result = host.roll_out([it.service for it in trials])
    if result.get("failed"):
        yield f"the role fails: {_told(result)}"
        yield from (_by_hand(host, it) for it in trials if len(trials) == 1)
        return
    yield from _chosen(result, trials)
    for trial in trials:
        yield from _unanswered(host, trial, trial.port)
    before = host.do("units", names)
    again = host.roll_out([it.service for it in trials])
    if again.get("failed") or again.get("changed"):
        yield f"the second run changes or fails: {_told(again)}"
    yield from _restarted(before, host.do("units", names))


def _unanswered(host: Host, trial: Trial, port: int) -> Iterator[str]:
    wrong = host.answer(trial.daemon.question, port)
    if wrong:
        yield f"{trial.daemon.name} does not answer another host on port {port}: {wrong}"


def _restarted(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name} was restarted: {after[name]}" for name in after if before[name] != after[name])


def _chosen(result: Mapping[str, Any], trials: Sequence[Trial]) -> Iterator[str]:
    plans = {plan["service"]["name"]: plan for plan in result["plan"]}
    for trial in trials:
        strategy = plans[trial.daemon.name]["strategy"]
        if strategy != trial.strategy:
            yield f"{trial.daemon.name} gets {strategy}, not {trial.strategy}"


def _by_hand(host: Host, trial: Trial) -> str:
    """Whether the daemon serves with a drop-in as a person would write it."""
    found = host.do("by_hand", trial.daemon.unit)
    wrong = host.answer(trial.daemon.question, trial.own_port)
    journal = found["journal"].replace("\n", "\n      ")
    return f"by hand it {f'does not serve either: {wrong}' if wrong else 'serves'}\n      {journal}"


def _left(before: Mapping[str, str], after: Mapping[str, str], trials: Sequence[Trial]) -> Iterator[str]:
    own = tuple(it.daemon.writes for it in trials if it.daemon.writes)
    differing = [
        path for path in {**before, **after} if before.get(path) != after.get(path) and not path.startswith(own)
    ]
    if differing:
        yield "not as before: " + ", ".join(f"{path} ({before.get(path)} → {after.get(path)})" for path in differing)


def _told(result: Mapping[str, Any]) -> str:
    told = {name: result.get(name) for name in ("msg", "steps", "reasons", "restored", "left")}
    return str(result.get("msg") or json.dumps(told))[:3000]
