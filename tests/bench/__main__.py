# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what the collection costs with what else would be run. Runs inside the fleet.

Usage: python -m bench [--rounds N] [--write] [--file NAME] [NAME…]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Dict, Sequence

from ansible.release import __version__ as ansible_version

from . import host, report
from .cases import CASES, ON_DEMAND, measure, measure_payload, measure_search
from .runs import ROOT

PAYLOAD, SCAN = "payload", "scan"
NAMES = (*(it.name for it in CASES), PAYLOAD)
FOLDER = ROOT / "benchmarks"
# What a later file is compared with.
BEFORE = FOLDER / "before.json"


def main() -> None:
    arguments = _arguments()
    file = FOLDER / f"{arguments.file}.json"
    figures = _read(file) if arguments.write else {}
    host.prepare()
    figures = {"facts": _facts(), "results": figures.get("results", {})}
    for name in arguments.names or NAMES:
        load = round(os.getloadavg()[0], 2)
        results = _measure(name, arguments.rounds)
        for result in results.values():
            result.update(commit=_commit(), load_before=load)
        figures["results"].update(results)
        print(report.table(results, _before(file)), flush=True)
        if name not in (PAYLOAD, SCAN):
            print(report.count_table(results), flush=True)
        if arguments.write:
            file.write_text(json.dumps(figures, indent=1) + "\n")
            (ROOT / "docs/bench.md").write_text(report.document(figures, _before(file)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run bench")
    known = (*NAMES, SCAN, *(it.name for it in ON_DEMAND))
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; by default all up to {PAYLOAD}"
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often each side is run (5)")
    parser.add_argument("--write", action="store_true", help="keep the figures in benchmarks/ and docs/bench.md")
    parser.add_argument("--file", default=str(datetime.date.today()), help="their name in benchmarks/ (today)")
    arguments = parser.parse_args()
    unknown = [it for it in arguments.names if it not in known]
    if unknown:
        parser.error(f"there is no comparison {', '.join(unknown)}; there are {', '.join(known)}")
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}, and must be 1 or more")
    return arguments


def _measure(name: str, rounds: int) -> Dict[str, report.Result]:
    if name == PAYLOAD:
        return measure_payload(rounds)
    if name == SCAN:
        return measure_search(rounds)
    (case,) = (it for it in (*CASES, *ON_DEMAND) if it.name == name)
    return {name: measure(case, rounds)}


def _facts() -> Dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "ansible-core": ansible_version,
        "python": platform.python_version(),
        **{f"{name} of the host": version for name, version in host.facts().items()},
        "pipelining": os.environ["ANSIBLE_PIPELINING"],
    }


def _commit() -> str:
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit} with changes" if _git("status", "--porcelain", "--", "plugins", "roles") else commit


def _git(*arguments: str) -> str:
    argv: Sequence[str] = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def _read(file: Path) -> Dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _before(file: Path) -> Dict[str, report.Result]:
    return {} if file == BEFORE else dict(_read(BEFORE).get("results", {}))


if __name__ == "__main__":
    main()
