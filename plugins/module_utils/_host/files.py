# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at files: a part of the seam to the machine.

Methods return None for what is not there or closed to this process.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import stat
from typing import Dict, Iterator, NamedTuple, Sequence, Set, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host import netns, regular, temporary

_CAPABILITY = "security.capability"
_ACL = "system.posix_acl_access"
# What the kernel answers to what is written to it, and nothing else.
_ASKED = "/sys/fs/selinux/"
# include/uapi/linux/fs.h: _IOR('f', 1, long)
_FS_IOC_GETFLAGS = (2 << 30) | (8 << 16) | (ord("f") << 8) | 1
_PIECE = 1 << 20


class FileStatus(NamedTuple):
    """The part of stat(2) that decides; a link is resolved before it is asked for."""

    mode: int
    uid: int
    gid: int
    size: int

    @property
    def permissions(self) -> int:
        return stat.S_IMODE(self.mode)


class OpenFile:
    """A regular file held by its descriptor, so that no later link or rename can redirect a change."""

    def __init__(self, *, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def status(self) -> FileStatus:
        return _file_status(os.fstat(self._descriptor))

    def head(self, length: int) -> bytes:
        return os.pread(self._descriptor, length, 0)

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to length bytes from offset; fewer at the end of the file."""
        return os.pread(self._descriptor, length, offset)

    def contains(self, needles: Sequence[str]) -> Tuple[bool, ...]:
        """Whether each of these texts is in the file, which is read whole until all are found."""
        wanted = [needle.encode(errors="surrogateescape") for needle in needles]
        found = [False] * len(wanted)
        kept, offset, last = max(map(len, wanted), default=0), 0, b""
        while not all(found):
            piece = os.pread(self._descriptor, _PIECE, offset)
            if not piece:
                break
            # A needle may begin in the piece before.
            text = last + piece
            found = [was or needle in text for was, needle in zip(found, wanted)]
            offset, last = offset + len(piece), text[-kept:]
        return tuple(found)

    def nosuid(self) -> bool:
        return bool(os.fstatvfs(self._descriptor).f_flag & os.ST_NOSUID)

    def read_only(self) -> bool:
        return bool(os.fstatvfs(self._descriptor).f_flag & os.ST_RDONLY)

    def capability(self) -> bytes | None:
        """The raw security.capability value (b'' for an empty one); None where there is none.

        OSError passes through: what an errno means depends on what the caller wants to do.
        """
        try:
            return os.getxattr(self._descriptor, _CAPABILITY)
        except OSError as failure:
            if failure.errno in (errno.ENODATA, errno.EOPNOTSUPP):
                return None
            raise

    def acl(self) -> bytes | None:
        """The raw access control list; None where there is none. Raises HostError where it cannot be read."""
        return _acl(self._descriptor, path=self.path)

    def keeps_capability(self) -> bool:
        """Whether the file system has extended attributes of the security class at all."""
        try:
            os.getxattr(self._descriptor, _CAPABILITY)
        except OSError as failure:
            return failure.errno != errno.EOPNOTSUPP
        return True

    def set_capability(self, value: bytes) -> None:
        os.setxattr(self._descriptor, _CAPABILITY, value)
        # Without it the attribute is gone after a power cut.
        os.fsync(self._descriptor)

    def remove_capability(self) -> None:
        os.removexattr(self._descriptor, _CAPABILITY)
        os.fsync(self._descriptor)

    def flags(self) -> int | None:
        """The inode flags of ioctl_iflags(2), such as FS_IMMUTABLE_FL; None where the file system has none."""
        buffer = array.array("L", [0])
        try:
            fcntl.ioctl(self._descriptor, _FS_IOC_GETFLAGS, buffer, True)
        except OSError:
            return None
        return int(buffer[0])


def _acl(file: str | int, *, path: str) -> bytes | None:
    try:
        return os.getxattr(file, _ACL)
    except OSError as failure:
        if failure.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return None
        raise HostError(f"the access control list of {path} cannot be read: {failure.strerror}") from failure


def _file_status(result: os.stat_result) -> FileStatus:
    return FileStatus(mode=result.st_mode, uid=result.st_uid, gid=result.st_gid, size=result.st_size)


class Files:
    """The files of this machine."""

    def resolve(self, path: str) -> str:
        return os.path.realpath(path)

    def status(self, path: str) -> FileStatus | None:
        """stat(2), links followed; None where there is nothing or the way to it is closed."""
        try:
            return _file_status(os.stat(path))
        except OSError:
            return None

    def status_of_itself(self, path: str) -> FileStatus | None:
        """lstat(2): of a link itself; None where there is nothing or the way to it is closed."""
        try:
            return _file_status(os.lstat(path))
        except OSError:
            return None

    def noexec(self, path: str) -> bool | None:
        """Whether the mount that holds path lets nobody execute, which access(2) with X_OK tells as well."""
        try:
            return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)
        except OSError:
            return None

    def nosuid(self, path: str) -> bool | None:
        """Whether the mount that holds path ignores set-user-ID bits and file capabilities."""
        try:
            return bool(os.statvfs(path).f_flag & os.ST_NOSUID)
        except OSError:
            return None

    def read(self, path: str) -> str | None:
        """The text of a file, undecodable bytes kept as surrogates; None where it cannot be read."""
        try:
            with open(path, "rb") as file:
                return file.read().decode(errors="surrogateescape")
        except OSError:
            return None

    def contains(self, path: str, needles: Sequence[str]) -> Tuple[bool, ...] | None:
        """Whether each of these texts is in a file; None where it cannot be read."""
        text = self.read(path)
        return None if text is None else tuple(needle in text for needle in needles)

    def texts_with(self, folder: str, needle: str) -> Dict[str, str]:
        """The texts of the files right in a folder that hold a text, by path."""
        paths = (f"{folder}/{name}" for name in self.names_in(folder))
        return {path: text for path, text in ((path, self.read(path)) for path in paths) if text and needle in text}

    def names_in(self, folder: str) -> Tuple[str, ...]:
        """The sorted entries of a folder; none where it cannot be read."""
        try:
            return tuple(sorted(os.listdir(folder)))
        except OSError:
            return ()

    def capability(self, path: str) -> bytes | None:
        """The raw security.capability value of a file itself; None where there is none or it cannot be read."""
        try:
            return os.getxattr(path, _CAPABILITY, follow_symlinks=False)
        except OSError:
            return None

    def same_file(self, first: str, second: str) -> bool | None:
        """Whether two paths, links followed, lead to one file; None where the first is not there or closed to us."""
        try:
            reached = os.stat(first)
        except OSError:
            return None
        try:
            return os.path.samestat(reached, os.stat(second))
        except OSError:
            return False

    def acl(self, path: str) -> bytes | None:
        """The raw access control list, links followed; None and HostError as of an open file."""
        return _acl(path, path=path)

    def security_label(self, path: str) -> str:
        """The SELinux context of a file itself, '' where it has none."""
        try:
            return os.getxattr(path, "security.selinux", follow_symlinks=False).rstrip(b"\0").decode()
        except (OSError, ValueError):
            return ""

    def ask(self, path: str, question: str) -> str:
        """SELinux's answer to what is written to one of its files; HostError where there is none."""
        try:
            if not path.startswith(_ASKED) or ".." in path:
                raise ValueError("it is not a file of SELinux")
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                os.write(descriptor, question.encode())
                return os.read(descriptor, 4096).decode()
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as failure:
            raise HostError(f"{path} does not answer to {question!r}: {failure}") from failure

    def link_target(self, path: str) -> str | None:
        try:
            return os.readlink(path)
        except OSError:
            return None

    def _targets_in(self, folder: str) -> Set[str]:
        """Where the links in a folder lead: a host has many descriptors, and each is looked at."""
        found = set()
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                try:
                    found.add(os.readlink(f"{folder}/{name}"))
                except OSError:
                    continue
        return found

    def leftovers(self, path: str) -> Tuple[str, ...]:
        """The temporary files that a killed run left of a change to path."""
        return temporary.leftovers(path)

    def namespace(self, path: str) -> Tuple[int, int] | None:
        """What tells the namespace that a file leads to from others (namespaces(7)); None where that is closed."""
        return netns.identity(path)

    @contextlib.contextmanager
    def network(self, path: str) -> Iterator[None]:
        """Be in the network namespace that a file leads to, commands included; '' stays where it is.

        Raises HostError where that cannot be entered.
        """
        with netns.entered(path) if path else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def open_regular(self, path: str) -> Iterator[OpenFile]:
        """Open the regular file that path (already resolved) names, without following a link or blocking.

        Raises HostError where there is none.
        """
        descriptor = regular.opened(path)
        try:
            yield OpenFile(path=path, descriptor=descriptor)
        finally:
            os.close(descriptor)
