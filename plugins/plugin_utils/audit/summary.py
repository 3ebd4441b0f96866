# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every form of an audit's report needs: the counts as text, and texts that can play no tricks."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.counting import (
    CLASSES,
    counted_as,
    summary,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.rules import SEVERITIES

__all__ = ("CLASSES", "SEVERITIES", "counted_as", "summary")

Record = Mapping[str, Any]


def findings(hosts: Sequence[Record]) -> Iterator[tuple[str, Record]]:
    """Every finding with the name of its host."""
    for host in hosts:
        for finding in host["findings"]:
            yield host["name"], finding


def counts_text(counts: Mapping[str, int]) -> str:
    """'2 critical, 1 high, 0 medium, 4 low', and what else there is."""
    told = [f"{counts[name]} {name}" for name in CLASSES if name in SEVERITIES or counts[name]]
    return ", ".join(told)


def number(count: int, noun: str) -> str:
    """'1 host', '2 hosts', '2 capabilities'."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def readable(value: Any) -> Any:
    """A document of which no text can play tricks: a process chooses its own name, a file is named by any bytes.

    What does not print (ESC, lone surrogates, marks that turn the direction of a text) stands as Python writes it;
    line ends and tabs stay.
    """
    if isinstance(value, str):
        return value if value.isprintable() else "".join(_printed(character) for character in value)
    if isinstance(value, Mapping):
        return {readable(key): readable(it) for key, it in value.items()}
    return [readable(it) for it in value] if isinstance(value, (list, tuple)) else value


def _printed(character: str) -> str:
    kept = character.isprintable() or character in "\n\t"
    return character if kept else character.encode("unicode_escape").decode("ascii")
