# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host answers, as one string that travels to the controller and becomes the same values there."""

from __future__ import annotations

import base64
import errno
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple, Type

from ansible_collections.netbind.privport.plugins.module_utils._core.model import errors
from ansible_collections.netbind.privport.plugins.module_utils._host import packed
from ansible_collections.netbind.privport.plugins.module_utils._host.accounts import Group, User
from ansible_collections.netbind.privport.plugins.module_utils._host.commands import Completed
from ansible_collections.netbind.privport.plugins.module_utils._host.files import FileStatus
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import ProcessRecord, Sockets
from ansible_collections.netbind.privport.plugins.module_utils._host.units import Shown

# Everything that is no scalar is a list that begins with one of these.
_TUPLE, _LIST, _BYTES, _MAPPING, _NAMED, _ERROR, _OS_ERROR = "t", "l", "b", "m", "n", "e", "o"
_KINDS: Dict[str, Callable[..., Any]] = {
    it.__name__: it for it in (Completed, FileStatus, Group, ProcessRecord, Shown, Sockets, User)
}
_FORMAT = 1


class Answer(NamedTuple):
    """A value, or the error that the question ended in."""

    value: Any = None
    error: Optional[Exception] = None

    def get(self) -> Any:
        """The value; raises the error."""
        if self.error is not None:
            raise self.error
        return self.value


def answer_of(ask: Callable[..., Any], *arguments: Any) -> Answer:
    """What comes of asking; what is no answer passes through."""
    try:
        return Answer(value=ask(*arguments))
    except (errors.PrivportError, OSError) as failure:
        return Answer(error=failure)


def encode(answer: Answer) -> Any:
    """An answer as JSON data. Raises TypeError for what no look answers with."""
    failure = answer.error
    if isinstance(failure, OSError):
        # The numbers of another system are others.
        return [_OS_ERROR, errno.errorcode.get(failure.errno or 0, ""), failure.strerror]
    if failure is not None:
        return [_ERROR, type(failure).__name__, str(failure)]
    return _encode(answer.value)


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return [_BYTES, base64.b64encode(value).decode()]
    if isinstance(value, dict):
        return [_MAPPING, *([_encode(key), _encode(item)] for key, item in value.items())]
    name = type(value).__name__
    if name in _KINDS and isinstance(value, tuple):
        return [_NAMED, name, *map(_encode, value)]
    if type(value) in (tuple, list):
        return [_TUPLE if isinstance(value, tuple) else _LIST, *map(_encode, value)]
    raise TypeError(f"{name} is no answer")


def decode(data: Any) -> Answer:
    """The answer that encode() made data from. Raises ValueError, TypeError or LookupError for other data."""
    if isinstance(data, list) and data[0] == _OS_ERROR:
        return Answer(error=OSError(getattr(errno, data[1], 0), data[2]))
    if isinstance(data, list) and data[0] == _ERROR:
        kind: Type[errors.PrivportError] = vars(errors)[data[1]]
        return Answer(error=kind(data[2]))
    return Answer(value=_decode(data))


def _decode(data: Any) -> Any:
    if not isinstance(data, list):
        return data
    tag, items = data[0], data[1:]
    if tag == _BYTES:
        return base64.b64decode(items[0])
    if tag == _MAPPING:
        return {_decode(key): _decode(item) for key, item in items}
    if tag == _NAMED:
        return _KINDS[items[0]](*map(_decode, items[1:]))
    if tag == _TUPLE:
        return tuple(map(_decode, items))
    if tag == _LIST:
        return list(map(_decode, items))
    raise ValueError(tag)


def pack_answers(answers: Iterable[Tuple[str, Answer]]) -> str:
    """Answers by the key of their question as one string."""
    return packed.pack({"format": _FORMAT, "answers": [[key, encode(answer)] for key, answer in answers]})


def unpack_answers(bundle: str) -> Dict[str, Any]:
    """The encoded answers by their question's key. Raises ValueError for a string of another form."""
    try:
        data = packed.unpack(bundle)
        pairs: List[Any] = data["answers"] if data["format"] == _FORMAT else []
        return dict(pairs)
    except (ValueError, TypeError, LookupError) as failure:
        raise ValueError(f"the answers cannot be read: {failure}") from failure
