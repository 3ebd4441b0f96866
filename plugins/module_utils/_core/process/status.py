# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /proc says of a process: proc_pid_status(5) and cgroups(7) as data."""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import name_of, parse_mask
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat

# systemd puts an underscore before a name that the kernel would read as one of its own files, such as cpu.service, and
# before one that begins with an underscore (src/basic/cgroup-util.c, cg_needs_escape).
_UNIT_IN_CGROUP = re.compile(r"/_?(?P<unit>[^/]+\.(?:service|scope|socket))(?:/|$)")
_OF_USER = re.compile(r"/user@[0-9]+\.service(?=/)")
_INIT_SCOPE = "/init.scope"


class ProcessStatus(NamedTuple):
    """The identity and privileges of a process or thread; capabilities by name."""

    name: str
    parent: int
    uid: int
    # Real, effective, saved set and file system: what it can make its effective one without a privilege.
    uids: tuple[int, ...]
    effective: tuple[str, ...]
    permitted: tuple[str, ...]
    ambient: tuple[str, ...]
    # What it and whatever it starts may ever gain.
    bounding: tuple[str, ...]
    no_new_privs: bool

    @property
    def is_root(self) -> bool:
        """Whether it is root, or can become so by setresuid(2)."""
        return 0 in self.uids


def parse_status(text: str) -> ProcessStatus:
    """/proc/PID/status. The uid is the effective one. Raises UnknownFormat where a field is missing."""
    fields: dict[str, str] = dict(line.split(":\t", 1) for line in text.split("\n") if ":\t" in line)
    try:
        uids = tuple(int(word) for word in fields["Uid"].split())
        return ProcessStatus(
            name=fields["Name"],
            parent=int(fields["PPid"]),
            uid=uids[1],
            uids=uids,
            effective=_names(fields["CapEff"]),
            permitted=_names(fields["CapPrm"]),
            ambient=_names(fields["CapAmb"]),
            bounding=_names(fields["CapBnd"]),
            no_new_privs=fields["NoNewPrivs"].strip() == "1",
        )
    except (KeyError, ValueError, IndexError) as failure:
        raise UnknownFormat(f"/proc/PID/status is unlike proc_pid_status(5): {failure}") from failure


def parse_groups(text: str) -> dict[str, tuple[int, ...]]:
    """The lines Gid: and Groups: of /proc/PID/status. Raises UnknownFormat where one is missing."""
    fields = dict(line.split(":\t", 1) for line in text.split("\n") if ":\t" in line)
    try:
        return {name: tuple(int(word) for word in fields[name].split()) for name in ("Gid", "Groups")}
    except (KeyError, ValueError) as failure:
        raise UnknownFormat(f"/proc/PID/status is unlike proc_pid_status(5): {failure}") from failure


def _names(mask: str) -> tuple[str, ...]:
    return tuple(name_of(number) for number in sorted(parse_mask(mask.strip())))


def parse_cgroup(text: str, *, init: str = "") -> str:
    """The systemd unit that /proc/PID/cgroup places a process in, '' for none.

    init is the same file of process 1: where the engine of a container shows its own control groups, systemd's begin
    below that one's. Version 2 is the line 0::PATH; on version 1 systemd's own hierarchy is name=systemd.
    """
    return next((match["unit"] for path in _places(text, init) for match in _UNIT_IN_CGROUP.finditer(path)), "")


def parse_user_cgroup(text: str, *, init: str = "") -> str:
    """The unit of a user's systemd that /proc/PID/cgroup places a process in, '' for none; as parse_cgroup().

    Whoever reads it has to look whose systemd that is: users name their control groups as they like.
    """
    below = (path[match.end() :] for path in _places(text, init) for match in [_OF_USER.search(path)] if match)
    return next((match["unit"] for path in below for match in _UNIT_IN_CGROUP.finditer(path)), "")


def _places(text: str, init: str) -> list[str]:
    """The control groups in which systemd may have put a process, as paths below its own."""
    paths, of_init = _paths(text), _paths(init)
    return [_below(paths.get(it, ""), of_init.get(it, "")) for it in ("", "name=systemd")]


def _paths(text: str) -> dict[str, str]:
    # Users can name control groups with any character but a newline, which splitlines() would not respect.
    return dict(line.split(":", 2)[1:] for line in text.split("\n") if line.count(":") >= 2)


def _below(path: str, init: str) -> str:
    """The path as it is below systemd's own root, which holds init.scope (systemd.special(7))."""
    root = init[: -len(_INIT_SCOPE)] if init.endswith(_INIT_SCOPE) else init
    return path[len(root) :] if path.startswith(f"{root}/") else path
