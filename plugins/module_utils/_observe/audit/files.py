# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files with capabilities on a host, and what tells whose they are."""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.files import CapableFile
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.filesystems import (
    Mount,
    parse_mountinfo,
    walk_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import Skipped
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import ProgramFile
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.program import observe_program

_VOLATILE = ("tmpfs", "ramfs")


class Files(NamedTuple):
    """The files, and what was left out of the search."""

    capable: Tuple[CapableFile, ...]
    skipped: Tuple[Skipped, ...]


def look(host: Host, *, executed_by: Mapping[str, Sequence[str]], seconds: float) -> Files:
    """Every file with capabilities; executed_by are the units that execute each path, links resolved."""
    mounts = parse_mountinfo(host.read("/proc/self/mountinfo") or "")
    walk = walk_of(mounts, filesystems=host.read("/proc/filesystems") or "")
    tops = tuple(it.path for it in walk.tops)
    found = host.capable_files(tops, ends=frozenset(walk.ends), seconds=seconds)
    late = (Skipped(it, f"the search did not end within {seconds:g} seconds") for it in found.late)
    closed = (Skipped(it, "the folder cannot be read by the user who looks") for it in found.closed)
    return Files(
        capable=tuple(_files(host, found.found, walk.tops, executed_by)),
        skipped=(*walk.skipped, *late, *closed),
    )


def _files(
    host: Host, found: Sequence[Tuple[str, bytes]], tops: Sequence[Mount], executed_by: Mapping[str, Sequence[str]]
) -> Iterator[CapableFile]:
    for path, attribute in found:
        # The deepest mount point that it is below.
        below = [it for it in tops if f"{path}/".startswith(f"{it.path.rstrip('/')}/")]
        mount = max(below, key=lambda it: len(it.path), default=None)
        yield CapableFile(
            path=path,
            attribute=attribute,
            program=_program(host, path),
            volatile=mount is not None and mount.kind in _VOLATILE,
            units=tuple(executed_by.get(path, ())),
        )


def _program(host: Host, path: str) -> ProgramFile | None:
    try:
        with host.open_regular(path) as file:
            return observe_program(file, host=host)
    except (PrivportError, OSError):
        return None
