# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of guides, docs/docsite/rst/guides.rst, and the first page of the site, which is made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator, List

import yaml

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "docs/docsite/rst/guides.rst"
# Where the site is published.
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))
ADDRESS = GALAXY["documentation"]
_GUIDE = re.compile(rf"`(?P<title>[^`<]+) <{re.escape(ADDRESS)}/(?P<page>[a-z-]+)\.html>`__")
_HEADING = re.compile(r"^(?P<title>.+)\n(?P<rule>[=*])(?P=rule){2,}$", re.MULTILINE)


def pages() -> List[str]:
    """The names of the guides, in the order of the list."""
    return [match["page"] for match in _GUIDE.finditer(LIST.read_text("utf-8"))]


def front_page(text: str) -> str:
    """The list as the first page of the site: links lead to its own pages, and the sidebar has them by section."""
    body = text[text.index("\n.. _") :].split("\n", 3)[3]
    return _GUIDE.sub(r":doc:`\g<title> <\g<page>>`", body) + "".join(_tables_of_contents(body))


def _tables_of_contents(body: str) -> Iterator[str]:
    headings = [(it.end(), it["title"]) for it in _HEADING.finditer(body)]
    for (start, title), (end, _next) in zip(headings, [*headings[1:], (len(body), "")]):
        names = [match["page"] for match in _GUIDE.finditer(body, start, end)]
        if names:
            yield _table_of_contents(title, names)
    yield _table_of_contents("Modules, roles and filters", ["collection/index"])


def _table_of_contents(caption: str, names: List[str]) -> str:
    return f"\n.. toctree::\n   :caption: {caption}\n   :hidden:\n   :maxdepth: 1\n\n" + "".join(
        f"   {name}\n" for name in names
    )
