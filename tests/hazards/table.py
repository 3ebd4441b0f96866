# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hazards that are tried on the fleet, each with the names that it gets there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Tuple

from . import of_262, of_commands, of_programs, of_settings
from .hazard import FOLDER, HOSTS, Hazard, is_tried
from .of_programs import PROGRAMS

FIRST_PORT = 101
STRATEGIES = ("socket", "ambient", "setcap", "authbind", "redirect", "forward", "sysctl")
# By which the service itself listens on another port, and how far that is from its own.
INDIRECT = ("redirect", "forward")
_BEHIND = 20000
HAZARDS: Tuple[Hazard, ...] = (
    Hazard(name="none: a plain unit"),
    *of_settings.HAZARDS,
    *of_commands.HAZARDS,
    *of_programs.HAZARDS,
    *of_262.HAZARDS,
)


@dataclass(frozen=True)
class Row:
    """A hazard with the names that it gets on the hosts. behind: its program listens on its backend port."""

    number: int
    hazard: Hazard
    behind: bool = False

    @property
    def front(self) -> int:
        """The port that the service is to be reached by."""
        return self.hazard.port or FIRST_PORT + self.number

    @property
    def port(self) -> int:
        """The port that its program listens on."""
        return self.front + _BEHIND if self.behind else self.front

    @property
    def unit(self) -> str:
        return self._template.replace("@", f"@{self.hazard.instance}")

    @property
    def _template(self) -> str:
        """The name of the unit's file."""
        return f"{'behind' if self.behind else 'hazard'}{self.number:02d}{'@' if self.hazard.instance else ''}.service"

    @property
    def program_path(self) -> str:
        name = {"env": "env", "python": "python3"}.get(PROGRAMS[self.hazard.program].kind, "server")
        # The port of a program that takes no argument is in its file.
        own = f"-{self.port}" if PROGRAMS[self.hazard.program].kind == "static" else ""
        return f"{PROGRAMS[self.hazard.program].place}/{self.hazard.program}/{name}{own}"

    @property
    def command(self) -> str:
        kind = PROGRAMS[self.hazard.program].kind
        argv0 = "server " if "@" in self.hazard.prefix else ""
        arguments = {
            "server": f"{argv0}{FOLDER}/serve.py {self.port} {self.hazard.family}",
            "python": f"{FOLDER}/serve.py {self.port} {self.hazard.family}",
            "script": f"{self.port} {self.hazard.family}",
            "wrapper": f"{FOLDER}/serve.py {self.port} {self.hazard.family}",
            "caddy": f"file-server --listen :{self.port}",
            "static": "",
            "text": f"{FOLDER}/serve.py {self.port} {self.hazard.family}",
            "foreign machine": "",
            "origin needed": f"{FOLDER}/serve.py {self.port} {self.hazard.family}",
            "origin": f"{FOLDER}/serve.py {self.port} {self.hazard.family}",
            "lost loader": f"{FOLDER}/serve.py {self.port} {self.hazard.family}",
        }[kind]
        path = self.program_path[len(self.hazard.root) :].replace(" ", "\\x20")
        return self.hazard.wrapper.format(command=f"{path} {arguments}".strip())

    @property
    def files(self) -> Dict[str, str]:
        """The unit's file and drop-in by their paths below /etc/systemd/system."""
        later = "\n".join(["[Service]", *self.hazard.later, ""]).format(command=self.command)
        more = {self._named(path): self._named(text) for path, text in self.hazard.files}
        return {self._template: self._text, **more, **({f"{self.unit}.d/zz.conf": later} if self.hazard.later else {})}

    def _named(self, text: str) -> str:
        return text.format(unit=self.unit, template=self._template)

    @property
    def _text(self) -> str:
        user = [f"User={self.hazard.user}"] if self.hazard.user else []
        lines = [
            "[Service]",
            *user,
            f"ExecStart={self.hazard.prefix}{self.command}",
            "Environment=HOME=/tmp",
            "KillSignal=SIGKILL",
        ]
        return "\n".join([*lines, *self.hazard.settings, ""])

    @property
    def takes_sockets(self) -> bool:
        """Whether the program, as far as it starts, is one that its owner would declare so; of caddy one has to ask."""
        return PROGRAMS[self.hazard.program].kind != "static"

    def tried_on(self, host: str, strategy: str) -> bool:
        """From 2.9 on caddy takes the sockets that its configuration names, and this one's names a port."""
        by_name = PROGRAMS[self.hazard.program].kind == "caddy" and HOSTS[host] >= HOSTS["forky"]
        return strategy != "socket" or (self.takes_sockets and not by_name)

    @property
    def service(self) -> Dict[str, Any]:
        """The description that the collection gets, less the strategy."""
        described = {
            "name": self.unit.partition(".")[0],
            "ports": [f"{self.front}/udp" if self.hazard.family == "udp" else self.front],
            "backend_ports": {self.front: self.port} if self.behind else {},
            "unit": self._named(self.hazard.alias) or self.unit,
            "user": self.hazard.declared_user,
            "socket_activation": self.takes_sockets and not self.behind,
        }
        return {key: value for key, value in described.items() if value}


def rows_of(host: str, *, behind: bool) -> Tuple[Row, ...]:
    return tuple(
        Row(number, hazard, behind)
        for number, hazard in enumerate(HAZARDS)
        if is_tried(number, host, hosts=[it for it in HOSTS if HOSTS[it] >= hazard.since])
    )


def programs_of(host: str) -> Dict[str, Dict[str, Any]]:
    """The programs that the host is to make, as plain data."""
    return {
        name: asdict(program) for name, program in PROGRAMS.items() if program.kind != "caddy" or host != "bullseye"
    }
