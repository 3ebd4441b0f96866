# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured of hazards: all of it as CSV, and as a page what does not simply work."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from .hazard import HOSTS
from .of_262 import SINCE_257
from .table import HAZARDS, STRATEGIES

# Begins the part of the document that proofs.py writes.
HEADING = "## What a proof says, and what is so\n"
WORKS = "works"
DOUBT = "?"
NOT_THERE = "–"  # noqa: RUF001
_INTRODUCTION = """\
# Hazards

What a unit's settings or its program's file do to each strategy, under the systemd of Debian 11 (247), 12 (252), 13
(257) and of its next release (262). `./run hazards` makes a real unit for every hazard and asks `privport_info` and the
filter `privport_plan` for a prediction. Then it applies the strategy **even where it is refused**, starts the unit, and
looks whether a process of the service's user listens on the port by this strategy's means. With `redirect` and
`forward` (here by systemd-socket-proxyd) the program listens on its backend port, and a connection to the low port has
to reach it. With `sysctl` every process may bind, and nothing shows by what means one did.

The tables below have, for each strategy, what does **not** simply work. [hazards.csv](hazards.csv) has every cell that
was measured. An answer reads so:

- `works`: the collection says that it works, and it does.
- A code: the collection refuses it for this reason, and the kernel does not let the service have its port.
  [Troubleshooting](troubleshooting.md) has a paragraph on each code.
- A code with `(unsafe)`: the collection refuses it, and the kernel would allow it. Everyone could use the grant, or it
  would replace what somebody else wrote.
- A code with `?`: nobody can know beforehand. The strategy is tried after all others and proven; what follows is the
  kernel's answer.
- `✗`: the two disagree, which fails the run.

A version in brackets limits an answer to it. A hazard that a systemd or a Debian does not have is left out there.
"""
_SINCE_257 = """\

## What came after systemd 257

Each property of a service that `systemctl show` has under 262 and not under 257, and whether it decides about executing
the program or binding the port. What decides is a row above. The run fails when there is one that is not listed here.

"""


@dataclass(frozen=True)
class Cell:
    """What was predicted, 'works' or a code, and what the kernel did, 'works' or what happened instead."""

    predicted: str
    observed: str
    # Refused for safety: the kernel would do it.
    unsafe: bool = False

    @property
    def agrees(self) -> bool:
        if self.predicted.endswith(DOUBT):
            return True
        refused, denied = self.predicted != WORKS, self.observed != WORKS
        return refused and not denied if self.unsafe else refused == denied

    def __str__(self) -> str:
        if self.predicted.endswith(DOUBT):
            return f"{self.predicted} {self.observed}"
        if self.agrees:
            return f"{self.predicted} (unsafe)" if self.unsafe else self.predicted
        return f"✗ {self.predicted}, but {self.observed}"


def lines_of(cells: Mapping[Tuple[str, str, str], Cell]) -> List[List[str]]:
    """All cells as the lines of a table, its head first; NOT_THERE where there is none."""
    columns = [(strategy, host) for strategy in STRATEGIES for host in HOSTS]
    lines = [["hazard", *(f"{strategy} {HOSTS[host]}" for strategy, host in columns)]]
    for hazard in (it for it in HAZARDS if any(it.name == name for name, *_column in cells)):
        lines.append([hazard.name, *(str(cells.get((hazard.name, *column), NOT_THERE)) for column in columns)])
    return lines


def tables(lines: Sequence[Sequence[str]]) -> str:
    """What of these lines does not simply work, a table for each strategy."""
    parts = []
    for strategy in STRATEGIES:
        columns = {number: name.split()[1] for number, name in enumerate(lines[0]) if name.split()[0] == strategy}
        answers = [
            (line[0], {version: line[number] for number, version in columns.items() if line[number] != NOT_THERE})
            for line in lines[1:]
        ]
        told = [(_answer(by_version), hazard) for hazard, by_version in answers if {*by_version.values()} - {WORKS}]
        parts.append(f"\n## {strategy}\n\n{len(told)} of {len(answers)} hazards:\n\n")
        parts.append(aligned([("answer", "hazard"), *_by_answer(told)]) + "\n")
    return "".join(parts)


def _answer(by_version: Mapping[str, str]) -> str:
    """The answers of the versions, each once: with its versions, unless all have the same."""
    versions: Dict[str, List[str]] = {}
    for version, answer in by_version.items():
        versions.setdefault(answer, []).append(version)
    if len(versions) == 1:
        return next(iter(versions))
    return ", ".join(f"{answer} ({' '.join(them)})" for answer, them in versions.items())


def _by_answer(told: Sequence[Tuple[str, str]]) -> List[Tuple[str, str]]:
    """The answers that most hazards have come first; the hazards keep their order."""
    counts = Counter(answer for answer, _hazard in told)
    ordered = sorted(told, key=lambda it: (-counts[it[0]], it[0]))
    return [(answer, hazard.replace("|", "\\|")) for answer, hazard in ordered]


def write_csv(lines: Iterable[Sequence[str]]) -> str:
    """Lines as CSV (RFC 4180), with a line feed at the end of each."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(lines)
    return written.getvalue()


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table of these lines, the first of which is its head."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    rule: List[str] = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |"
        for line in (lines[0], rule, *lines[1:])
    )


def document(lines: Sequence[Sequence[str]], *, before: str) -> str:
    """The page of these lines; the part that proofs.py writes is as it was before."""
    since = aligned([("property", "what it decides"), *SINCE_257.items()])
    return f"{_INTRODUCTION}{tables(lines)}{_SINCE_257}{since}\n\n{''.join(before.partition(HEADING)[1:])}"
