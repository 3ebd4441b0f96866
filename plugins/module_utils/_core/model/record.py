# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection granted on a host, as it remembers it there: what it did not grant it does not take."""

from __future__ import annotations

import json
from typing import Any, Iterable, NamedTuple, Optional, Tuple

STATE = "/var/lib/netbind.privport/state.json"
ATTRIBUTE, FILE = "attribute", "file"
_FORMAT = 1
_FIELDS = ("service", "strategy", "kind", "path", "before", "after", "uid")


class Record(NamedTuple):
    """A resource that a strategy changed for a service.

    kind is ATTRIBUTE, a program's security.capability as hex text, or FILE, a file's text or a link's target; before
    and after are what it was and became, None for nothing. uid is that of the service's user, -1 for none. now is
    what it is at this moment, and is not remembered.
    """

    service: str
    strategy: str
    kind: str
    path: str
    before: Optional[str]
    after: Optional[str]
    uid: int = -1
    now: Optional[str] = None

    @property
    def stands(self) -> bool:
        """Whether the resource still is what was made of it."""
        return self.now == self.after


def parse(text: str) -> Tuple[Record, ...]:
    """The records of a state file; none for one that is lost or broken, which the files' own marks make up for."""
    try:
        data = json.loads(text)
        found = tuple(_record(it) for it in data["grants"]) if data["format"] == _FORMAT else ()
    except (ValueError, TypeError, KeyError):
        return ()
    return found


def _record(data: Any) -> Record:
    found = Record(**{name: data[name] for name in _FIELDS})
    texts, values = found[:4], (found.before, found.after)
    valid = all(isinstance(it, str) for it in texts) and all(it is None or isinstance(it, str) for it in values)
    if not valid or found.kind not in (ATTRIBUTE, FILE) or not isinstance(found.uid, int):
        raise ValueError(data)
    return found


def written(records: Iterable[Record]) -> str:
    """The text of the state file that holds these; '' for none, of which there is no file."""
    grants = [{name: getattr(it, name) for name in _FIELDS} for it in sorted(records, key=lambda it: it.path)]
    return json.dumps({"format": _FORMAT, "grants": grants}, indent=1) + "\n" if grants else ""
