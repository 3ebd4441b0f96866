# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files, units and init scripts of the collection's own on a host: looked at, written and removed."""

from __future__ import annotations

import posixpath
from typing import Callable, Optional, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import own_units
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    SCRIPT_FOLDER,
    File,
    Installation,
    Installed,
    Plan,
    is_own,
    is_script,
    plan,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

# The folders that are there for others too.
_SHARED = (UNIT_FOLDER, SCRIPT_FOLDER)
# What looks for what the kernel holds; None where it cannot be looked at.
Kernel = Callable[[Host], Optional[Tuple[str, ...]]]


def _nothing(host: Host) -> Tuple[str, ...]:
    return ()


def look(host: Host, *, paths: Sequence[str], names: Sequence[str], kernel: Kernel = _nothing) -> Installed:
    """What is at these paths and of the units of these names: of systemd's only where that runs the host."""
    found = [(path, _file(host, path)) for path in paths]
    states = own_units.states(host, names)
    return Installed(
        paths=tuple(paths),
        units=tuple(names),
        files=tuple(file for _path, file in found if file is not None),
        foreign=tuple(path for path, file in found if file is None and host.status_of_itself(path) is not None),
        leftovers=tuple(left for path in paths for left in host.leftovers(path)),
        active=tuple(name for name in names if states[name].active in ("active", "reloading")),
        unread=tuple(name for name in names if states[name].unread),
        daemons=tuple(it.daemon for it in states.values() if it.daemon is not None),
        kernel=kernel(host),
    )


def _file(host: Host, path: str) -> File | None:
    """The collection's own file at path; None where there is none."""
    target = host.link_target(path)
    if target is not None:
        # Links are to units of our names, and are told apart by their own.
        return File(path=path, target=target) if ".wants/" in path else None
    text, status = host.unit_file(path) or "", host.status_of_itself(path)
    return File(path=path, text=text, mode=status.permissions) if status is not None and is_own(text) else None


def apply(host: Host, planned: Plan, *, kernel: Kernel = _nothing) -> None:
    """Write, start, stop and remove what is planned, and look whether it is so.

    Raises HostError; then everything is as it was before, or the error says what is not.
    """
    found, wanted = planned.found, planned.wanted
    try:
        _bring(host, planned)
        now = look(host, paths=found.paths, names=found.units, kernel=kernel)
        if not wanted.is_complete(now):
            raise HostError(_incomplete(now, wanted))
    except PrivportError as failure:
        try:
            before = Installation(files=found.files, units=found.active, kernel=found.kernel or ())
            _bring(host, plan(look(host, paths=found.paths, names=found.units, kernel=kernel), before))
        except PrivportError as second:
            raise HostError(f"{failure}; what was changed could not be taken back: {second}") from failure
        raise


def _incomplete(now: Installed, wanted: Installation) -> str:
    silent = [name for name in wanted.units if name not in now.active]
    if silent and is_script(silent[0]):
        return f"{silent[0]} does not run; see what it wrote to the system log"
    if silent:
        return f"{silent[0]} does not run; see systemctl status {silent[0]} and journalctl -u {silent[0]}"
    if not wanted.is_in_force(now):
        return f"the kernel does not hold what {now.units[0]} loads; find out what else changes it"
    return f"{', '.join(now.paths)} are not what was written; find out what else writes there"


def _bring(host: Host, planned: Plan) -> None:
    found, wanted = planned.found, planned.wanted
    changing = bool(planned.written or planned.removed) or not wanted.is_in_force(found)
    # A unit that runs with settings of an older file would look as if it had those of the new one.
    stopped = [name for name in found.active if changing or name not in wanted.units]
    own_units.stop(host, stopped)
    own_units.disable(host, [name for name in stopped if name not in wanted.units])
    for file in planned.written:
        _write(host, file)
    for path in found.paths:
        _finish(host, path, stays=path in [it.path for it in wanted.files])
    *first_to_go, last = planned.removed or ("",)
    for path in first_to_go:
        _remove(host, path)
    unread = [name for name in found.unread if not is_script(name)]
    if _concern_systemd([*(it.path for it in planned.written), *planned.removed]) or unread:
        host.run(["systemctl", "daemon-reload"]).checked()
    if last:
        _remove(host, last)
    own_units.start(host, wanted.units)


def _finish(host: Host, path: str, *, stays: bool) -> None:
    """Bring a change to an end that a killed run left; the folder that is only for a file goes with it."""
    left, folder = host.leftovers(path), posixpath.dirname(path)
    if left and stays:
        host.discard(left)
    elif left:
        _remove(host, path)
    elif not stays and folder not in _SHARED and host.status_of_itself(folder) and not host.names_in(folder):
        host.remove_folder_if_empty(folder)


def _write(host: Host, file: File) -> None:
    if file.target:
        host.make_folder(posixpath.dirname(file.path))
        host.link(file.path, target=file.target)
    else:
        host.write(file.path, content=file.text, mode=file.mode)


def _remove(host: Host, path: str) -> None:
    host.remove(path, with_folder=posixpath.dirname(path) not in _SHARED)


def _concern_systemd(paths: Sequence[str]) -> bool:
    return any(path.startswith(f"{UNIT_FOLDER}/") for path in paths)
