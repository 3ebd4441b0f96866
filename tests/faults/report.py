# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of faults as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

_INTRODUCTION = """\
# Faults

What happens when something goes wrong in the middle. `./run faults` injects every fault below into the real modules
and plays on the hosts of the fleet (systemd 247, 252 and 257, and sysvinit), and fails on the first one that is not
survived.

A module is killed with SIGKILL before each change that it makes to a file, a folder, an attribute, systemd or sysv-rc,
one run for each. Survived means: every file outside of the collection's own is untouched, every file of its own is
wholly the old or wholly the new one; the next run, whether it goes on or goes back, says `changed` truthfully, and ends
as if nothing had happened, without anything left over; the run after that changes nothing. The transaction of
`privport` for five services of five strategies is killed before each of its changes too. Survived means there: the next
run, which wants nothing, says that one was interrupted and brings the host back to what it was, files, attributes, units
and what runs. A play is killed with all of its processes after each change that a host reports. A full or read-only disk and a systemd that fails or hangs end in
one sentence that says what to do, within a bounded time, with every file and what systemd has loaded as they were
before.

"""


@dataclass(frozen=True)
class Fault:
    """A kind of fault, how often it was injected, and each time that it was not survived, a sentence."""

    name: str
    count: int
    wrong: Tuple[str, ...]


def table(faults: Sequence[Fault]) -> str:
    """A Markdown table, its columns aligned."""
    lines = [("fault", "injected", "survived"), *map(_cells, faults)]
    total = Fault("all", sum(it.count for it in faults), tuple(problem for it in faults for problem in it.wrong))
    lines.append(_cells(total))
    widths = [max(map(len, column)) for column in zip(*lines)]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |"
        for line in (lines[0], rule, *lines[1:])
    )


def _cells(fault: Fault) -> Tuple[str, str, str]:
    return fault.name, str(fault.count), "all" if not fault.wrong else f"✗ {len(fault.wrong)} problems"


def document(faults: Sequence[Fault]) -> str:
    """docs/faults.md."""
    return f"{_INTRODUCTION}{table(faults)}\n"
