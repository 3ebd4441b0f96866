# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes a program's file through the seam: what it is, who can change it, which capabilities it has."""

from __future__ import annotations

import errno
import posixpath
from typing import Iterator

from ansible_collections.netbind.privport.plugins.module_utils._core.capability import executable
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.acl import (
    WRITE,
    Acl,
    mode_of_group,
    parse_acl,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import (
    NO_ATTRIBUTES,
    NOT_PERMITTED,
    READ_ONLY,
    Ground,
    Inode,
    ProgramFile,
    shown,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    CAP_SETFCAP,
    FileCapabilities,
    parse_mask,
    parse_xattr,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._host.files import FileStatus, OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import Processes

# include/uapi/linux/fs.h: FS_IMMUTABLE_FL and FS_APPEND_FL; either makes setxattr(2) fail with EPERM.
_UNCHANGEABLE = 0x10 | 0x20
_GROUP_WRITES = 0o020


def observe_program(file: OpenFile, *, host: Processes) -> ProgramFile:
    """What filecap.judge() needs to know of an open file and of its parent folders."""
    folders = ((folder, host.status(folder)) for folder in _parents(file.path))
    found = executable.parse(file.read_at)
    return ProgramFile(
        inode=_inode(file.path, file.status(), acl=file.acl(), host=host),
        folders=tuple(
            _inode(path, status, acl=host.acl(path), host=host) for path, status in folders if status is not None
        ),
        executable=found,
        nosuid=file.nosuid(),
        origin_libraries=_origin_libraries(found, path=file.path, host=host),
    )


# Where every loader looks (ld.so(8)), with the folders that distributions name by the machine.
_LIBRARY_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib32", "/usr/lib32")


def _origin_libraries(program: executable.Executable, *, path: str, host: Processes) -> tuple[str, ...]:
    """The libraries that the program names by $ORIGIN and that the loader finds in no other way."""
    beside = executable.origin_folders(program, path=path)
    if not beside:
        return ()
    triplets = [name for name in host.names_in("/usr/lib") if "-linux-" in name]
    system = (*_LIBRARY_FOLDERS, *(f"{folder}/{name}" for folder in _LIBRARY_FOLDERS[:2] for name in triplets))
    # ldconfig(8) keeps the whole path of each library that it found.
    names = [f"/{name}\0" for name in program.needed]
    cached = host.contains("/etc/ld.so.cache", names) or (False,) * len(names)
    found = []
    for name, known in zip(program.needed, cached):
        paths = [f"{folder}/{name}" for folder in beside if host.status(f"{folder}/{name}") is not None]
        elsewhere = known or any(host.status(f"{folder}/{name}") is not None for folder in system)
        found += [] if elsewhere else paths[:1]
    return tuple(found)


def observe_capability(file: OpenFile) -> FileCapabilities | None:
    """The file's capabilities, None where it has no such attribute; HostError for one that cannot be read."""
    try:
        value = file.capability()
        return None if value is None else parse_xattr(value)
    except OSError as failure:
        # EOVERFLOW: the root id has no place in this user namespace; EINVAL: a version that the kernel does not know.
        reason = failure.strerror
    except UnknownFormat as unknown:
        reason = str(unknown)
    raise HostError(f"the capabilities of {shown(file.path)} cannot be read ({reason}); remove them with state: absent")


def observe_ground(file: OpenFile, *, host: Processes) -> Ground:
    """Whether the capabilities of the file can be changed by this process."""
    return Ground(
        read_only=file.read_only(),
        unchangeable=bool((file.flags() or 0) & _UNCHANGEABLE),
        keeps_attributes=file.keeps_capability(),
        may_set=_may_set(host),
    )


_FAILURES = {
    errno.EROFS: READ_ONLY,
    errno.EOPNOTSUPP: NO_ATTRIBUTES,
    errno.ENOSPC: "the capabilities of {path} cannot be stored: its file system is full; free some space first (df)",
    errno.EPERM: NOT_PERMITTED + ", or lift what forbids it (a user namespace, a security module)",
}


def why_failed(failure: OSError, *, path: str) -> str:
    """One sentence on a failed change that observe_ground() did not foresee."""
    text = _FAILURES.get(failure.errno or 0)
    if text is None:
        return f"the capabilities of {shown(path)} cannot be changed: {failure.strerror}"
    return text.format(path=shown(path))


def _may_set(host: Processes) -> bool:
    line = host.status_lines("self", ("CapEff:",))
    # Without /proc the kernel's own answer has to do.
    return CAP_SETFCAP in parse_mask(line.split(":", 1)[1]) if line else True


def _parents(path: str) -> Iterator[str]:
    while path != posixpath.dirname(path):
        path = posixpath.dirname(path)
        yield path


def _inode(path: str, status: FileStatus, *, acl: bytes | None, host: Processes) -> Inode:
    listed = None if acl is None else parse_acl(acl)
    mode = mode_of_group(status.permissions, listed)
    members = host.members(status.gid) if mode & _GROUP_WRITES else ()
    return Inode(
        path=path,
        mode=mode,
        uid=status.uid,
        owner=host.user_name(status.uid),
        group=host.group_name(status.gid),
        members=tuple((account.pw_uid, account.pw_name) for account in members),
        listed=_listed(listed, host=host) if listed is not None else (),
    )


def _listed(acl: Acl, *, host: Processes) -> tuple[tuple[int, str], ...]:
    """The accounts that the list's entries for named users and groups let write."""
    users = [(uid, host.user_name(uid)) for uid, permissions in acl.users if permissions & WRITE]
    of_groups = (account for gid, permissions in acl.groups if permissions & WRITE for account in host.members(gid))
    return tuple(dict.fromkeys([*users, *((account.pw_uid, account.pw_name) for account in of_groups)]))


# Every caddy's file holds the first of these, and the second, a network of its addresses, from version 2.9 on.
_CADDY, _CADDY_TAKES = "github.com/caddyserver/caddy/v2", "fdgram"


def takes_sockets(file: OpenFile) -> bool | None:
    """Whether the program takes sockets from systemd, where its file tells: only of a caddy does it."""
    if executable.parse(file.read_at).form != executable.GO:
        return None
    takes, is_caddy = file.contains([_CADDY_TAKES, _CADDY])
    return True if takes else False if is_caddy else None
