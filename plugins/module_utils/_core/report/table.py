# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of text for people at a terminal."""

from __future__ import annotations

import textwrap
from typing import Mapping, Sequence

NOTHING_DECLARED = "No services are declared for these hosts."
_WIDEST = 44


def render(rows: Sequence[Mapping[str, str]], *, columns: Sequence[str]) -> tuple[str, ...]:
    """The lines of a table: headings, a rule, then each row, its long cells wrapped to 44 characters."""
    cells = [[textwrap.wrap(row[column], _WIDEST) or [""] for column in columns] for row in rows]
    widths = [
        max([len(column)] + [len(line) for row in cells for line in row[index]]) for index, column in enumerate(columns)
    ]
    lines = [_line([column.upper() for column in columns], widths), _line(["-" * width for width in widths], widths)]
    for row in cells:
        height = max(len(cell) for cell in row)
        for number in range(height):
            lines.append(_line([cell[number] if number < len(cell) else "" for cell in row], widths))
    return tuple(lines)


def _line(cells: Sequence[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip()
