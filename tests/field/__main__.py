# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives real daemons to the role, as Debian packages them. Runs inside the fleet's namespaces.

Usage: python -m field HOST SUITE [--always] [--write] [NAME…]
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Iterator, Sequence

from . import report
from .daemon import ITSELF, Daemon
from .fleet import ROOT, Host
from .table import daemons_of
from .trial import Trial, refused, served


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
    if arguments.always:
        # All at once, so that what one does wrong is a fault of all.
        problems = list(together(host, chosen))
        wrong = {it.name: problems for it in chosen}
    else:
        wrong = {it.name: list(told(host, it)) for it in chosen}
    if arguments.write:
        written = ROOT / "docs/field.md"
        tried = [report.Tried(it, host.version(it.packages.split(",")[0]), tuple(wrong[it.name])) for it in chosen]
        written.write_text(report.document(written.read_text() if written.exists() else "", arguments.suite, tried))
    failed = sum(map(bool, wrong.values()))
    print(f"{len(wrong) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def together(host: Host, daemons: Sequence[Daemon]) -> Iterator[str]:
    for problem in served(host, [Trial(it) for it in daemons]):
        print(problem, flush=True)
        yield problem


def told(host: Host, daemon: Daemon) -> Iterator[str]:
    """What is wrong with one daemon; it is shown when it is there, for all of them take their time."""
    started = time.monotonic()
    problems = list(attempt(host, daemon))
    print(f"{daemon.name}: {'; '.join(problems) or 'ok'} ({time.monotonic() - started:.0f} s)", flush=True)
    yield from problems


def attempt(host: Host, daemon: Daemon) -> Iterator[str]:
    try:
        if daemon.refused:
            yield from refused(host, Trial(daemon))
        if daemon.way != ITSELF:
            yield from served(host, [Trial(daemon, by_way=bool(daemon.refused))])
    except ValueError as error:
        yield str(error)


if __name__ == "__main__":
    main()
