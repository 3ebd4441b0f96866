# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the task of a single module changes on a host: brought, read back, and taken back where that fails."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._apply import managed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.changes import as_desired
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import is_script
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    PrivportError,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host


class Applied(NamedTuple):
    """Whether something was to be done, and how diff mode shows it."""

    changed: bool
    diffs: List[Dict[str, str]]


def apply(
    host: Host,
    wanted: Desired,
    *,
    check_mode: bool,
    anew: bool = False,
    verify: Callable[[], None] = lambda: None,
    between: Callable[[], None] = lambda: None,
    waiting: Sequence[str] = (),
) -> Applied:
    """Bring the resources to what is wanted and read them back; in check mode only tell what that changes.

    anew: what is in place is not in force (managed.Way). verify raises HostError where what is there then is not;
    between see managed.bring(). waiting are units that only a start of their service starts, also when the change is
    taken back. Raises Refused before anything is changed, and HostError; then the resources are what they were before,
    or it says which are not.
    """
    way = managed.way(host, wanted, anew=anew)
    if not way.is_done and not check_mode:
        try:
            attempts = managed.Attempts(undoing=False)
            managed.bring(host, way, attempts=attempts, between=between, stop_first=True)
            _require(host, wanted)
            verify()
        except Refused:
            # A program does not take its configuration, of which it is asked before anything else is done.
            raise
        except PrivportError as failure:
            raise HostError(f"{failure}{_take_back(host, way, str(failure), waiting=waiting)}") from failure
    return Applied(changed=not way.is_done, diffs=way.diffs)


def _require(host: Host, wanted: Desired) -> None:
    """Raises HostError where the resources are not what is wanted."""
    now = managed.look(host, [wanted])
    for it in wanted.settings:
        found = now.settings.get(it.path, it)
        if found != it:
            raise HostError(f"{it.path} is {found.value} after {it.value} was written; look what else sets it")
    paths = managed.differing(now, wanted)
    if paths:
        raise HostError(f"{paths[0]} reads back otherwise than written; find out what else writes there")
    unserved = next((it for it in wanted.reloads if it not in now.reloads), None)
    if unserved is not None:
        served = "does not serve" if unserved.held else "still serves"
        raise HostError(f"{unserved.unit} {served} port {unserved.port}; see journalctl -u {unserved.unit}")
    silent = next((name for name in wanted.running if not now.units[name].works), "")
    if silent:
        advice = f"systemctl status {silent} and journalctl -u {silent}"
        said = "what it wrote to the system log" if is_script(silent) else advice
        raise HostError(f"{silent} does not run; see {said}")


def _take_back(host: Host, way: managed.Way, why: str, *, waiting: Sequence[str]) -> str:
    """Undo what was done, and tell how that went; '' where no resource was to become another."""
    before, attempts = as_desired(way.now), managed.Attempts(undoing=True)
    before = before._replace(running=tuple(name for name in before.running if name not in waiting))
    try:
        back = managed.Way(managed.look(host, [before]), before)
        managed.bring(host, back, attempts=attempts, stop_first=True)
        left = managed.differing(managed.look(host, [before]), before)
    except PrivportError as failure:
        return f"; the change could not be taken back: {failure}"
    failed = "; ".join(attempts.failed)
    if left:
        return f"; the change could not be taken back: {failed or ', '.join(left)}"
    if failed == why:
        return "; the change was taken back as far as that allows"
    if failed:
        return f"; the change was taken back, but {failed}"
    return "; the change was taken back" if way.changes else ""
