# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why services are refused or did not pass their proof, as lines for people.

The error of a decision is a sentence about a service, with a line for each strategy below it where none works.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

_BELOW = ":\n"
_LINES_TOLD = 5

Evidence = Mapping[str, Any]


def headline(error: str, *, name: str) -> str:
    """The sentence, without the service's name."""
    told, where = error.partition(_BELOW)[0], f"service {str(name)!r}: "
    return told[len(where) :] if told.startswith(where) else told


def has_reasons(error: str) -> bool:
    """Whether the strategies' reasons stand below it."""
    return _BELOW in error


def failure_lines(evidence: Sequence[Evidence], *, where: str = "") -> list[str]:
    """Of each service what did not pass, and below it what to do; where is put behind the service's name."""
    told: list[str] = []
    for name in dict.fromkeys(it["service"] for it in evidence):
        own = [it for it in evidence if it["service"] == name]
        reasons = (headline(reason, name=name) for it in own for reason in it["reasons"])
        told += dict.fromkeys(f"{name}{where}: {reason}" for reason in reasons)
        told += dict.fromkeys(f"  what to do: {sentence}" for it in own for sentence in it["advice"])
    return told


def failure_text(evidence: Sequence[Evidence], *, journal: Mapping[str, Sequence[str]]) -> str:
    """The same as text, with what the units that do not listen logged last."""
    told = failure_lines(evidence)
    for unit in dict.fromkeys(it["unit"] for it in evidence if not it["addresses"] and journal.get(it["unit"])):
        said = [line for line in journal[unit] if " systemd[1]: " not in line] or journal[unit]
        told += [f"the last lines of {unit}:", *(f"  {line}" for line in said[-_LINES_TOLD:])]
    return "\n".join(told)
