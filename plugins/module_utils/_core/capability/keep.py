# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units by which a host gives a program its file capability back after an upgrade (systemd.path(5)), as text.

The path unit sees the package manager rename the new file into its place, and starts the service, which has nothing
but Python to rely on. What it may change is fixed when it is written: this path, this value.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import ProgramFile, shown
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import parse_xattr
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, file, gone, link
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused, UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER

MARK = "# Managed by netbind.privport (keep)"
_HEAD = MARK + "; keep=false removes this file."
# What unit files take literally, without quotes and escapes (systemd.syntax(7), systemd.service(5)).
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_.+,:@=-]+)+")
# systemd.unit(5): names have at most 255 characters.
_LONGEST = 255
_OTHERS_WRITE = 0o022
# Whether a host gives a program its capability back: no, wholly, or not so that it works.
NOT_KEPT, KEPT, KEPT_IN_PART = "no", "yes", "in part"
# As few statements as refuse what privport_setcap refuses, each one line of the unit file. Free of ' % $ and \.
_SCRIPT = (
    "import os, stat, sys",
    'path, value, name = sys.argv[1], bytes.fromhex(sys.argv[2]), "security.capability"',
    "os.path.lexists(path) or sys.exit()",
    'above = [os.lstat(path[:at] or "/") for at, sign in enumerate(path) if sign == "/"]',
    "seen = [os.lstat(path), *above]",
    "safe = stat.S_ISREG(seen[0].st_mode) and all(stat.S_ISDIR(it.st_mode) for it in above)",
    "safe = safe and all(it.st_uid == 0 and not it.st_mode & 0o022 for it in seen)",
    'safe or sys.exit(path + " or a folder above it is not for root alone to write: no capability")',
    "file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)",
    "same = os.path.samestat(os.fstat(file), seen[0]) and os.pread(file, 2, 0) != bytes((35, 33))",
    'same or sys.exit(path + " was replaced, or is a script: no capability")',
    "held = name in os.listxattr(file) and os.getxattr(file, name)",
    "held == value or os.setxattr(file, name, value) or os.fsync(file)",
)


class KeepUnits(NamedTuple):
    """The files that keep a program's capability: where they lie and what is in them, and where the link is."""

    service_path: str
    service: str
    watch_path: str
    watch: str
    link_path: str

    @property
    def watch_name(self) -> str:
        return self.watch_path.rsplit("/", 1)[-1]


def base_name(path: str) -> str:
    """The name of both units, without their ending; raises Refused for a path that a unit cannot hold."""
    # systemd-escape(1), --path
    name = "privport-keep-" + re.sub(r"[^A-Za-z0-9:_./]", _escaped, path.strip("/")).replace("/", "-")
    if not _PLAIN.fullmatch(path) or len(name + ".service") > _LONGEST:
        raise Refused(f"keep is true, but {path!r} cannot be written in a systemd unit; choose a plainer path")
    return name


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


def paths(path: str) -> Tuple[str, ...]:
    """Where the units for the program at path lie, and the link that starts them at boot; none if it can have none."""
    try:
        name = base_name(path)
    except Refused:
        return ()
    folder = f"{UNIT_FOLDER}/paths.target.wants"
    return (f"{UNIT_FOLDER}/{name}.service", f"{UNIT_FOLDER}/{name}.path", folder, f"{folder}/{name}.path")


def refusal(program: ProgramFile) -> str:
    """Why root alone may not be left to watch over this file, a sentence; '' where it may."""
    for it in (program.inode, *program.folders):
        if it.uid != 0 or it.mode & _OTHERS_WRITE:
            return (
                f"keep is true, but {shown(it.path)} ({it.owner}:{it.group} {it.mode:04o}) is not for root alone to "
                "write, and nobody would look at what is granted after an upgrade; change that, or leave keep out"
            )
    return ""


def render(*, path: str, value: bytes, python: str) -> KeepUnits:
    """The units that give the file at path the raw security.capability value again. Raises Refused."""
    name = base_name(path)
    script = "; \\\n  ".join(_SCRIPT)
    service = f"""\
{_HEAD}
[Unit]
Description=Give {path} its file capability back
DefaultDependencies=no
After=local-fs.target
Before=basic.target
# An upgrade touches the file several times within a second.
StartLimitIntervalSec=0

[Service]
Type=oneshot
CapabilityBoundingSet=CAP_SETFCAP CAP_DAC_READ_SEARCH
ExecStart={python} -I -S -c '{script}' {path} {value.hex()}
"""
    watch = f"""\
{_HEAD}
[Unit]
Description=Watch {path}, which loses its file capability when it is replaced
# Whatever happened while nobody watched.
Wants={name}.service

[Path]
PathChanged={path}

[Install]
WantedBy=paths.target
"""
    service_path, watch_path, _unused, link_path = paths(path)
    return KeepUnits(
        service_path=service_path, service=service, watch_path=watch_path, watch=watch, link_path=link_path
    )


def kept(*, path: str, value: bytes, python: str) -> Desired:
    """The units that give the file at path this value again. Raises Refused for a path that a unit cannot hold."""
    units = render(path=path, value=value, python=python)
    return Desired(
        # The service does nothing by itself: it is the first to come and the last to go.
        entries=(
            file(units.service_path, units.service),
            file(units.watch_path, units.watch),
            link(units.link_path, units.watch_path),
        ),
        running=(units.watch_name,),
    )


def unkept(path: str) -> Desired:
    """None of these units. What watches stops first, and then what it may just have started."""
    found = paths(path)
    if not found:
        return Desired()
    service, watch, _folder, at_boot = found
    names = tuple(it.rpartition("/")[2] for it in (watch, service))
    return Desired(entries=tuple(map(gone, (at_boot, watch, service))), stopped=names)


def kept_value(service: str) -> bytes | None:
    """The value that a service of ours gives back; None for a text that is none, or that does not bind."""
    match = re.search(r" ([0-9a-f]+)\n\Z", service) if service.startswith(MARK) else None
    try:
        value = bytes.fromhex(match[1]) if match else b""
        return value if parse_xattr(value).binds else None
    except (UnknownFormat, ValueError):
        return None
