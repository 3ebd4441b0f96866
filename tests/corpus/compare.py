# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what is predicted for the units that Debian ships with what the kernel does. Runs inside the fleet.

Usage: python -m corpus.compare [--write] FOLDER HOST…, where FOLDER/HOST/units holds the units of each host's Debian.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import OF_INTERPRETER
from hazards.compare import ROOT, asked, observe, of_ambient, of_authbind, of_setcap, planned, predicted, run
from hazards.report import Cell, write_csv

from . import report
from .shipped import Shipped, shipped

STRATEGIES = ("ambient", "setcap", "authbind")
FIRST_PORT = 101
# Ports that need no privilege: what does not serve those does not run here at all, for reasons of its own.
BEHIND = 20000
BATCH = 170
SECONDS = 20
HERE = Path(__file__).parent


class Tried(NamedTuple):
    """A unit with its port, and what was predicted and observed of each strategy."""

    unit: Shipped
    port: int

    @property
    def service(self) -> Dict[str, Any]:
        name = f"u{self.port}"
        told = {"name": name, "ports": [self.port], "unit": self.unit.unit, "user": self.unit.user}
        return {key: value for key, value in told.items() if value}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="keep what was found in docs/corpus.csv and .md")
    parser.add_argument("folder", type=Path)
    parser.add_argument("hosts", nargs="+")
    arguments = parser.parse_args()
    with ThreadPoolExecutor(len(arguments.hosts)) as pool:
        found = list(pool.map(partial(try_host, folder=arguments.folder), arguments.hosts))
    for each in found:
        print(report.summary(each))
    if arguments.write:
        (ROOT / "docs/corpus.md").write_text(report.document(found))
        (ROOT / "docs/corpus.csv").write_text(write_csv(report.lines_of(found)))
    wrong = [(each, key, cell) for each in found for key, cell in each.cells.items() if not cell.agrees]
    for each, (unit, strategy), cell in wrong:
        print(f"  {unit}, {strategy}, systemd {each.systemd}: predicted {cell.predicted}, but {cell.observed}")
    sys.exit(1 if wrong or any(each.unexplained for each in found) else 0)


def try_host(host: str, folder: Path) -> report.Result:
    """All units of a host's Debian: first what runs there without a privileged port, then each strategy."""
    units = shipped(folder / host / "units")
    tried = [Tried(unit, FIRST_PORT + number) for number, unit in enumerate(units)]
    for name, path in (("on_host.py", HERE.parent / "hazards/on_host.py"), ("corpus.py", HERE / "on_host.py")):
        run(["podman", "cp", str(path), f"{host}:/opt/{name}"])
    run(["podman", "cp", str(folder / "standin"), f"{host}:/opt/standin"])
    servers = {path for unit in units for path in unit.programs[0]}
    left = on_host(host, "prepare", units=[it.unit.needs(it.port + BEHIND, servers) for it in tried])
    tried = [it for it in tried if it.unit.file not in left]
    base = try_all(host, {it: _without_grant(it) for it in tried})
    idle = {it.unit.unit: outcome for it, outcome in base.items() if outcome not in ("works", "root")}
    runs = [it for it in tried if it.unit.unit not in idle]
    on_host(host, "port", units=[it.unit.needs(it.port, servers) for it in runs])
    began = time.monotonic()
    observation = observe(host, [it.service for it in runs])
    took = time.monotonic() - began
    cells: Dict[Tuple[str, str], Cell] = {}
    unexplained: List[str] = []
    for strategy in STRATEGIES:
        plans = dict(zip(runs, planned(observation, [{**it.service, "strategy": strategy} for it in runs])))
        observed = try_all(host, {it: _grant(it, strategy, plan) for it, plan in plans.items()})
        for it, plan in plans.items():
            cells[it.unit.unit, strategy] = Cell(
                predicted=predicted(plan, strategy),
                observed=observed[it],
                unsafe=_unsafe(plan, strategy) and observed[it] == "works",
            )
            unexplained += [it.unit.unit for reason in plan["unknown"].get(strategy, ()) if not reason["text"]]
    return report.Result(
        host=host,
        systemd=observation["systemd"],
        kinds={it.unit.unit: f"{it.unit.type}, {it.unit.runs_as or it.unit.last('User') or 'root'}" for it in runs},
        cells=cells,
        left={**left, **idle},
        unexplained=unexplained,
        seconds=took,
    )


def try_all(host: str, grants: Mapping[Tried, Dict[str, Any]]) -> Dict[Tried, str]:
    """What became of each unit, some at a time."""
    found: Dict[Tried, str] = {}
    every = list(grants)
    for first in range(0, len(every), BATCH):
        batch = every[first : first + BATCH]
        answer = on_host(host, "try", grants={it.unit.unit: grants[it] for it in batch}, seconds=SECONDS)
        found.update({it: answer[it.unit.unit] for it in batch})
    return found


def _without_grant(it: Tried) -> Dict[str, Any]:
    return {**_asked(it, "sysctl"), "port": it.port + BEHIND, "front": it.port + BEHIND}


def _asked(it: Tried, strategy: str) -> Dict[str, Any]:
    # Who listens without a grant is nobody's concern.
    user = _user(it) if strategy != "sysctl" else ""
    return asked(strategy, port=it.port, front=it.port, user=user)


def _user(it: Tried) -> str:
    return it.unit.user or it.unit.runs_as


def _grant(it: Tried, strategy: str, plan: Mapping[str, Any]) -> Dict[str, Any]:
    """What the collection would write for the strategy, whether or not it refuses to."""
    known = _asked(it, strategy)
    if strategy == "ambient":
        return {**known, **of_ambient(plan)}
    if strategy == "setcap":
        return {**known, **of_setcap(plan)}
    commands = it.unit.commands.get("ExecStart", ())
    return {**known, **of_authbind(plan, commands=commands, user=_user(it), port=it.port)}


def _unsafe(plan: Mapping[str, Any], strategy: str) -> bool:
    """Whether the kernel would do it, and it is refused as it would open a hole, or stop what others need."""
    reasons = plan["rejected"].get(strategy, ())
    return bool(reasons) and all(it["code"] == "supervisor" or it["text"].endswith(OF_INTERPRETER) for it in reasons)


def on_host(host: str, action: str, **work: Any) -> Dict[str, Any]:
    """Runs the script on the host."""
    argv = ["podman", "exec", "--interactive", host, "python3", "/opt/corpus.py", action]
    return dict(json.loads(run(argv, json.dumps(work))))


if __name__ == "__main__":
    main()
