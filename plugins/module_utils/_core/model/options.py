# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door for values that people write: each takes its own type, and the text that -e and an INI inventory give.

Ansible hands over subclasses of str, int and dict that carry tags; what comes out is of the plain type. Each function
raises InvalidInput, a sentence that begins with where ("service 'caddy': ports") and shows the value and the way out.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any, Mapping, Optional, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

# What Ansible's own bool takes (ansible/module_utils/parsing/convert_bool.py).
_TRUE = ("true", "yes", "on", "1", "y", "t")
_FALSE = ("false", "no", "off", "0", "n", "f")
# No longer than any number that is meant, for int() refuses very long ones in its own words.
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_BETWEEN_WORDS = re.compile(r"[\s,]+")


def flag(value: Any, *, where: str) -> bool:
    """True or false, also as yes/no, on/off, y/n, t/f and 1/0 in any case."""
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if word not in (*_TRUE, *_FALSE):
        raise InvalidInput(f"{where} is {_quoted(value)}; write true or false")
    return word in _TRUE


def whole_number(value: Any, *, where: str, least: int = 0, most: Optional[int] = None) -> int:
    """An integer, also in decimal digits, from least to most."""
    written = str(value).strip() if _is_scalar(value) else ""
    number = int(written) if _WHOLE.fullmatch(written) else None
    if number is None or number < least or (most is not None and number > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InvalidInput(f"{where} is {_quoted(value)}; write a whole number {limits}")
    return number


def text(value: Any, *, where: str) -> str:
    """A text of one line; a number, which YAML makes of digits, is taken as it is written."""
    if not _is_scalar(value):
        raise InvalidInput(f"{where} is {_quoted(value)}; write it as text")
    if "\n" in str(value) or "\0" in str(value):
        raise InvalidInput(f"{where} is {_quoted(value)}; it cannot hold a newline or NUL")
    return str(value)


def choice(value: Any, choices: Sequence[str], *, where: str) -> str:
    """One of the choices."""
    chosen = str(value).strip()
    if not isinstance(value, str) or chosen not in choices:
        raise InvalidInput(f"{where} is {_quoted(value)}; choose one of {', '.join(filter(None, choices))}")
    return chosen


def words(value: Any, *, where: str, example: str) -> tuple[str, ...]:
    """A list of words, or a text of words with commas or blanks between them; numbers are words too.

    An item of the list may hold several, for Ansible splits a text at its commas only.
    """
    items = [value] if _is_scalar(value) else value
    if not isinstance(items, (list, tuple)):
        raise InvalidInput(f"{where} is {_quoted(value)}; write a list such as {example}")
    wrong = [item for item in items if not _is_scalar(item)]
    if wrong:
        raise InvalidInput(f"{where} holds {_quoted(wrong[0])}; write a list such as {example}")
    return tuple(word for item in items for word in _BETWEEN_WORDS.split(str(item)) if word)


def refuse_unknown_keys(given: Mapping[Any, Any], known: Mapping[str, Any], *, where: str) -> None:
    """Refuse a mapping that holds other keys than these."""
    unknown = sorted(str(key) for key in given if key not in known)
    if unknown:
        raise InvalidInput(f"{where} unknown key {unknown[0]!r}; the keys are {', '.join(known)}")


def mapping(value: Any, *, where: str, example: str) -> Mapping[Any, Any]:
    """A mapping, or a text that holds one as JSON or as a Python literal."""
    found = _literal(value)
    if not isinstance(found, Mapping):
        raise InvalidInput(f"{where} is {_quoted(value)}; write a mapping such as {example}")
    return found


def mappings(value: Any, *, where: str, example: str) -> tuple[Mapping[Any, Any], ...]:
    """A list of mappings, or a text that holds one as JSON or as a Python literal."""
    found = items(value, where=where, example=example)
    return tuple(mapping(item, where=where_of, example=example) for where_of, item in found)


def items(value: Any, *, where: str, example: str) -> tuple[tuple[str, Any], ...]:
    """The items of such a list as they are written, each with the where of its own."""
    found = _literal(value)
    if not isinstance(found, (list, tuple)):
        raise InvalidInput(f"{where} is {_quoted(value)}, not a list; write a list such as [{example}]")
    return tuple((f"{where}[{index}]", item) for index, item in enumerate(found))


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _literal(value: Any) -> Any:
    """What a text holds, None where that is no literal; anything else is itself."""
    if not isinstance(value, str):
        return value
    # Numbers are keys in Python and not in JSON: {80: 8080}. Ansible's own dict takes both.
    for read in (json.loads, ast.literal_eval):
        try:
            return read(value.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return None


def _quoted(value: Any) -> str:
    """The value as Python writes it, cut where it is too long for a sentence."""
    written = repr(value)
    return written if len(written) <= 200 else f"{written[:200]}…"
