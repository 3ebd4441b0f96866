# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one seam to the machine: commands, files, extended attributes.

Everything above it is given a Host and can be tested with another one; everything below it is the
operating system. Methods that look return None for what is not there; methods that change raise
HostError with one sentence for the user.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import grp
import os
import pwd
import shutil
import signal
import stat
import subprocess
from typing import AbstractSet, Iterator, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host import atomic, netns, regular

CAPABILITY_XATTR = "security.capability"
ACL_XATTR = "system.posix_acl_access"
COMMAND_SECONDS = 30.0


class Completed(NamedTuple):
    """What a command left behind."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    def checked(self) -> Completed:
        """Itself when the command succeeded, else HostError with what it said."""
        if self.rc != 0:
            said = (self.stderr.strip() or self.stdout.strip() or "nothing").splitlines()[-1]
            raise HostError(f"{' '.join(self.argv)} failed with status {self.rc}: {said}")
        return self


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

    def nosuid(self) -> bool:
        return bool(os.fstatvfs(self._descriptor).f_flag & os.ST_NOSUID)

    def read_only(self) -> bool:
        return bool(os.fstatvfs(self._descriptor).f_flag & os.ST_RDONLY)

    def capability(self) -> bytes | None:
        """The raw security.capability value (b'' for an empty one); None where there is none.

        OSError passes through: what an errno means depends on what the caller wants to do.
        """
        try:
            return os.getxattr(self._descriptor, CAPABILITY_XATTR)
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
            os.getxattr(self._descriptor, CAPABILITY_XATTR)
        except OSError as failure:
            return failure.errno != errno.EOPNOTSUPP
        return True

    def set_capability(self, value: bytes) -> None:
        os.setxattr(self._descriptor, CAPABILITY_XATTR, value)
        # Without it the attribute is gone after a power cut.
        os.fsync(self._descriptor)

    def remove_capability(self) -> None:
        os.removexattr(self._descriptor, CAPABILITY_XATTR)
        os.fsync(self._descriptor)

    def flags(self) -> int | None:
        """The inode flags of ioctl_iflags(2), such as FS_IMMUTABLE_FL; None where the file system has none."""
        buffer = array.array("L", [0])
        try:
            fcntl.ioctl(self._descriptor, _FS_IOC_GETFLAGS, buffer, True)
        except OSError:
            return None
        return int(buffer[0])


# include/uapi/linux/fs.h: _IOR('f', 1, long)
_FS_IOC_GETFLAGS = (2 << 30) | (8 << 16) | (ord("f") << 8) | 1


def _acl(file: str | int, *, path: str) -> bytes | None:
    try:
        return os.getxattr(file, ACL_XATTR)
    except OSError as failure:
        if failure.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return None
        raise HostError(f"the access control list of {path} cannot be read: {failure.strerror}") from failure


def _file_status(result: os.stat_result) -> FileStatus:
    return FileStatus(mode=result.st_mode, uid=result.st_uid, gid=result.st_gid, size=result.st_size)


class Host:
    """This machine."""

    def run(self, argv: Sequence[str], *, seconds: float = COMMAND_SECONDS) -> Completed:
        """Run a program without a shell, in the C locale; its exit status is the caller's to judge."""
        environment = dict(os.environ, LC_ALL="C", LANGUAGE="C")
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as failure:
            raise HostError(f"{argv[0]} cannot be run: {failure.strerror}") from failure
        with process:
            try:
                stdout, stderr = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired as late:
                # The whole session: what the program started holds its output open.
                os.killpg(process.pid, signal.SIGKILL)
                raise HostError(
                    f"{' '.join(argv)} did not finish within {seconds:g} seconds; it was ended. Find out why it "
                    f"hangs{_where_to_look(argv[0])}, then run this again"
                ) from late
        return Completed(
            argv=tuple(argv),
            rc=process.returncode,
            stdout=stdout.decode(errors="surrogateescape"),
            stderr=stderr.decode(errors="surrogateescape"),
        )

    def which(self, program: str) -> str | None:
        """The path of a program, also in the folders of root's PATH that a user's may lack."""
        search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin:/usr/sbin:/sbin"))
        return shutil.which(program, path=search)

    def effective_uid(self) -> int:
        return os.geteuid()

    def account(self, user: str) -> pwd.struct_passwd | None:
        """The passwd entry of a name or of a number."""
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(user)
        with contextlib.suppress(KeyError, OverflowError):
            # int() alone would take blanks and newlines, which a drop-in must not get.
            return pwd.getpwuid(int(user)) if user.isascii() and user.isdecimal() else None
        return None

    def group(self, group: str) -> grp.struct_group | None:
        """The group entry of a name or of a number."""
        with contextlib.suppress(KeyError):
            return grp.getgrnam(group)
        with contextlib.suppress(KeyError, OverflowError):
            return grp.getgrgid(int(group)) if group.isascii() and group.isdecimal() else None
        return None

    def groups_of(self, account: pwd.struct_passwd, *, gid: int | None = None) -> tuple[int, ...]:
        """All groups of an account that has gid as its primary one, by default the account's own."""
        return tuple(sorted(os.getgrouplist(account.pw_name, account.pw_gid if gid is None else gid)))

    def members(self, gid: int) -> tuple[pwd.struct_passwd, ...]:
        """The accounts of a group, by their own entry or by the group's; those that the name services list."""
        with contextlib.suppress(KeyError):
            listed = set(grp.getgrgid(gid).gr_mem)
            return tuple(entry for entry in pwd.getpwall() if entry.pw_gid == gid or entry.pw_name in listed)
        return tuple(entry for entry in pwd.getpwall() if entry.pw_gid == gid)

    def user_name(self, uid: int) -> str:
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(uid).pw_name
        return str(uid)

    def group_name(self, gid: int) -> str:
        with contextlib.suppress(KeyError):
            return grp.getgrgid(gid).gr_name
        return str(gid)

    def kernel_release(self) -> str:
        return os.uname().release

    def machine(self) -> str:
        return os.uname().machine

    def resolve(self, path: str) -> str:
        return os.path.realpath(path)

    def status(self, path: str) -> FileStatus | None:
        """stat(2), links followed; None where there is nothing or the way to it is closed."""
        try:
            return _file_status(os.stat(path))
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

    def status_of_itself(self, path: str) -> FileStatus | None:
        """lstat(2): of a link itself; None where there is nothing or the way to it is closed."""
        try:
            return _file_status(os.lstat(path))
        except OSError:
            return None

    def may_execute(self, path: str, *, uid: int, gids: Sequence[int], base: str = "/") -> bool | None:
        """access(2) with X_OK as that user, who has the folder base already; None for one who may not ask as another.

        gids begins with the primary group. For a folder it is whether the user may search it.
        """
        if os.geteuid() != 0:
            return None
        folder = base if os.path.isdir(base) else os.path.dirname(base)
        relative = os.path.relpath(path, folder)
        child = os.fork()
        if child == 0:
            answer = 2
            try:
                os.chdir(folder)
                os.setgroups(list(gids))
                os.setresgid(gids[0], gids[0], gids[0])
                os.setresuid(uid, uid, uid)
                answer = 0 if os.access(relative, os.X_OK) else 1
            finally:
                os._exit(answer)
        answer = os.WEXITSTATUS(os.waitpid(child, 0)[1])
        return None if answer > 1 else answer == 0

    def read(self, path: str) -> str | None:
        """The text of a file, undecodable bytes kept as surrogates; None where it cannot be read."""
        try:
            with open(path, "rb") as file:
                return file.read().decode(errors="surrogateescape")
        except OSError:
            return None

    def names_in(self, folder: str) -> tuple[str, ...]:
        """The sorted entries of a folder; none where it cannot be read."""
        try:
            return tuple(sorted(os.listdir(folder)))
        except OSError:
            return ()

    def regular_files(self, *, skipped: AbstractSet[str]) -> Iterator[str]:
        """The path of every regular file, links not followed, but below the skipped folders."""
        for folder, folders, names in os.walk("/"):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in skipped]
            for path in (os.path.join(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    if stat.S_ISREG(os.lstat(path).st_mode):
                        yield path

    def capability(self, path: str) -> bytes | None:
        """The raw security.capability value of a file itself; None where there is none or it cannot be read."""
        try:
            return os.getxattr(path, CAPABILITY_XATTR, follow_symlinks=False)
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
        """The kernel's answer to what is written to one of its files; HostError where there is none."""
        try:
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

    def namespace(self, path: str) -> tuple[int, int] | None:
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

    def locked(self, *, needed: bool) -> contextlib.AbstractContextManager[None]:
        """Whoever changes grants holds this, so that two runs on one host come one after the other."""
        return atomic.locked() if needed else contextlib.nullcontext()

    def write(self, path: str, *, content: str, uid: int = 0, gid: int = 0, mode: int = 0o644) -> None:
        """Put a whole file in place at once, its folder made where it is missing."""
        atomic.write(path, content=content.encode(errors="surrogateescape"), uid=uid, gid=gid, mode=mode)

    def set_kernel(self, path: str, value: str) -> None:
        """Write a setting below /proc/sys, which is no file to be replaced."""
        try:
            with open(path, "w", encoding="ascii") as setting:
                setting.write(value)
        except OSError as failure:
            raise HostError(f"{path} cannot be set to {value}: {failure.strerror}") from failure

    def make_folder(self, path: str) -> None:
        atomic.make_folder(path)

    def set_owner(self, path: str, *, uid: int, gid: int, mode: int) -> None:
        """Give a folder its owner and mode."""
        try:
            os.chown(path, uid, gid)
            os.chmod(path, mode)
        except OSError as failure:
            raise HostError(f"{path} cannot be given its owner and mode: {failure.strerror}") from failure

    def link(self, path: str, *, target: str) -> None:
        """Make path a symbolic link, in the place of a file that is there."""
        atomic.link(path, target=target)

    def remove(self, path: str, *, with_folder: bool = False) -> None:
        """Remove a file, and its folder if that is asked for and nothing else is in it; gone already is no error."""
        atomic.remove(path, with_folder=with_folder)

    def remove_folder_if_empty(self, path: str) -> None:
        with contextlib.suppress(OSError):
            os.rmdir(path)
            atomic.sync_folder(os.path.dirname(path))

    def leftovers(self, path: str) -> tuple[str, ...]:
        """The temporary files that a killed run left of a change to path."""
        return atomic.leftovers(path)

    def discard(self, leftovers: Sequence[str]) -> None:
        """Remove such temporary files."""
        atomic.discard(leftovers)


def _where_to_look(program: str) -> str:
    return " (systemctl list-jobs; journalctl --boot)" if program == "systemctl" else ""
