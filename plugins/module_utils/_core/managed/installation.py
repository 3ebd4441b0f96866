# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files and units of the collection's own: what there is of them, and what there is to be."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused

# The beginning of every file that the collection writes.
MARK = "# Managed by netbind.privport"
# Where it has files that are no units.
OWN_FOLDER = "/etc/netbind.privport"
# Where sysv-rc has its scripts. A unit of this module's is one of systemd's, or the name of such a script.
SCRIPT_FOLDER = "/etc/init.d"
_UNIT_ENDINGS = (".service", ".socket", ".path")


def plain_name(service: str) -> str:
    """A service's name as it stands in the names of files and units (systemd.unit(5), "String Escaping...")."""
    escaped = re.sub(r"[^A-Za-z0-9:_.]", lambda match: _escaped(match[0]), service)
    return re.sub(r"^\.", r"\\x2e", escaped)


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def heading(strategy: str) -> str:
    """The first line of every file that a strategy writes."""
    return f"{MARK} ({strategy}); state=absent removes this file."


def is_own(text: str) -> bool:
    """Whether the collection wrote a file of this text, which may be a script."""
    first, _end, rest = text.partition("\n")
    return text.startswith(MARK) or (first.startswith("#!") and rest.startswith(MARK))


def is_script(unit: str) -> bool:
    """Whether this is the name of an init script, and not of a unit of systemd's."""
    return not unit.endswith(_UNIT_ENDINGS)


class File(NamedTuple):
    """A file, or a symbolic link, which has a target and no text."""

    path: str
    text: str = ""
    target: str = ""
    mode: int = 0o644

    @property
    def shown(self) -> str:
        """As diff mode shows it."""
        return f"link to {self.target}\n" if self.target else self.text


class Installed(NamedTuple):
    """What was found where files of one purpose are looked for."""

    # Where was looked: every path that may be written, and every unit that may be started.
    paths: Tuple[str, ...] = ()
    units: Tuple[str, ...] = ()
    files: Tuple[File, ...] = ()
    # Where somebody else has something.
    foreign: Tuple[str, ...] = ()
    # Temporary files that a killed run left.
    leftovers: Tuple[str, ...] = ()
    # Of the units those that are active, and those whose files systemd has not read since they changed. A script is
    # active while its daemon runs or a boot starts it, and unread where only one of these is so.
    active: Tuple[str, ...] = ()
    unread: Tuple[str, ...] = ()
    # The daemons of the scripts, which no control group tells apart.
    daemons: Tuple[int, ...] = ()
    # What the kernel holds of it, a line each: others may take that away while a unit stays active. None where it
    # cannot be looked at.
    kernel: Optional[Tuple[str, ...]] = ()

    @property
    def nothing(self) -> bool:
        return not (self.files or self.leftovers or self.active or self.kernel)


class Installation(NamedTuple):
    """What is to be there. The first file tells that there is something: it is the first to come and the last to go.

    units are those that are to be active, in the order of their start.
    """

    files: Tuple[File, ...] = ()
    units: Tuple[str, ...] = ()
    # What these units have the kernel hold.
    kernel: Tuple[str, ...] = ()

    def is_complete(self, found: Installed) -> bool:
        """Whether just that is there, and works."""
        there = {it.path: it for it in found.files} == {it.path: it for it in self.files}
        works = set(self.units) == set(found.active) and not set(self.units) & set(found.unread)
        return there and works and self.is_in_force(found) and not found.leftovers

    def is_in_force(self, found: Installed) -> bool:
        """Whether the kernel holds just that, as far as that can be told."""
        return found.kernel in (None, self.kernel)


class Trial(NamedTuple):
    """A configuration that its program is to judge, with this argv, as the file at path, before anything changes."""

    argv: Tuple[str, ...]
    path: str
    content: str


class Plan(NamedTuple):
    """From what was found to what is wanted."""

    found: Installed
    wanted: Installation

    @property
    def changed(self) -> bool:
        return not self.wanted.is_complete(self.found)

    @property
    def written(self) -> Tuple[File, ...]:
        """The files that are new or differ, in the order in which they are written."""
        there = {it.path: it for it in self.found.files}
        return tuple(it for it in self.wanted.files if there.get(it.path) != it)

    @property
    def removed(self) -> Tuple[str, ...]:
        """The paths that go, in the order in which they go."""
        kept = {it.path for it in self.wanted.files}
        return tuple(it.path for it in reversed(self.found.files) if it.path not in kept)

    @property
    def diffs(self) -> Tuple[dict[str, str], ...]:
        """As diff mode shows the files that change, or where none does, what the kernel holds."""
        before = {it.path: it.shown for it in self.found.files}
        after = {it.path: it.shown for it in self.wanted.files}
        paths = (*(it.path for it in self.written), *self.removed)
        files = tuple(_diff(path, before.get(path, ""), after.get(path, "")) for path in paths)
        if files or self.wanted.is_in_force(self.found):
            return files
        return (_diff("the kernel", _lines(self.found.kernel or ()), _lines(self.wanted.kernel)),)


def _diff(header: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def _lines(texts: Tuple[str, ...]) -> str:
    return "".join(f"{text}\n" for text in texts)


def plan(found: Installed, wanted: Installation) -> Plan:
    """The way from found to wanted. Raises Refused where somebody else's file is in the way."""
    in_the_way = [it.path for it in wanted.files if it.path in found.foreign]
    if in_the_way:
        raise Refused(f"{in_the_way[0]} was not written by this collection; remove or rename it first")
    return Plan(found=found, wanted=wanted)
