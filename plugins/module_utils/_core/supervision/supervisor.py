# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every kind of supervisor is made of: the base class of those that registry.py lists.

A supervisor is asked in its own words, and what it says is put into those of systemctl(1): what runs a service is one
notion to whoever decides, changes or proves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Callable, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import Manager, asking

# ActiveState= of systemd, as far as others have it.
ACTIVE, ACTIVATING, INACTIVE, FAILED = "active", "activating", "inactive", "failed"


class Files(NamedTuple):
    """The files of the host: the text of one, None for none, the names in a folder, and whether one holds a text.

    uid_of: that of a user, None for none.
    """

    read: Callable[[str], Optional[str]]
    names_in: Callable[[str], Sequence[str]]
    holds: Callable[[str, str], bool] = lambda path, text: False
    uid_of: Callable[[str], Optional[int]] = lambda user: None


class Status(NamedTuple):
    """The state of a service, and the supervisor's own words for it; pid 0 for none.

    missing: why there is no such service, a clause; '' where there is one.
    """

    active: str
    said: str
    pid: int = 0
    missing: str = ""


class Definition(NamedTuple):
    """How a supervisor starts a service: the words of its command, none where they cannot be told, and in which file.

    user: the one that the supervisor itself starts it as, '' where it does not change its own. ambient: why it cannot
    give it ambient capabilities, a sentence; '' where it can.
    """

    path: str
    words: Tuple[str, ...] = ()
    user: str = ""
    at_boot: bool = True
    ambient: str = "its supervisor gives no capabilities"


class Supervisor(ABC):
    """A kind of supervisor. Every method is pure; a place is what its commands know a service by."""

    # One of manager.KINDS, or USER.
    kind: str
    # The systemd units that run it where systemd runs the host.
    units: Tuple[str, ...] = ()

    def rules(self, *, systemd: bool) -> bool:
        """Whether its services are its own, on a host that systemd runs or not."""
        return True

    def place(self, name: str, files: Files) -> str:
        """What its commands know the service of this name by."""
        return name

    def asking(self, place: str) -> Tuple[str, ...]:
        """The command that asks for the state of a service."""
        return tuple(asking(Manager(self.kind, place)).split())

    @abstractmethod
    def status(self, *, rc: int, text: str) -> Status:
        """What the answer to that means: the exit status, and all that was printed."""

    @abstractmethod
    def definition(self, place: str, files: Files) -> Definition:
        """How the service is started."""

    @abstractmethod
    def commands(self, verb: str, place: str) -> Tuple[Tuple[str, ...], ...]:
        """The commands that 'start', 'restart' or 'stop' a service, without waiting where that can be had."""

    def pid(self, place: str, files: Files) -> int:
        """The number of the main process where the answer does not tell it; 0 for none."""
        return 0

    def forgives(self, text: str) -> bool:
        """Whether a command that failed and said this did what it can: how the service fares, the proof tells."""
        return False


def number_in(text: Optional[str]) -> int:
    """The number that a file holds, 0 for none."""
    word = (text or "").strip()
    return int(word) if word.isdecimal() and len(word) <= 10 else 0
