# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What went wrong with a file, in words that name the way out."""

from __future__ import annotations

import errno

_WAYS_OUT = {
    errno.ENOSPC: "; free some space or inodes on its file system first (df, df -i)",
    errno.EDQUOT: "; raise the quota of its file system first",
    errno.EROFS: "; remount its file system writable first",
}


def why(failure: OSError) -> str:
    """What went wrong, and the way out where there is one."""
    return f"{failure.strerror}{_WAYS_OUT.get(failure.errno or 0, '')}"
