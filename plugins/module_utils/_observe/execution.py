# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service's user can execute its program in its unit: what execve(2) will say, asked beforehand."""

from __future__ import annotations

import posixpath
from typing import Iterator, Mapping, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind import rules as authbind
from ansible_collections.netbind.privport.plugins.module_utils._core.capability import executable
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.executable import Executable
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Account
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command import follow
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.namespace import (
    Files,
    Namespace,
    Place,
    namespace,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import search_path
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

# fs/exec.c, exec_binprm(): a program behind more scripts than these is refused with ELOOP.
MOST_SCRIPTS = 5
_PRELOAD = "/usr/lib/authbind/libauthbind.so.1"
_BINARY_FORMATS = "/proc/sys/fs/binfmt_misc"
# DynamicUser= takes a user of this range (systemd.exec(5)).
_DYNAMIC = 61184


class Runner(NamedTuple):
    """Who executes, and where: uid is None where that cannot be told."""

    name: str
    uid: int | None
    gids: tuple[int, ...]
    namespace: Namespace
    search_path: tuple[str, ...]
    # Whether the programs that it starts look for others there, too: the unit sets no PATH of its own.
    path_known: bool


def runner(host: Host, *, properties: Mapping[str, str], account: Account | None) -> Runner:
    """The user of a unit, or of a service without one (no properties), in the unit's namespace."""
    seen = namespace(properties, files=Files(exists=lambda path: host.status(path) is not None, resolve=host.resolve))
    plain = Runner(
        name="",
        uid=None,
        gids=(),
        namespace=seen,
        search_path=search_path(properties),
        path_known=bool(properties) and "PATH" not in properties.get("Environment", "").split(),
    )
    if account is not None:
        gids = (account.gid, *(gid for gid in account.groups if gid != account.gid))
        return plain._replace(name=f"user {account.name}", uid=account.uid, gids=gids)
    if properties.get("DynamicUser") == "yes":
        return plain._replace(name="its dynamic user", uid=_DYNAMIC, gids=(_DYNAMIC,))
    return plain


def place(host: Host, path: str, *, seen: Namespace) -> Place:
    return seen.place(path, link_target=host.link_target)


def find(host: Host, name: str, *, by: Runner) -> str:
    """The path of a program that a command names, with or without a slash; the name itself where it is not found."""
    if not name or "/" in name:
        return name
    paths = (f"{folder}/{name}" for folder in by.search_path)
    return next((path for path in paths if not hides(host, place(host, path, seen=by.namespace))), name)


def why_not(host: Host, path: str, *, by: Runner) -> str:
    """Why executing path fails, for itself or for what it needs to be loaded; '' where nothing is seen."""
    # Who is not root does not see all that root sees.
    if by.namespace.image or host.effective_uid() != 0:
        return ""
    scripts = 0
    waiting = [path] if path else []
    while waiting:
        needed = waiting.pop(0)
        if "/" not in needed:
            lost = needed if needed == path else f"{path} needs {needed}, which"
            return f"{lost} is in none of the folders {':'.join(by.search_path)}"
        found = place(host, needed, seen=by.namespace)
        closed = _closed(host, found, by=by)
        if closed:
            return closed if needed == path else f"{path} needs {needed}: {closed}"
        program = parse(host, found.outer)
        scripts += program is not None and program.form == executable.SCRIPT
        if scripts > MOST_SCRIPTS:
            return f"{path} is a script of a script, more than {MOST_SCRIPTS} deep, which the kernel refuses"
        if program is not None and not _loads(host, program):
            return f"{needed} is no program of this machine's architecture"
        waiting.extend(_next(host, program, by=by))
    return ""


def _next(host: Host, program: Executable | None, *, by: Runner) -> list[str]:
    """What the kernel loads next, and what that executes; a name without a slash is one that was not found."""
    if program is None or not (program.interpreter or program.loader):
        return []
    launch = follow(program.interpreter)
    behind = [find(host, launch.program, by=by)] if launch.wrappers and launch.program and by.path_known else []
    return [program.interpreter[0] if program.interpreter else program.loader, *behind]


def _closed(host: Host, found: Place, *, by: Runner) -> str:
    hidden = hides(host, found)
    if hidden:
        return hidden
    if found.noexec:
        return f"{found.noexec} forbids to execute {found.path}"
    if by.uid is None:
        return ""
    steps = tuple(_steps(found.outer, base=found.base))
    may = host.may_execute(steps, uid=by.uid, gids=by.gids, base=found.base) or ()
    return next((_refusal(host, step, by=by) for step, allowed in zip(steps, may) if not allowed), "")


def hides(host: Host, found: Place) -> str:
    """Why there is nothing at a place, '' where there is something."""
    if not found.outer:
        return f"{found.setting} hides {found.path} from the unit"
    if host.status(found.outer) is None:
        return f"{found.path} does not exist" + (f" below {found.setting}" if found.setting else "")
    return ""


def _steps(path: str, *, base: str) -> Iterator[str]:
    """The folders from below base down to path, and path itself."""
    step = base.rstrip("/")
    for name in path[len(step) :].strip("/").split("/"):
        step = f"{step}/{name}" if name else step or "/"
        yield step


def _refusal(host: Host, path: str, *, by: Runner) -> str:
    status = host.status(path)
    if host.noexec(path) and posixpath.dirname(path) != path:
        return f"{path} is on a mount with the option noexec"
    mode = f"mode {status.permissions:04o}" if status else "closed"
    return f"{by.name} may not execute or search {path} ({mode})"


def parse(host: Host, path: str) -> Executable | None:
    try:
        with host.open_regular(path) as file:
            return executable.parse(file.read_at)
    except HostError:
        return None


def _loads(host: Host, program: Executable) -> bool:
    """Whether the kernel knows the format; everything counts as known where others are registered with it."""
    others = set(host.names_in(_BINARY_FORMATS)) - {"register", "status"}
    return bool(others) or executable.runs_on(program, machine=host.machine())


def authbind_closed(host: Host, program: str, *, by: Runner) -> str:
    """Why authbind does not work for the service's user in its unit although it does on the host."""
    # What an image brings is not to be seen.
    if by.namespace.image or host.effective_uid() != 0:
        return ""
    reasons = [
        *(_another(host, path, by=by) for path in (program, authbind.HELPER, _PRELOAD, authbind.FOLDERS[0])),
        *(why_not(host, path, by=by) for path in (program, authbind.HELPER)),
        f"{_PRELOAD} is on a mount with the option noexec" if host.noexec(_PRELOAD) else "",
    ]
    return next((reason for reason in reasons if reason), "")


def _another(host: Host, path: str, *, by: Runner) -> str:
    """Why the unit does not have the host's file at path, or not to execute; '' where it has."""
    found = place(host, path, seen=by.namespace)
    hidden = hides(host, found)
    if hidden or found.noexec:
        return hidden or f"{found.noexec} forbids to execute {path}"
    same = host.resolve(found.outer) == host.resolve(path)
    return "" if same else f"{found.setting} puts another {path} before the unit than the host's"
