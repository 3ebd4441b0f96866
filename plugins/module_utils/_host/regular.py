# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening regular files and nothing else; a part of the seam to the machine."""

from __future__ import annotations

import os
import stat

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError


def opened(path: str) -> int:
    """A descriptor of the regular file itself, links not followed. Raises HostError where there is none."""
    try:
        # A device or a FIFO is not opened at all: that alone can have effects or block.
        if stat.S_ISREG(os.lstat(path).st_mode):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
    except OSError as failure:
        raise HostError(f"{path} cannot be opened: {failure.strerror}") from failure
    raise HostError(f"{path} is {_kind(path)}, not a regular file; name the program's file itself")


def _kind(path: str) -> str:
    mode = os.lstat(path).st_mode
    kinds = (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISBLK, "a block device"),
        (stat.S_ISLNK, "a symbolic link"),
    )
    return next((name for test, name in kinds if test(mode)), "something else")
