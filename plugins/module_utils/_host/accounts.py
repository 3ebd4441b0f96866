# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, groups and what they may execute; a part of the seam to the machine."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from typing import Dict, Iterator, NamedTuple, Sequence, Tuple

_FILE = "/etc/passwd"


class User(NamedTuple):
    """What an entry of passwd(5) tells of a user."""

    pw_name: str
    pw_uid: int
    pw_gid: int
    pw_dir: str


class Group(NamedTuple):
    """What an entry of group(5) tells of a group, but its members."""

    gr_name: str
    gr_gid: int


class Accounts:
    """The users and groups of this machine."""

    def account(self, user: str) -> User | None:
        """The entry of a name or of a number."""
        with contextlib.suppress(KeyError):
            return _user(pwd.getpwnam(user))
        with contextlib.suppress(KeyError, OverflowError):
            # int() alone would take blanks and newlines, which a drop-in must not get.
            return _user(pwd.getpwuid(int(user))) if user.isascii() and user.isdecimal() else None
        return None

    def group(self, group: str) -> Group | None:
        """The entry of a name or of a number."""
        with contextlib.suppress(KeyError):
            return _group(grp.getgrnam(group))
        with contextlib.suppress(KeyError, OverflowError):
            return _group(grp.getgrgid(int(group))) if group.isascii() and group.isdecimal() else None
        return None

    def groups_of(self, user: str, *, gid: int) -> Tuple[int, ...]:
        """All groups of a user that has gid as its primary one."""
        return tuple(sorted(os.getgrouplist(user, gid)))

    def members(self, gid: int) -> Tuple[User, ...]:
        """The users of a group: those of /etc/passwd that have it as their primary one, and those that it lists.

        Name services are asked for the ones that the group lists and the file lacks, never for all of theirs.
        """
        listed: Sequence[str] = ()
        with contextlib.suppress(KeyError):
            listed = grp.getgrgid(gid).gr_mem
        found: Dict[str, User] = {}
        names = set(listed)
        for user in _users():
            if user.pw_gid == gid or user.pw_name in names:
                found.setdefault(user.pw_name, user)
        for name in sorted(names - set(found)):
            with contextlib.suppress(KeyError):
                found[name] = _user(pwd.getpwnam(name))
        return tuple(found.values())

    def user_name(self, uid: int) -> str:
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(uid).pw_name
        return str(uid)

    def group_name(self, gid: int) -> str:
        with contextlib.suppress(KeyError):
            return grp.getgrgid(gid).gr_name
        return str(gid)

    def may_execute(
        self, paths: Sequence[str], *, uid: int, gids: Sequence[int], base: str = "/"
    ) -> Tuple[bool, ...] | None:
        """access(2) with X_OK for each path as that user, who has the folder base already.

        None for one who may not ask as another. gids begins with the primary group. For a folder it is whether the
        user may search it.
        """
        if os.geteuid() != 0:
            return None
        folder = base if os.path.isdir(base) else os.path.dirname(base)
        relative = [os.path.relpath(path, folder) for path in paths]
        from ansible_collections.netbind.privport.plugins.module_utils._host import another

        return another.may_execute(relative, uid=uid, gids=gids, folder=folder)


def _users() -> Iterator[User]:
    """The users of the file itself (passwd(5)); lines of another form are left out."""
    with contextlib.suppress(OSError), open(_FILE, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.rstrip("\n").split(":")
            if len(fields) == 7 and fields[2].isdecimal() and fields[3].isdecimal():
                yield User(pw_name=fields[0], pw_uid=int(fields[2]), pw_gid=int(fields[3]), pw_dir=fields[5])


def _user(entry: pwd.struct_passwd) -> User:
    return User(pw_name=entry.pw_name, pw_uid=entry.pw_uid, pw_gid=entry.pw_gid, pw_dir=entry.pw_dir)


def _group(entry: grp.struct_group) -> Group:
    return Group(gr_name=entry.gr_name, gr_gid=entry.gr_gid)
