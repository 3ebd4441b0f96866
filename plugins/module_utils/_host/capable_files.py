# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file with capabilities below some folders; a part of the seam to the machine."""

from __future__ import annotations

import os
import time
from typing import AbstractSet, Dict, List, NamedTuple, Sequence, Tuple

_CAPABILITY = "security.capability"


class CapableFiles(NamedTuple):
    """The files with their raw attribute, sorted by path; b'' for one that is empty.

    looked_at is how many files were. late are the folders to begin with that were not looked at to the end when the
    time was up, closed those that could not be read.
    """

    found: Tuple[Tuple[str, bytes], ...]
    looked_at: int
    late: Tuple[str, ...]
    closed: Tuple[str, ...]


def capable_files(tops: Sequence[str], *, ends: AbstractSet[str], seconds: float) -> CapableFiles:
    """Those at and below tops, links not followed, but below no folder of ends, which other file systems are at."""
    deadline = time.monotonic() + seconds
    found: Dict[str, bytes] = {}
    late, closed = [], []
    looked_at = 0
    for top in tops:
        waiting = [top]
        while waiting and time.monotonic() < deadline:
            folder = waiting.pop()
            try:
                folders, files = _look_into(folder, found)
            except NotADirectoryError:
                # A file can be mounted alone.
                _look_at(folder, found)
                continue
            except OSError:
                closed.append(folder)
                continue
            waiting += [it for it in folders if it not in ends]
            looked_at += files
        late += [top] if waiting else []
    return CapableFiles(tuple(sorted(found.items())), looked_at, tuple(late), tuple(closed))


def _look_into(folder: str, found: Dict[str, bytes]) -> Tuple[List[str], int]:
    """The folders in one and how many files it has, of which those with capabilities go to found; in one pass."""
    folders, files = [], 0
    with os.scandir(folder) as entries:
        for it in entries:
            if it.is_file(follow_symlinks=False):
                files += 1
                _look_at(it.path, found)
            elif it.is_dir(follow_symlinks=False):
                folders.append(it.path)
    return folders, files


def _look_at(path: str, found: Dict[str, bytes]) -> None:
    try:
        # Nearly no file has one, and an empty list costs less than an error.
        names = os.listxattr(path, follow_symlinks=False)
        if names and _CAPABILITY in names:
            found[path] = os.getxattr(path, _CAPABILITY, follow_symlinks=False)
    except OSError:
        # It is gone by now, or has no attributes.
        return
