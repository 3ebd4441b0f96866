# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files and units of the collection's own: what there is of them, and what there is to be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.errors import Refused

# The beginning of every file that the collection writes.
MARK = "# Managed by netbind.privport"


def plain_name(service: str) -> str:
    """A service's name as it stands in the names of files and units (systemd.unit(5), "String Escaping...")."""
    escaped = re.sub(r"[^A-Za-z0-9:_.]", lambda match: _escaped(match[0]), service)
    return re.sub(r"^\.", r"\\x2e", escaped)


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def heading(strategy: str) -> str:
    """The first line of every file that a strategy writes."""
    return f"{MARK} ({strategy}); state=absent removes this file."


@dataclass(frozen=True)
class File:
    """A file, or a symbolic link, which has a target and no text."""

    path: str
    text: str = ""
    target: str = ""

    @property
    def shown(self) -> str:
        """As diff mode shows it."""
        return f"link to {self.target}\n" if self.target else self.text


@dataclass(frozen=True)
class Installed:
    """What was found where files of one purpose are looked for."""

    # Where was looked: every path that may be written, and every unit that may be started.
    paths: Tuple[str, ...] = ()
    units: Tuple[str, ...] = ()
    files: Tuple[File, ...] = ()
    # Where somebody else has something.
    foreign: Tuple[str, ...] = ()
    # Temporary files that a killed run left.
    leftovers: Tuple[str, ...] = ()
    # Of the units those that are active, and those whose files systemd has not read since they changed.
    active: Tuple[str, ...] = ()
    unread: Tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.files or self.leftovers or self.active)


@dataclass(frozen=True)
class Installation:
    """What is to be there. The first file tells that there is something: it is the first to come and the last to go.

    units are those that are to be active, in the order of their start.
    """

    files: Tuple[File, ...] = ()
    units: Tuple[str, ...] = ()

    def is_complete(self, found: Installed) -> bool:
        """Whether just that is there, and works."""
        there = {it.path: it for it in found.files} == {it.path: it for it in self.files}
        works = set(self.units) == set(found.active) and not set(self.units) & set(found.unread)
        return there and works and not found.leftovers


@dataclass(frozen=True)
class Plan:
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
        """As diff mode shows the files that change."""
        before = {it.path: it.shown for it in self.found.files}
        after = {it.path: it.shown for it in self.wanted.files}
        return tuple(
            {
                "before_header": path,
                "after_header": path,
                "before": before.get(path, ""),
                "after": after.get(path, ""),
            }
            for path in (*(it.path for it in self.written), *self.removed)
        )


def plan(found: Installed, wanted: Installation) -> Plan:
    """The way from found to wanted. Raises Refused where somebody else's file is in the way."""
    in_the_way = [it.path for it in wanted.files if it.path in found.foreign]
    if in_the_way:
        raise Refused(f"{in_the_way[0]} was not written by this collection; remove or rename it first")
    return Plan(found=found, wanted=wanted)
