# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""supervisord(1) and supervisorctl(1)."""

from __future__ import annotations

import fnmatch
import posixpath
import re
import shlex
from typing import Dict, Tuple

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

# Where supervisorctl looks, the first that is there.
_CONFIGURATIONS = ("/etc/supervisord.conf", "/etc/supervisor/supervisord.conf")
_LINE = re.compile(r"(?m)^(?P<name>\S+)\s+(?P<state>[A-Z]+)\b(?:\s+pid (?P<pid>[0-9]+))?(?P<more>.*)$")
_STATES = {"RUNNING": ACTIVE, "STARTING": ACTIVATING, "BACKOFF": ACTIVATING, "FATAL": FAILED, "EXITED": INACTIVE}
_Sections = Dict[str, Dict[str, str]]


class Supervisord(Supervisor):
    kind = "supervisord"
    units = ("supervisor.service", "supervisord.service")

    def status(self, *, rc: int, text: str) -> Status:
        match = _LINE.search(text)
        if match is None or "no such" in text:
            return Status(FAILED, text.strip(), missing=text.strip().replace("\n", "; "))
        told = "" if match["pid"] else match["more"].rstrip()
        return Status(_STATES.get(match["state"], INACTIVE), match["state"] + told, pid=int(match["pid"] or 0))

    def definition(self, place: str, files: Files) -> Definition:
        first = next((it for it in _CONFIGURATIONS if files.read(it) is not None), _CONFIGURATIONS[0])
        group, _colon, name = place.rpartition(":")
        for path in (first, *_included(first, files)):
            found = _sections(files.read(path) or "")
            section = found.get(f"program:{name}") or found.get(f"program:{group}")
            if section is not None:
                return Definition(
                    path=path,
                    words=_words(section.get("command", "")),
                    user=section.get("user", ""),
                    at_boot=section.get("autostart", "true").lower() in ("true", "yes", "on", "1"),
                )
        return Definition(path=first)

    def commands(self, verb: str, place: str) -> Tuple[Tuple[str, ...], ...]:
        return (("supervisorctl", verb, place),)

    def forgives(self, text: str) -> bool:
        return any(it in text for it in ("spawn error", "abnormal termination", "already started", "not running"))


def _words(command: str) -> Tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError:
        return ()


def _included(first: str, files: Files) -> Tuple[str, ...]:
    """The files that [include] names, by patterns that begin where the first file is."""
    patterns = _sections(files.read(first) or "").get("include", {}).get("files", "").split()
    whole = [posixpath.join(posixpath.dirname(first), it) for it in patterns]
    return tuple(
        f"{folder}/{name}"
        for folder, pattern in (posixpath.split(it) for it in whole)
        for name in sorted(files.names_in(folder))
        if fnmatch.fnmatchcase(name, pattern)
    )


def _sections(text: str) -> _Sections:
    """The settings by section. ';' and '#' begin a comment at the start of a line, ';' also behind a blank."""
    found: _Sections = {}
    section: Dict[str, str] = {}
    last = ""
    for line in text.split("\n"):
        plain = re.split(r"\s;", line)[0].rstrip()
        if not plain.strip() or plain[0] in "#;":
            continue
        if plain.startswith("["):
            section = found.setdefault(plain.strip("[] "), {})
        elif plain[0].isspace():
            section[last] = f"{section.get(last, '')} {plain.strip()}"
        else:
            key, *value = re.split("[=:]", plain, maxsplit=1)
            last = key.strip()
            section[last] = "".join(value).strip()
    return found
