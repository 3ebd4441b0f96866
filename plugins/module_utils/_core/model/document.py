# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named tuples to and from plain JSON data, so that an observation can travel."""

from __future__ import annotations

import collections.abc
from typing import Any, Mapping, TypeVar, get_args, get_origin, get_type_hints

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

T = TypeVar("T")


def dump(value: Any) -> Any:
    """A named tuple (or a container of them) as dicts, lists and scalars."""
    if _is_named(type(value)):
        return {name: dump(item) for name, item in zip(value._fields, value)}
    if isinstance(value, Mapping):
        return {key: dump(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [dump(item) for item in value]
    return value


def load(kind: type[T], data: Any, *, where: str = "observation") -> T:
    """The named tuple that dump() made data from. Raises InvalidInput that names the first wrong place below where."""
    loaded: T = _load(kind, data, where=where)
    return loaded


def _load(kind: Any, data: Any, *, where: str) -> Any:
    if _is_named(kind):
        return _load_named(kind, data, where=where)
    origin, arguments = get_origin(kind), get_args(kind)
    if type(None) in arguments:
        return None if data is None else _load(arguments[0], data, where=where)
    if origin is tuple:
        _require(isinstance(data, (list, tuple)), data, where=where)
        return tuple(_load(arguments[0], item, where=f"{where}[{index}]") for index, item in enumerate(data))
    if origin in (dict, collections.abc.Mapping):
        _require(isinstance(data, Mapping), data, where=where)
        return {str(key): _load(arguments[1], item, where=f"{where}.{key}") for key, item in data.items()}
    _require(isinstance(data, kind) and (kind is bool or not isinstance(data, bool)), data, where=where)
    return kind(data)


def _is_named(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _load_named(kind: Any, data: Any, *, where: str) -> Any:
    _require(isinstance(data, Mapping), data, where=where)
    hints: dict[str, Any] = get_type_hints(kind)
    _require(set(data) == set(hints), sorted(map(str, data)), where=where)
    return kind(**{name: _load(hint, data[name], where=f"{where}.{name}") for name, hint in hints.items()})


def _require(holds: bool, data: Any, *, where: str) -> None:
    if not holds:
        raise InvalidInput(
            f"{where} is {str(data)[:80]!r}, which this version of the collection does not write; "
            "observe the host again"
        )
