# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service unit as Debian ships it, and what a host needs so that a stand-in can start in its place."""

from __future__ import annotations

import posixpath
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command import follow
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import (
    Assignment,
    effective_commands,
    parse_unit_file,
)

INSTANCE = "corpus"
# Of [Unit] only this is kept: other units are not there, and conditions are of the program that is replaced.
_KEPT = ("Description", "StartLimitIntervalSec", "StartLimitBurst", "JoinsNamespaceOf")
_FOLDERS = (
    *("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "ReadWriteDirectories"),
    *("ReadOnlyDirectories", "InaccessibleDirectories", "BindPaths", "BindReadOnlyPaths", "WorkingDirectory"),
    "RootDirectory",
)
# systemd.unit(5), Specifiers.
_SPECIFIERS = {
    **dict.fromkeys("iIj", INSTANCE),
    **dict(zip("tSCLE", ("/run", "/var/lib", "/var/cache", "/var/log", "/etc"))),
    **dict(zip("TV%", ("/tmp", "/var/tmp", "%"))),
}
_ROOT = ("", "root", "0")


@dataclass(frozen=True)
class Shipped:
    """One unit's file."""

    file: str
    text: str

    @property
    def unit(self) -> str:
        """Its name, that of an instance where it is a template."""
        return self.file.replace("@.service", f"@{INSTANCE}.service")

    @property
    def settings(self) -> Tuple[Assignment, ...]:
        return parse_unit_file(self.text)

    def last(self, key: str) -> str:
        return next((it.value for it in reversed(self.settings) if (it.section, it.key) == ("Service", key)), "")

    def every(self, *keys: str) -> Iterator[str]:
        """The words of these settings."""
        for setting in self.settings:
            if setting.section == "Service" and setting.key in keys:
                yield from (_expanded(word) for word in setting.value.split())

    @property
    def commands(self) -> Dict[str, Tuple[Command, ...]]:
        return effective_commands([self.text])

    @property
    def type(self) -> str:
        return self.last("Type") or ("dbus" if self.last("BusName") else "simple")

    @property
    def user(self) -> str:
        """The user that the collection has to be told: of a unit of root's.

        Each has its own, for LimitNPROC= counts all processes of a user (setrlimit(2)).
        """
        dynamic = self.last("DynamicUser").lower() in ("yes", "true", "1", "on")
        return f"own-{zlib.crc32(self.file.encode()):08x}" if self.last("User") in _ROOT and not dynamic else ""

    @property
    def runs_as(self) -> str:
        return _expanded(self.last("User")) if not self.user else ""

    @property
    def alone(self) -> str:
        """Its text without other units, byte for byte what it says of the service."""
        kept: List[str] = []
        section, keeps = "", True
        for line in self.text.splitlines():
            heading = re.fullmatch(r"\s*\[(.+)\]\s*", line)
            section = heading[1] if heading else section
            if heading or not kept or not kept[-1].endswith("\\"):
                key = re.match(r"\s*([A-Za-z0-9-]+)\s*=", line)
                keeps = section == "Service" or bool(heading) or (bool(key) and (key or [""])[1] in _KEPT)
            if keeps and section in ("Unit", "Service") and not re.match(r"\s*Sockets\s*=", line):
                kept.append(line)
        return "\n".join([*kept, ""])

    @property
    def programs(self) -> Tuple[Set[str], Set[str]]:
        """The paths of its servers, and those of what it runs beside them."""
        servers, others = set(), set()
        for key, commands in self.commands.items():
            for command in commands:
                found = set(_programs(command))
                (servers if key == "ExecStart" else others).update(found)
        return servers, others - servers

    def needs(self, port: int, servers_of_all: Set[str]) -> Dict[str, Any]:
        """What a host makes for it, as plain data.

        What runs a server beside ExecStart=, to check a configuration, would serve for ever there.
        """
        servers, others = self.programs
        beside = {
            key
            for key, commands in self.commands.items()
            if key != "ExecStart"
            and not servers_of_all.isdisjoint(it for command in commands for it in _programs(command))
        }
        files = [word.lstrip("-") for word in self.every("EnvironmentFile") if not word.startswith("-")]
        folders = [word.lstrip("-+~").partition(":")[0] for word in self.every(*_FOLDERS)]
        pid_file = _expanded(self.last("PIDFile"))
        pid_file = pid_file if pid_file.startswith("/") or not pid_file else f"/run/{pid_file}"
        environment = f"CORPUS_PORT={port} CORPUS_TYPE={self.type} CORPUS_PIDFILE={pid_file}"
        return {
            "file": self.file,
            "text": self.alone,
            "dropin": f"[Service]\nEnvironment={environment}\nTimeoutStopSec=2\nSendSIGKILL=yes\n"
            + "".join(f"{key}=\n" for key in sorted(beside)),
            "users": [it for it in (self.user or self.runs_as,) if it and not it.isdigit()],
            "groups": [it for it in self.every("Group", "SupplementaryGroups") if not it.isdigit()],
            "folders": [it for it in folders if it.startswith("/")],
            "files": [it for it in files if it.startswith("/")],
            "servers": sorted(servers),
            "others": sorted(others),
        }


def _expanded(text: str) -> str:
    return re.sub("%(.)", lambda match: _SPECIFIERS.get(match[1], match[0]), text)


def _programs(command: Command) -> Iterator[str]:
    words = [_expanded(word) for word in command.words]
    launch = follow(words[:1] + words[2:] if "@" in command.prefix else words)
    # A script of a shell or an interpreter names more, of which some are programs.
    named = re.findall(r"(?<![\w./-])/(?:usr/)?(?:s?bin|libexec|lib|share|local)/[\w./+-]+", " ".join(words))
    for word in (*words[:1], launch.program, *(named if launch.wrappers or len(words) > 1 else ())):
        if word and "%" not in word and "$" not in word and not word.startswith("-"):
            yield word if "/" in word else posixpath.join("/usr/bin", word)


def shipped(folder: Path) -> List[Shipped]:
    """The units of a folder, by name; links are other names of the same ones."""
    found = [path for path in sorted(folder.glob("*.service")) if not path.is_symlink()]
    return [Shipped(path.name, path.read_text(encoding="utf-8", errors="surrogateescape")) for path in found]
