# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of text."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.report.table import render
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        pytest.param([], ["HOST  WHY", "----  ---"], id="no rows"),
        pytest.param(
            [{"host": "web1", "why": "so"}, {"host": "b", "why": ""}],
            ["HOST  WHY", "----  ---", "web1  so", "b"],
            id="short cells",
        ),
        pytest.param([{"host": "", "why": ""}], ["HOST  WHY", "----  ---", ""], id="nothing to say"),
        pytest.param(
            [{"host": "a", "why": "word " * 10 + "end"}],
            [
                "HOST  WHY",
                "----  --------------------------------------------",
                "a     word word word word word word word word word",
                "      word end",
            ],
            id="a wrapped cell",
        ),
    ],
)
def test_render(rows: List[Dict[str, str]], lines: List[str]) -> None:
    assert list(render(rows, columns=["host", "why"])) == lines


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.text()}), max_size=4))
@settings(deadline=None, derandomize=True)
def test_no_word_is_lost(rows: Any) -> None:
    text = "".join("".join(line.split()) for line in render(rows, columns=["a"]))
    for row in rows:
        for letter in "".join(row["a"].split()):
            assert letter in text
