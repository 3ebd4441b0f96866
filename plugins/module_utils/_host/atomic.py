# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that are made whole or not at all, also by a process that is killed.

A file is written under a temporary name that follows from its path alone. What a killed process leaves is thus
known by its name, can be observed, and is replaced or removed by the next one.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from typing import Iterator, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host.failure import why
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import leftovers, temporaries


def write(path: str, *, content: bytes, uid: int, gid: int, mode: int) -> None:
    """Put a whole file in place at once, its folder made where it is missing: fsync, rename, fsync of the folder.

    Raises HostError; what was there is then untouched.
    """
    inside, outside = temporaries(path)
    folder = os.path.dirname(path)
    # A folder is not made before its file is complete: until then the temporary file tells what was going on.
    temporary, new_folder = (inside, "") if os.path.isdir(folder) else (outside, folder)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        _write_new(temporary, content=content, uid=uid, gid=gid, mode=mode)
        if new_folder:
            make_folder(new_folder)
        os.rename(temporary, path)
    except OSError as failure:
        _give_up(temporary, new_folder=new_folder)
        raise HostError(f"{path} cannot be written: {why(failure)}; what was there is untouched") from failure
    except HostError:
        _give_up(temporary, new_folder="")
        raise
    sync_folder(folder)
    discard(leftovers(path))


def link(path: str, *, target: str) -> None:
    """Make path a symbolic link at once, in the place of a file that is there. Raises HostError."""
    temporary = temporaries(path)[0]
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(target, temporary)
        os.rename(temporary, path)
    except OSError as failure:
        _give_up(temporary, new_folder="")
        raise HostError(f"{path} cannot be made a link: {why(failure)}") from failure
    sync_folder(os.path.dirname(path))


def remove(path: str, *, with_folder: bool) -> None:
    """Remove a file, what a killed process left of it, and if asked its folder once that is empty.

    A file that is gone already is no error. Raises HostError.
    """
    inside, outside = temporaries(path)
    folder = os.path.dirname(path)
    try:
        if with_folder:
            # At once gone and still a sign, for whoever is to go on, that the folder may be ours.
            with contextlib.suppress(OSError):
                os.rename(path, outside)
        for each in (path, inside):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(each)
    except OSError as failure:
        raise HostError(f"{path} cannot be removed: {why(failure)}") from failure
    if with_folder:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    discard((outside,))
    sync_folder(folder if os.path.isdir(folder) else os.path.dirname(folder))


def discard(paths: Sequence[str]) -> None:
    """Remove temporary files; those that are gone already are no error. Raises HostError."""
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as failure:
            raise HostError(f"{path} cannot be removed: {why(failure)}") from failure


def make_folder(path: str) -> None:
    """Make a folder that everybody can search, and those above it; raises HostError."""
    missing = list(itertools.takewhile(lambda folder: not os.path.lexists(folder), _upwards(path)))
    # A strict umask would make a folder that authbind's users cannot search.
    umask = os.umask(0o022)
    try:
        os.makedirs(path, mode=0o755, exist_ok=True)
    except OSError as failure:
        raise HostError(f"{path} cannot be made: {why(failure)}") from failure
    finally:
        os.umask(umask)
    for folder in missing:
        sync_folder(os.path.dirname(folder))


def _upwards(path: str) -> Iterator[str]:
    """The folder itself, its parent, and so on."""
    while path != os.path.dirname(path):
        yield path
        path = os.path.dirname(path)


def sync_folder(folder: str) -> None:
    """Make the names in a folder survive a power cut; raises HostError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    except OSError as failure:
        # Some file systems keep names without being asked, and refuse.
        if failure.errno != errno.EINVAL:
            raise HostError(f"{folder} cannot be brought to disk: {why(failure)}") from failure
    finally:
        os.close(descriptor)


def _write_new(path: str, *, content: bytes, uid: int, gid: int, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchown(file.fileno(), uid, gid)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())


def _give_up(temporary: str, *, new_folder: str) -> None:
    if new_folder:
        with contextlib.suppress(OSError):
            os.rmdir(new_folder)
    with contextlib.suppress(OSError):
        os.unlink(temporary)
