# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives real daemons to the role, as Debian packages them. Runs inside the fleet's namespaces.

Usage: python -m field HOST SUITE [--always] [--write] [NAME…]
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from typing import Dict, Iterator, List, Sequence

from . import report
from .daemon import ITSELF, Daemon
from .fleet import ROOT, Host
from .table import daemons_of
from .trial import Trial, refused, served

# As many are given to the role at once.
TOGETHER = 8


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("suite")
    parser.add_argument("--always", action="store_true", help="those of every run of the tests, all at once")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/field.md")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    daemons = daemons_of(arguments.suite, always=arguments.always)
    lost = set(arguments.names) - {it.name for it in daemons}
    if lost:
        sys.exit(
            f"error: {arguments.suite} has no {', '.join(sorted(lost))}; it has {', '.join(it.name for it in daemons)}"
        )
    chosen = [it for it in daemons if not arguments.names or it.name in arguments.names]
    host = Host(arguments.host)
    wrong: Dict[str, List[str]] = {}
    for some in [chosen] if arguments.always else groups(chosen):
        wrong.update(told(host, some))
    if arguments.write and not arguments.names:
        written = ROOT / "docs/field.md"
        tried = [report.Tried(it, host.version(it.packages.split(",")[0]), tuple(wrong[it.name])) for it in chosen]
        written.write_text(report.document(written.read_text() if written.exists() else "", arguments.suite, tried))
    failed = sum(map(bool, wrong.values()))
    print(f"{len(wrong) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def groups(daemons: Sequence[Daemon]) -> Iterator[Sequence[Daemon]]:
    """Neighbours of the table, which may want the same other ports, come into different groups."""
    count = -(-len(daemons) // TOGETHER)
    yield from (daemons[first::count] for first in range(count))


def told(host: Host, daemons: Sequence[Daemon]) -> Dict[str, List[str]]:
    """What is wrong with each; they are given to the role together, and those that it names alone where it is wrong."""
    started = time.monotonic()
    problems = list(attempt(host, daemons))
    names = ", ".join(it.name for it in daemons)
    print(f"{names}: {'; '.join(problems) or 'ok'} ({time.monotonic() - started:.0f} s)", flush=True)
    if not problems or len(daemons) == 1:
        return {it.name: problems for it in daemons}
    named = [it for it in daemons if re.search(rf"\b{it.name}\b", "\n".join(problems))]
    # A refusal keeps the others from their ports too.
    named = [] if any(it.startswith("the role fails") for it in problems) else named
    alone = {name: found for it in named or daemons for name, found in told(host, [it]).items()}
    return {it.name: alone.get(it.name, []) for it in daemons}


def attempt(host: Host, daemons: Sequence[Daemon]) -> Iterator[str]:
    lost = [Trial(it) for it in daemons if it.refused]
    served_by_way = [Trial(it, by_way=bool(it.refused)) for it in daemons if it.way != ITSELF]
    try:
        if lost:
            yield from refused(host, lost)
        if served_by_way:
            yield from served(host, served_by_way)
    except ValueError as error:
        yield str(error)


if __name__ == "__main__":
    main()
