# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one seam to the machine: commands, files, processes, namespaces, and trials of ports.

Everything above it is given a Host and can be tested with another one; everything below it is the
operating system. Methods that look (looks.Looks) return None for what is not there; methods that change
raise HostError with one sentence for the user.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Callable, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host import atomic
from ansible_collections.netbind.privport.plugins.module_utils._host.commands import Completed
from ansible_collections.netbind.privport.plugins.module_utils._host.files import FileStatus, OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.lock import Locks
from ansible_collections.netbind.privport.plugins.module_utils._host.looks import Looks

__all__ = ("Completed", "FileStatus", "Host", "OpenFile")

_ASKING = (signal.SIGTERM, signal.SIGINT)


class Host(Locks, Looks):
    """This machine."""

    def outlive_connection(self, asked_to_end: Callable[[str], None]) -> None:
        """Go on when the connection that started this process is gone; call asked_to_end with a signal's name, once.

        A signal that asks a process to end is told; whoever is told may raise (signal(7)).
        """

        def once(number: int, _frame: object) -> None:
            for asked in _ASKING:
                signal.signal(asked, signal.SIG_IGN)
            asked_to_end(signal.Signals(number).name)

        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for asked in _ASKING:
            signal.signal(asked, once)

    def be_patient(self, seconds: float) -> None:
        """Let each program that is run take at least so many seconds."""
        self.patience = seconds

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

    def discard(self, leftovers: Sequence[str]) -> None:
        """Remove such temporary files."""
        atomic.discard(leftovers)
