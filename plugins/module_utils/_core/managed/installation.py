# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files and units of the collection's own: what there is of them, and what there is to be."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional, Tuple

# The beginning of every file that the collection writes.
MARK = "# Managed by netbind.privport"
# Where it has files that are no units.
OWN_FOLDER = "/etc/netbind.privport"
# Where sysv-rc has its scripts. A unit of this module's is one of systemd's, or the name of such a script.
SCRIPT_FOLDER = "/etc/init.d"
# Where xinetd(8) has a file for each service.
XINETD_FOLDER = "/etc/xinetd.d"
# How the names of scripts begin that load rules and keep no daemon.
REDIRECT_SCRIPTS = "privport-redirect-"
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


def script_word(service: str) -> str:
    """A service's name in that of a script: insserv(8) and update-rc.d(8) take letters, digits and few marks in it."""
    return re.sub(r"[^A-Za-z0-9_.]", lambda match: "".join(f"+{byte:02x}" for byte in match[0].encode()), service)


def is_script(unit: str) -> bool:
    """Whether this is the name of an init script, and not of a unit of systemd's."""
    return not unit.endswith(_UNIT_ENDINGS)


class File(NamedTuple):
    """A file, or a symbolic link, which has a target and no text."""

    path: str
    text: str = ""
    target: str = ""
    mode: int = 0o644


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
