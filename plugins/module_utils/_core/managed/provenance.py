# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run makes of the records of grants."""

from __future__ import annotations

from typing import Dict, Iterable, NamedTuple, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import parse_xattr
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.changes import Change
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import is_own
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    FILE,
    LINK,
    Attribute,
    Desired,
    Entry,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model import record
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import Record


class Granted(NamedTuple):
    """Whose a change is: the service, the strategy that was chosen for it, '' for none, and its user's uid or -1."""

    service: str
    strategy: str
    uid: int


def recorded(
    before: Iterable[Record],
    changes: Iterable[Tuple[Granted, Change]],
    *,
    there: Iterable[Tuple[Granted, Desired]] = (),
) -> Tuple[Record, ...]:
    """The records after these changes.

    there is what the chosen strategies hold and need not change: its files tell by their own marks whose they are.
    A record of what is gone is forgotten.
    """
    found: Dict[str, Record] = {it.path: it for it in before if it.now is not None}
    for whose, change in changes:
        made = _record(whose, change)
        if made is None:
            found.pop(change.path, None)
        else:
            first = found.get(change.path)
            found[change.path] = made if first is None else made._replace(before=first.before)
    for whose, desired in there:
        for entry in desired.entries:
            if entry.kind in (FILE, LINK) and entry.path not in found and (entry.kind == LINK or is_own(entry.content)):
                found[entry.path] = _of_file(whose, entry, before=None)
    return tuple(found.values())


def _record(whose: Granted, change: Change) -> Optional[Record]:
    """What is remembered of a change; None where nothing is left of a grant."""
    now, then = change.now, change.then
    if isinstance(then, Attribute) and isinstance(now, Attribute):
        if not whose.strategy or then.value is None or not parse_xattr(bytes.fromhex(then.value)).binds:
            return None
        return Record(whose.service, whose.strategy, record.ATTRIBUTE, then.path, now.value, then.value, whose.uid)
    if isinstance(then, Entry) and isinstance(now, Entry) and whose.strategy and then.kind in (FILE, LINK):
        return _of_file(whose, then, before=now.content if now.kind in (FILE, LINK) else None)
    return None


def _of_file(whose: Granted, entry: Entry, *, before: Optional[str]) -> Record:
    return Record(whose.service, whose.strategy, record.FILE, entry.path, before, entry.content, whose.uid)
