# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POSIX access control lists (acl(5)), as the extended attribute system.posix_acl_access holds them.

Where a file has one, the group's bits of its mode are the list's mask, and no longer what its group may do.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat

READ, WRITE, EXECUTE = 4, 2, 1

# include/uapi/linux/posix_acl_xattr.h, posix_acl.h: a version, then a tag, permissions and an id for each entry.
_VERSION = 2
_HEADER, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_TAGS = (_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER)


class Acl(NamedTuple):
    """What a list gives beyond the mode: permissions are READ, WRITE and EXECUTE added up, the mask applied.

    group is what the file's own group may do; users and groups hold (id, permissions).
    """

    group: int
    users: tuple[tuple[int, int], ...] = ()
    groups: tuple[tuple[int, int], ...] = ()


def parse_acl(value: bytes) -> Acl:
    """The list that a raw attribute holds. Raises UnknownFormat for one that the kernel would not take."""
    if (
        len(value) < _HEADER.size
        or (len(value) - _HEADER.size) % _ENTRY.size
        or _HEADER.unpack_from(value) != (_VERSION,)
    ):
        raise UnknownFormat(f"the access control list {value[:40].hex()!r} is not of version {_VERSION}")
    entries = tuple(_ENTRY.iter_unpack(value[_HEADER.size :]))
    for tag, permissions, _id in entries:
        if tag not in _TAGS or permissions > READ + WRITE + EXECUTE:
            raise UnknownFormat(f"the access control list {value[:40].hex()!r} has an entry of tag {tag:#x}")
    mask = next((permissions for tag, permissions, _id in entries if tag == _MASK), READ + WRITE + EXECUTE)
    effective = tuple((tag, permissions & mask, number) for tag, permissions, number in entries)
    return Acl(
        group=next((permissions for tag, permissions, _id in effective if tag == _GROUP_OBJ), 0),
        users=tuple((number, permissions) for tag, permissions, number in effective if tag == _USER),
        groups=tuple((number, permissions) for tag, permissions, number in effective if tag == _GROUP),
    )


def mode_of_group(mode: int, acl: Acl | None) -> int:
    """The mode with the group's bits telling what the file's own group may do."""
    return mode if acl is None else mode & ~0o070 | acl.group << 3
