# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws docs/images/architecture.svg of what the code imports: python -m docs_site.architecture

A box is a folder of plugins. A folder imports what stands beside it or below it, and nothing above it.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, FrozenSet, List, Mapping, Set

from .guides import ROOT

PICTURE = ROOT / "docs/images/architecture.svg"
PLUGINS = ROOT / "plugins"
_PACKAGE = "ansible_collections.netbind.privport.plugins."
_CORE = "module_utils/_core"

Graph = Mapping[str, FrozenSet[str]]


def graph() -> Dict[str, FrozenSet[str]]:
    """What each folder imports of the others."""
    found: Dict[str, Set[str]] = {}
    for path in sorted(PLUGINS.rglob("*.py")):
        here = _folder(path.relative_to(PLUGINS).parent.as_posix())
        if path.name == "__init__.py" or here in ("module_utils", "doc_fragments"):
            continue
        found.setdefault(here, set()).update(_imported(path) - {here})
    return {name: frozenset(targets) for name, targets in sorted(found.items())}


def _imported(path: Path) -> Set[str]:
    names: Set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        module = str(node.module) if isinstance(node, ast.ImportFrom) else ""
        if not module.startswith(_PACKAGE):
            continue
        whole = module[len(_PACKAGE) :].replace(".", "/")
        # What is imported is a file of a folder, or a name of a file.
        places = [f"{whole}/{it.name}" for it in node.names] if (PLUGINS / whole).is_dir() else [whole]
        names.update(_folder(place.rpartition("/")[0]) for place in places)
    return names - {"module_utils"}


def _folder(place: str) -> str:
    """The box of a folder: of the core one for each of its folders, otherwise one for each of plugins."""
    parts = place.split("/")
    if place.startswith(_CORE):
        return "/".join(parts[:3])
    return "/".join(parts[:2]) if parts[0] == "module_utils" else parts[0]


def groups(known: Graph) -> List[List[str]]:
    """The folders in rows, the highest first; those that import each other stand in one row."""
    reached = {name: _reached(known, name) for name in known}
    height: Dict[str, int] = {}

    def of(name: str) -> int:
        if name not in height:
            below = [it for it in reached[name] if name not in reached[it]]
            height[name] = 1 + max((of(it) for it in below), default=-1)
        return height[name]

    rows: Dict[int, List[str]] = {}
    for name in known:
        rows.setdefault(of(name), []).append(name)
    return [sorted(rows[number]) for number in sorted(rows, reverse=True)]


def _reached(known: Graph, name: str) -> Set[str]:
    found: Set[str] = set()
    waiting = [name]
    while waiting:
        for target in known.get(waiting.pop(), frozenset()):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def picture() -> str:
    """The rows as SVG: nothing but text and boxes, and an arrow from the highest row to the lowest."""
    known = graph()
    drawn: List[str] = []
    top = _GAP
    for row in groups(known):
        left = _LEFT
        for name in row:
            width = 8 * len(_shown(name)) + 24
            if left + width > _WIDTH:
                left, top = _LEFT, top + _HEIGHT + 8
            drawn.append(f'<rect x="{left}" y="{top}" width="{width}" height="{_HEIGHT}" rx="4"/>')
            drawn.append(f'<text x="{left + width // 2}" y="{top + 20}">{_shown(name)}</text>')
            left += width + 12
        top += _HEIGHT + _GAP
    drawn.append(f'<path d="M{_LEFT // 2} {_GAP} V{top - _GAP} m-6 -10 l6 10 l6 -10"/>')
    return _HEAD.format(width=_WIDTH, height=top) + "\n".join(drawn) + "\n</svg>\n"


def _shown(name: str) -> str:
    return name.rpartition("module_utils/")[2]


_WIDTH, _LEFT, _HEIGHT, _GAP = 860, 48, 30, 26
_HEAD = """\
<!-- GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later -->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 font-family="monospace" font-size="13">
<title>The folders of plugins, in rows: each imports what is beside it or below it, and nothing above it</title>
<style>
rect {{ fill: #eef2f7; stroke: #44546a }} text {{ text-anchor: middle; fill: #1b2733 }}
path {{ fill: none; stroke: #44546a; stroke-width: 2 }}
</style>
<rect width="{width}" height="{height}" style="fill: #fff; stroke: none"/>
"""


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
