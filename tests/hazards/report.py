# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of hazards as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from .hazard import HOSTS, TRIED
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
(257) and of its next release (262). `./run hazards` makes a real unit for every row, asks `privport_info` and the
filter `privport_plan` for a prediction, then applies the strategy **even where it is refused**, starts the unit and
looks whether a process of it, running as the service's user and by this strategy's means, listens on the port. Of
`redirect` and `forward` (here by systemd-socket-proxyd) the program listens on its backend port, and what connects to
the low port has to reach it; with `sysctl` every process may bind, and none shows by what means. This table is what
that run measured: `works` means that prediction and kernel agreed that it works, a code that the collection refuses
with this reason and the kernel does not let the service have its port. A code with `(unsafe)` is refused although the
kernel would allow it: everyone could use the grant, or it would replace what somebody else wrote. A code with `?`
stands for what cannot be known beforehand: the strategy comes after all others and is proven, and the kernel's answer
follows. A cell where the two disagree fails the run and is marked with ✗. `–` stands for a setting that this systemd,
or a program that this Debian, does not have.

"""  # noqa: RUF001
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


def table(cells: Mapping[Tuple[str, str, str], Cell]) -> str:
    """A Markdown table, its columns aligned."""
    columns = [(strategy, host) for strategy in STRATEGIES for host in TRIED]
    lines = [["hazard", *(f"{strategy} {HOSTS[host]}" for strategy, host in columns)]]
    for hazard in (it for it in HAZARDS if any(it.name == name for name, *_column in cells)):
        found = (cells.get((hazard.name, strategy, host), NOT_THERE) for strategy, host in columns)
        lines.append([hazard.name.replace("|", "\\|"), *map(str, found)])
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table of these lines, the first of which is its head."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    rule: List[str] = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |"
        for line in (lines[0], rule, *lines[1:])
    )


def document(cells: Dict[Tuple[str, str, str], Cell], *, before: str) -> str:
    """The document with other tables of hazards than it had before."""
    since = aligned([("property", "what it decides"), *SINCE_257.items()])
    rest = "".join(before.partition(HEADING)[1:])
    return f"{_INTRODUCTION}{table(cells)}\n{_SINCE_257}{since}\n{rest}"
