# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of real daemons as text."""

from __future__ import annotations

import json
import re
from typing import Dict, Mapping, NamedTuple, Sequence, Tuple

from .daemon import Daemon

_INTRODUCTION = """\
# Real daemons

Daemons as Debian packages them, their units unchanged, each told by its own configuration to use a port below 1024.
`./run field` gives each to the role with `strategy: auto`, asks it in its own protocol from another host, and runs the
role again: it changes nothing, and the unit is not restarted. Then the grant is taken back: every file of /etc and
/usr/lib/systemd, every capability of a program, the rules of nft and what the kernel lets every user bind are as they
were before, and no file of the collection's own is left. A row is here when all of that held, and is marked with ✗
where it did not.

Where `auto` refuses, the refusal names the reason, and nothing is changed. The way out that it names is then taken, and
proven as all else: with `backend_ports` the daemon's own configuration names a port above 1023; with `user` the unit
starts as the user that the daemon would become by itself; with `widen` its sandbox gets what the grant needs. A daemon
that starts as root and stays it needs none: it has its port, and answers on it.

"""
_SECTIONS = {"trixie": "Debian 13 (systemd 257)", "forky": "Debian's next release, forky (systemd 262)"}
_HEAD = ("daemon", "unit", "what it is", "auto", "the way out", "asked in")


class Tried(NamedTuple):
    """A daemon, the version of its package, and what was wrong."""

    daemon: Daemon
    version: str
    wrong: Tuple[str, ...]


def document(before: str, suite: str, tried: Sequence[Tried]) -> str:
    """docs/field.md, with the section of this release anew; before is the file as it was."""
    sections: Dict[str, str] = {}
    for heading, text in re.findall(r"^## (.+)\n\n((?:.+\n)+)", before, re.MULTILINE):
        sections[heading] = text
    sections[_SECTIONS[suite]] = f"{table(tried)}\n"
    parts = [f"## {heading}\n\n{sections[heading]}" for heading in _SECTIONS.values() if heading in sections]
    return _INTRODUCTION + "\n".join(parts)


def table(tried: Sequence[Tried]) -> str:
    """A Markdown table, its columns aligned."""
    lines = [_HEAD, *map(_cells, tried)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |"
        for line in (lines[0], rule, *lines[1:])
    )


def _cells(it: Tried) -> Tuple[str, ...]:
    daemon, way = it.daemon, it.daemon.way
    said: Mapping[str, object] = {**daemon.said, **way.said}
    told = "".join(f", `{name}: {json.dumps(value)}`".replace('"', "") for name, value in said.items())
    return (
        ("✗ " if it.wrong else "") + f"{daemon.name} {it.version}",
        daemon.unit,
        daemon.kind,
        daemon.strategy + told if daemon.strategy else "refused",
        (way.strategy + (", `backend_ports`" if way.behind else told)) if way.strategy else way.name,
        daemon.question.protocol,
    )
