# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured of the units that Debian ships: all of it as CSV, and as a page what it comes to."""

from __future__ import annotations

from collections import Counter
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

from hazards.report import Cell, aligned

STRATEGIES = ("ambient", "setcap", "authbind")
_INTRODUCTION = """\
# A corpus: units as Debian ships them

`./run corpus` takes the service units out of Debian's packages (tests/corpus/packages.txt, found by the Contents index)
and starts each on a host of the fleet. Its `[Service]` section stays as it is, byte for byte. Other units, conditions
and what `[Install]` says are left out, the users, groups and folders that it names are made, and its programs are
replaced: the server by one that binds the port it is told and answers as `Type=` asks, all others by true(1). What does
not even serve a port above 1023 so, with no privilege, is left out and counted below.

Then a low port is asked for, with a `user:` of its own for a unit of root's, and for each of `ambient`, `setcap` and
`authbind` what the filter `privport_plan` predicts is compared with what the kernel does when the strategy is applied
even where it is refused. The codes are those of [the hazards](hazards.md), and so is their reading: `works` and codes
without a mark mean that both agree, `(unsafe)` that the kernel would allow what is refused, `?` what cannot be known,
with the kernel's answer, and ✗ that the two disagree, which fails the run. [corpus.csv](corpus.csv) has every unit.
"""


class Result(NamedTuple):
    """What one host said: kinds are Type= and user by unit, left says why a unit was not tried."""

    host: str
    systemd: int
    kinds: Mapping[str, str]
    cells: Mapping[Tuple[str, str], Cell]
    left: Mapping[str, str]
    # Units of which something is not known, without a reason.
    unexplained: Sequence[str]
    # How long the look at all of them took.
    seconds: float


def summary(found: Result) -> str:
    wrong = sum(not cell.agrees for cell in found.cells.values())
    doubts = sum(cell.predicted.endswith("?") for cell in found.cells.values())
    return (
        f"{found.host}, systemd {found.systemd}: {len(found.kinds)} units, {len(found.cells)} cells, {wrong} disagree, "
        f"{doubts} not known beforehand; {len(found.left)} units left out; looked at in {found.seconds:.1f} s"
    )


HEAD = ("suite", "systemd", "unit", "Type=", "user", *STRATEGIES)


def lines_of(found: Sequence[Result]) -> List[Sequence[str]]:
    """All cells of all hosts as the lines of a table, its head first."""
    lines: List[Sequence[str]] = [HEAD]
    for each in found:
        for unit, kind in sorted(each.kinds.items()):
            answers = (str(each.cells[unit, strategy]) for strategy in STRATEGIES)
            lines.append((each.host, str(each.systemd), unit, *kind.split(", ", 1), *answers))
    return lines


def document(found: Sequence[Result]) -> str:
    return page([(each.host, str(each.systemd), summary(each), _left(each)) for each in found], lines_of(found))


def page(hosts: Sequence[Tuple[str, str, str, str]], lines: Sequence[Sequence[str]]) -> str:
    """The page: of each host its name, its systemd, a summary and what was left out, and the lines of all."""
    parts = [_INTRODUCTION]
    for host, systemd, told, left in hosts:
        own = [dict(zip(HEAD, line)) for line in lines[1:] if line[0] == host]
        parts += [f"## {host}, systemd {systemd}\n", told + ".\n", _codes(own) + "\n"]
        parts += ["What is not known beforehand, and what is refused although the kernel would allow it:\n"]
        parts += [_notable(own) + "\n", left + "\n"]
    return "\n".join(parts)


def _codes(own: Sequence[Mapping[str, str]]) -> str:
    """How often each answer was given."""
    counts: Dict[str, Counter[str]] = {}
    for line in own:
        for strategy in STRATEGIES:
            counts.setdefault(line[strategy], Counter())[strategy] += 1
    lines: List[Sequence[str]] = [["answer", *STRATEGIES]]
    for answer, by in sorted(counts.items(), key=lambda it: -sum(it[1].values())):
        lines.append([answer, *(str(by[strategy] or "") for strategy in STRATEGIES)])
    return aligned(lines)


def _notable(own: Sequence[Mapping[str, str]]) -> str:
    told = [
        [strategy, line[strategy], f"`{line['unit']}`"]
        for strategy in STRATEGIES
        for line in own
        if any(mark in line[strategy] for mark in ("?", "(unsafe)", "✗"))
    ]
    return aligned([["strategy", "answer", "unit"], *told])


def _left(found: Result) -> str:
    counts = Counter(found.left.values())
    lines: List[Sequence[str]] = [["left out, for this became of it on a high port", "units"]]
    return aligned([*lines, *((reason, str(number)) for reason, number in counts.most_common())])
