# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access control lists: what setfacl wrote on ext4, what the mask leaves, and what is no list."""

from __future__ import annotations

import struct
from typing import Optional

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.acl import Acl, mode_of_group, parse_acl
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from hypothesis import given
from hypothesis import strategies as st

# Read back with getxattr(2) from a file of mode 0644 on ext4 after setfacl 2.3.1: -m u:33:rwx, then -m g:4:rw, then
# -m m::r, then -n -x u:33,g:4.
USER = "0200000001000600ffffffff020007002100000004000400ffffffff10000700ffffffff20000400ffffffff"
GROUP = USER.replace("10000700ffffffff", "080006000400000010000700ffffffff")
MASKED = GROUP.replace("10000700", "10000400")
MINIMAL = "0200000001000600ffffffff04000400ffffffff10000400ffffffff20000400ffffffff"


@pytest.mark.parametrize(
    ("value", "acl"),
    [
        (MINIMAL, Acl(group=4)),
        (USER, Acl(group=4, users=((33, 7),))),
        (GROUP, Acl(group=4, users=((33, 7),), groups=((4, 6),))),
        (MASKED, Acl(group=4, users=((33, 4),), groups=((4, 4),))),
        ("02000000", Acl(group=0)),
    ],
)
def test_lists(value: str, acl: Acl) -> None:
    assert parse_acl(bytes.fromhex(value)) == acl


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0200",
        "01000000",
        "03000000" + USER[8:],
        USER[:-2],
        USER + "00",
        USER[:8] + "40000600ffffffff",
        USER[:8] + "01000800ffffffff",
    ],
)
def test_what_is_no_list(value: str) -> None:
    with pytest.raises(UnknownFormat, match="the access control list"):
        parse_acl(bytes.fromhex(value))


@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda rest: struct.pack("<I", 2) + rest))
def test_every_value_is_a_list_or_refused(value: bytes) -> None:
    try:
        found = parse_acl(value)
    except UnknownFormat:
        return
    assert all(0 <= permissions <= 7 for _id, permissions in (*found.users, *found.groups))


@pytest.mark.parametrize(
    ("mode", "acl", "expected"),
    [(0o664, None, 0o664), (0o664, Acl(group=4), 0o644), (0o4775, Acl(group=0), 0o4705), (0o604, Acl(group=6), 0o664)],
)
def test_the_bits_of_the_group(mode: int, acl: Optional[Acl], expected: int) -> None:
    assert mode_of_group(mode, acl) == expected
