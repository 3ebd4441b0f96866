# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured of hazards and of Debian's units: the pages say what the files of all cells have."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.netbind.privport.tests.hazards import report
from ansible_collections.netbind.privport.tests.hazards.table import HAZARDS

DOCS = Path(__file__).parents[2] / "docs"


def lines_of(name: str) -> list[list[str]]:
    return list(csv.reader((DOCS / name).read_text("utf-8").splitlines()))


def test_the_page_of_hazards_is_made_of_all_cells() -> None:
    page = (DOCS / "hazards.md").read_text("utf-8")
    assert report.document(lines_of("hazards.csv"), before=page) == page


def test_every_hazard_was_measured() -> None:
    assert [line[0] for line in lines_of("hazards.csv")[1:]] == [hazard.name for hazard in HAZARDS]


def test_a_page_has_what_does_not_simply_work_once_for_each_strategy() -> None:
    head = ["hazard", *(f"{strategy} {version}" for strategy in report.STRATEGIES for version in (252, 257))]
    works = ["works"] * (len(head) - 1)
    lines = [head, ["plain", *works], ["a|b", "no", *works[1:]], ["c", report.NOT_THERE, "no", *works[2:]]]
    (rows,) = re.findall(r"## socket\n\n(.+\n\n(?:\|.*\n)+)", report.tables(lines))
    assert rows == (
        "2 of 3 hazards:\n\n"
        "| answer                | hazard |\n"
        "| --------------------- | ------ |\n"
        "| no                    | c      |\n"
        "| no (252), works (257) | a\\|b   |\n"
    )
    assert report.tables(lines).count("0 of 3 hazards") == len(report.STRATEGIES) - 1


def test_cells_are_written_and_read_back_as_they_are() -> None:
    lines = [["hazard", "ambient 252"], ["ExecStart=sh -c 'a, \"b\"'", "✗ works, but EACCES"]]
    assert list(csv.reader(report.write_csv(lines).splitlines())) == lines


@pytest.mark.parametrize("suite", ["trixie", "forky"])
def test_the_page_of_debians_units_counts_all_cells(suite: str) -> None:
    (table,) = re.findall(
        rf"^## {suite},.*?\n(\| answer .*?)\n\n", (DOCS / "corpus.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    counted = {
        (answer, strategy): int(number)
        for line in table.splitlines()[2:]
        for answer, *numbers in [[cell.strip() for cell in line.split("|")[1:-1]]]
        for strategy, number in zip(("ambient", "setcap", "authbind"), numbers)
        if number
    }
    own = [line for line in lines_of("corpus.csv")[1:] if line[0] == suite]
    cells = ((answer, name) for line in own for name, answer in zip(("ambient", "setcap", "authbind"), line[5:]))
    assert counted == dict(Counter(cells))
