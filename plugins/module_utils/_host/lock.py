# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's lock on grants: two runs that change something come one after the other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Iterator

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host.failure import why

LOCK = "/run/netbind.privport.lock"
LOCK_SECONDS = 90.0
_PAUSE = 0.05


class Locks:
    """The part of a host that changes grants."""

    def locked(self, *, needed: bool) -> contextlib.AbstractContextManager[None]:
        """Whoever changes grants holds this."""
        return locked() if needed else contextlib.nullcontext()

    def lock_is_free(self) -> bool:
        """Whether nobody holds it at this moment."""
        return lock_is_free()


@contextlib.contextmanager
def locked(*, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the host's lock on grants (flock(2), which ends with the process). Raises HostError when it stays taken."""
    try:
        descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except PermissionError:
        # Who may not write here may not change grants either, and is told so by what refuses it.
        yield
        return
    except OSError as failure:
        raise HostError(f"{LOCK} cannot be opened: {why(failure)}") from failure
    try:
        _take(descriptor, seconds=seconds)
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def lock_is_free() -> bool:
    """Whether nobody holds the host's lock on grants at this moment."""
    try:
        descriptor = os.open(LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _take(descriptor: int, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_PAUSE)
                continue
            holder = os.pread(descriptor, 20, 0).decode(errors="replace")
            raise HostError(
                f"another run is changing grants on this host (pid {holder} holds {LOCK}), and did not end within "
                f"{seconds:g} seconds; wait for it, then run this again"
            ) from None
        else:
            return
