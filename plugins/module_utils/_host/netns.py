# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entering network namespaces (setns(2), namespaces(7)); a part of the seam to the machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import Iterator

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError

# That of this process.
OWN_NETWORK = "/proc/self/ns/net"
_CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h


def identity(path: str) -> tuple[int, int] | None:
    """What tells the namespace that a file leads to from others; None where that is closed."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def entered(path: str) -> Iterator[None]:
    """This process in the network namespace that a file leads to. Raises HostError where that cannot be entered."""
    with _opened(OWN_NETWORK) as home, _opened(path) as other:
        _enter(other, path=path)
        try:
            yield
        finally:
            _enter(home, path=OWN_NETWORK)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    try:
        # Whatever else the path may name, it must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as failure:
        raise HostError(f"{path} cannot be opened: {failure.strerror}") from failure
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _enter(descriptor: int, *, path: str) -> None:
    # Python has os.setns() from 3.12 on.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise HostError(f"the network namespace {path} cannot be entered: {os.strerror(ctypes.get_errno())}")
