# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row of the table is made of: a program file, and a unit with one thing that may void a grant."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Sequence, Tuple

FOLDER = "/opt/hazards"
# A user namespace that on_host.py makes.
USER_NAMESPACE = "/run/userns/hazards"
# Between the commands of a unit that has several.
NEXT_COMMAND = "\nExecStart="
HOSTS = {"bullseye": 247, "bookworm": 252, "trixie": 257, "forky": 262}
# A short test tries each row under one version of systemd, the next row under the next version.
_IN_TURN = bool(os.environ.get("PRIVPORT_HAZARDS_IN_TURN"))


def is_tried(number: int, host: str, *, hosts: Sequence[str]) -> bool:
    """Whether the row of this number is tried on the host. hosts: where it could be."""
    return host in hosts and not (_IN_TURN and hosts[number % len(hosts)] != host)


@dataclass(frozen=True)
class Program:
    """A program file that the host makes of its own python3 (server), caddy or env, or writes.

    xattr is the value of security.capability in hexadecimal. mount holds the type and options of a file system of
    its own; 'ro' among them is set once the file is there.
    """

    kind: str = "server"
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"
    xattr: str = ""
    mount: str = ""
    immutable: bool = False
    # What runs this script: the name of another program of the table, or a #! line's words.
    interpreter: str = ""
    folder_mode: int = 0o755
    # The folder in which its own is.
    place: str = FOLDER


@dataclass(frozen=True)
class Hazard:
    """A row of the table: a unit, and what the collection is told of it."""

    name: str
    settings: Tuple[str, ...] = ()
    program: str = "plain"
    prefix: str = ""
    # The command line around the program's own.
    wrapper: str = "{command}"
    user: str = "www-data"
    declared_user: str = ""
    # The family and the protocol that the server is told: inet, inet6 or udp.
    family: str = "inet"
    # The folder that is the unit's root: what the command's path leaves out.
    root: str = ""
    # The instance's name, where the unit is one of a template.
    instance: str = ""
    # The name by which the collection is told of the unit, which may hold {unit}; its own by default.
    alias: str = ""
    # More files: paths, and texts that are links where they begin with '->'; both may hold {unit} and {template}.
    files: Tuple[Tuple[str, str], ...] = ()
    # Settings of another drop-in, which systemd reads after the collection's.
    later: Tuple[str, ...] = ()
    port: int = 0
    # What the kernel would let through and the collection refuses all the same: it would be a hole, or replace what
    # somebody else wrote.
    unsafe: Tuple[str, ...] = ()
    # The first systemd that knows the setting, or whose Debian has the program.
    since: int = 0


def setting(*lines: str, **fields: Any) -> Hazard:
    return Hazard(name=" ".join(lines), settings=lines, **fields)
