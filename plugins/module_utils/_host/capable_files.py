# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file with capabilities below some folders; a part of the seam to the machine."""

from __future__ import annotations

import contextlib
import os
import time
from typing import AbstractSet, Iterator, NamedTuple, Sequence, Tuple

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
    found: dict[str, bytes] = {}
    late, closed = [], []
    looked_at = 0
    for top in tops:
        waiting = [top]
        while waiting and time.monotonic() < deadline:
            folder = waiting.pop()
            try:
                entries = list(os.scandir(folder))
            except NotADirectoryError:
                # A file can be mounted alone.
                found.update(_capable([folder]))
                continue
            except OSError:
                closed.append(folder)
                continue
            waiting += [it.path for it in entries if it.is_dir(follow_symlinks=False) and it.path not in ends]
            files = [it.path for it in entries if it.is_file(follow_symlinks=False)]
            looked_at += len(files)
            found.update(_capable(files))
        late += [top] if waiting else []
    return CapableFiles(tuple(sorted(found.items())), looked_at, tuple(late), tuple(closed))


def _capable(paths: Sequence[str]) -> Iterator[Tuple[str, bytes]]:
    for path in paths:
        with contextlib.suppress(OSError):
            # Nearly no file has one, and an empty list costs less than an error.
            if _CAPABILITY in os.listxattr(path, follow_symlinks=False):
                yield path, os.getxattr(path, _CAPABILITY, follow_symlinks=False)
