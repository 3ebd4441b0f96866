# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access control lists for tests, as the kernel takes them (include/uapi/linux/posix_acl_xattr.h)."""

from __future__ import annotations

import struct
from typing import Tuple

ACL_XATTR = "system.posix_acl_access"
# A tag, the permissions and an id.
Entry = Tuple[int, int, int]
USER_OBJ_ENTRY, USER_ENTRY, GROUP_OBJ_ENTRY, GROUP_ENTRY, MASK_ENTRY, OTHER_ENTRY = 1, 2, 4, 8, 16, 32
_NO_ID = 0xFFFFFFFF


def acl_attribute(mode: int, *entries: Entry) -> bytes:
    """The attribute that gives a file this mode and these entries, in the order that the kernel wants."""
    of_mode = {USER_OBJ_ENTRY: mode >> 6 & 7, GROUP_OBJ_ENTRY: mode >> 3 & 7, OTHER_ENTRY: mode & 7}
    of_mode.update(
        {MASK_ENTRY: mode >> 3 & 7} if any(tag in (USER_ENTRY, GROUP_ENTRY) for tag, *_rest in entries) else {}
    )
    of_mode = {tag: allowed for tag, allowed in of_mode.items() if tag not in {tag for tag, *_rest in entries}}
    listed = sorted([*((tag, allowed, _NO_ID) for tag, allowed in of_mode.items()), *entries])
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, allowed, number if tag in (USER_ENTRY, GROUP_ENTRY) else _NO_ID)
        for tag, allowed, number in sorted(listed, key=lambda entry: (entry[0], entry[2]))
    )
