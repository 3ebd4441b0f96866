# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of guides, and the first page that the documentation site makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.report import ways_out
from ansible_collections.netbind.privport.tests.docs_site import architecture, guides, messages, troubleshooting

PAGES = sorted(guides.ROOT.glob("docs/*.md"))


def test_the_list_names_every_guide_once() -> None:
    assert sorted(guides.pages()) == sorted(path.stem for path in PAGES)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_what_a_guide_links_to_is_there(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_first_page_links_to_the_guides_and_lists_them_by_section() -> None:
    text = f"""\
.. A comment.

.. _label:

Guides
******

First
=====

* `One page <{guides.ADDRESS}/one.html>`__: what it has.
* `Another <{guides.ADDRESS}/two-three.html>`__: what it has, too.

Then
====

* `Last <{guides.ADDRESS}/last.html>`__: the end.
"""
    page = guides.front_page(text)
    assert page.startswith("Guides\n******\n")
    assert "* :doc:`Another <two-three>`: what it has, too." in page
    assert guides.ADDRESS not in page
    assert re.findall(r":caption: (.+)\n(?:   :.+\n)*\n((?:   .+\n)+)", page) == [
        ("First", "   one\n   two-three\n"),
        ("Then", "   last\n"),
        ("Modules, roles and filters", "   collection/index\n"),
    ]


def test_every_message_has_a_paragraph_with_a_way_out_and_every_paragraph_a_message() -> None:
    assert troubleshooting.missing() == []


def test_the_codes_of_ways_out_and_of_what_was_measured_are_found_in_the_source() -> None:
    found = set(messages.refusals())
    assert {step.code for step in ways_out.STEPS} <= found
    # What selinux_port and its like are made of is an argument that another function hands on.
    assert {"selinux_node", "selinux_capability", "bounding_set", "confinement"} <= found


def test_the_page_of_messages_is_what_the_code_and_the_paragraphs_say() -> None:
    assert troubleshooting.PAGE.read_text("utf-8") == troubleshooting.text(), "./run docs --write mends it"


def test_a_message_is_read_with_what_only_a_run_knows_left_out() -> None:
    assert "the unit may never have cap_net_bind_service" in messages.refusals()["bounding_set"]
    assert "backend port … is held by somebody else" in messages.refusals()["backend_held"]
    assert "port … is not served on …, but on …" in messages.checks()["address"]


def test_the_drawing_of_the_architecture_is_made_of_the_imports() -> None:
    assert architecture.PICTURE.read_text("utf-8") == architecture.picture(), "./run docs --write mends it"


def test_each_folder_of_the_drawing_is_explained() -> None:
    page = (guides.ROOT / "docs/architecture.md").read_text("utf-8")
    names = {name.rpartition("module_utils/")[2] for name in architecture.graph()}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_what_decides_is_below_what_looks_and_that_is_below_what_is_called() -> None:
    rows = architecture.groups(architecture.graph())
    row = {name.rpartition("module_utils/")[2]: number for number, names in enumerate(rows) for name in names}
    assert row["action"] < row["modules"] < row["_observe"] < row["_core/proof"] < row["_core/decision"]
    assert row["_observe"] < row["_host"]


@pytest.mark.parametrize(
    ("known", "rows"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": ()}, [["a"], ["b"], ["c"]]),
        ({"a": {"c"}, "b": {"c"}, "c": ()}, [["a", "b"], ["c"]]),
        ({"a": {"b"}, "b": {"a", "c"}, "c": ()}, [["a", "b"], ["c"]]),
    ],
)
def test_rows(known: dict[str, frozenset[str]], rows: list[list[str]]) -> None:
    assert architecture.groups(known) == rows


def test_what_a_reason_hands_on_is_told_too() -> None:
    found = messages.refusals()
    assert "… is on a read-only file system; remount it read-write first" in found["unchangeable"]
    assert "every user can write …, and thus run code with the capability; use chmod o-w" in found["program_refused"]
    # The reason of a site's own rule, and what could not be asked, have words of their own.
    assert [code for code, texts in found.items() if not texts] == ["confinement", "policy"]
