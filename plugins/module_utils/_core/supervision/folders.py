# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Supervisors of folders with a run script: daemontools' supervise(8), runit's runsv(8) and s6-supervise."""

from __future__ import annotations

import posixpath
import re
from typing import Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.script import command_of
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.supervisor import (
    ACTIVATING,
    ACTIVE,
    FAILED,
    INACTIVE,
    Definition,
    Files,
    Status,
    Supervisor,
)

_UP = re.compile(r"(?m)^(?:run|finish): .*?: \(pid (?P<runit>[0-9]+)\)|\bup \(pid (?P<other>[0-9]+)")
_DOWN = re.compile(r"(?m)^down: |: down |^down ")
_WANTED = re.compile(r"(?<!not )want up")
# The seconds of a state are others at each look.
_SECONDS = re.compile(r",? ?\b[0-9]+ ?s(?:econds)?\b")


class FolderSupervisor(Supervisor):
    """What the three have in common."""

    # Where their services are looked for, the first that is there.
    roots: Tuple[str, ...] = ("/etc/service", "/service", "/var/service")

    def place(self, name: str, files: Files) -> str:
        if name.startswith("/"):
            return name.rstrip("/")
        places = [f"{root}/{name}" for root in self.roots]
        there = (it for it in places if files.read(f"{it}/run") is not None)
        return next(there, places[0])

    def status(self, *, rc: int, text: str) -> Status:
        said = _SECONDS.sub("", text.strip().split("; run: log:")[0].split("; down: log:")[0])
        up = _UP.search(text)
        if up:
            # A service that ends at once is up for nothing at each look; who waits for it sees whether it listens.
            return Status(ACTIVE, re.sub(r" ?\(pid [^)]*\)", "", said), pid=int(up["runit"] or up["other"]))
        if _DOWN.search(text):
            return Status(ACTIVATING if _WANTED.search(text) else INACTIVE, said)
        denied = "denied" in text or "not permitted" in text
        return Status("" if denied else FAILED, said, missing="" if denied else said)

    def definition(self, place: str, files: Files) -> Definition:
        path = f"{place}/run"
        words = command_of(files.read(path) or "", path=path)
        if words and words[0].startswith("./"):
            # Each is started in its own folder.
            words = (posixpath.normpath(f"{place}/{words[0]}"), *words[1:])
        return Definition(path=path, words=words, at_boot=files.read(f"{place}/down") is None)
