# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying things as another user, in a child that stays for more of them; a part of the seam to the machine.

A fork costs more than what is tried. A child that nobody asks any more ends with this process, or by dismiss().
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
from typing import Any, Callable, Dict, List, NamedTuple, NoReturn, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._host import netns

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_WILDCARDS = {"ipv4": "0.0.0.0", "ipv6": "::"}
# More children than a look at some services needs are not kept.
_MOST = 32


class _Child(NamedTuple):
    """A process that is somebody else, and the pipes to it and from it."""

    pid: int
    requests: int
    answers: int


# By the user, its groups, the folder that it begins in, and the network namespace.
_Who = Tuple[int, Tuple[int, ...], str, Any]
_children: Dict[_Who, _Child] = {}


def may_execute(paths: Sequence[str], *, uid: int, gids: Sequence[int], folder: str) -> Tuple[bool, ...] | None:
    """access(2) with X_OK for each of these paths, which begin in the folder; None where it cannot be tried."""
    answer = _ask(uid, gids, folder, ("may_execute", list(paths)))
    return None if answer is None else tuple(answer)


def bind(port: int, *, protocol: str, family: str, uid: int) -> str:
    """bind(2) the wildcard address, without groups and capabilities; '' or the name of an errno."""
    answer = _ask(uid, (), "/", ("bind", port, protocol, family))
    return "EIO" if answer is None else str(answer)


def dismiss() -> None:
    """End all children."""
    while _children:
        _who, child = _children.popitem()
        os.close(child.requests)
        os.close(child.answers)
        os.waitpid(child.pid, 0)


def _ask(uid: int, gids: Sequence[int], folder: str, request: Sequence[Any]) -> Any:
    who = (uid, tuple(gids), folder, netns.identity(netns.OWN_NETWORK))
    if who not in _children:
        if len(_children) >= _MOST:
            dismiss()
        _children[who] = _start(uid, gids, folder)
    child = _children[who]
    try:
        os.write(child.requests, json.dumps(request).encode() + b"\n")
        said = _line(child.answers)
    except BrokenPipeError:
        said = b""
    if not said:
        dismiss()
    return json.loads(said) if said else None


def _line(descriptor: int) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            return b""
        found += piece
    return found


def _start(uid: int, gids: Sequence[int], folder: str) -> _Child:
    requests, answers = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _serve(requests[0], answers[1], uid=uid, gids=gids, folder=folder)
    os.close(requests[0])
    os.close(answers[1])
    return _Child(pid=pid, requests=requests[1], answers=answers[0])


def _serve(requests: int, answers: int, *, uid: int, gids: Sequence[int], folder: str) -> NoReturn:
    """Become the user, and do what is asked until nobody asks any more."""
    try:
        # What others wait for the end of, such as a lock, must not stay open here.
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            if descriptor not in (requests, answers):
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        os.chdir(folder)
        os.setgroups(list(gids))
        own = gids[0] if gids else uid
        os.setresgid(own, own, own)
        os.setresuid(uid, uid, uid)
        while True:
            asked = _line(requests)
            if not asked:
                break
            name, *arguments = json.loads(asked)
            os.write(answers, json.dumps(_DEEDS[name](*arguments)).encode() + b"\n")
    finally:
        os._exit(0)


def _access(paths: Sequence[str]) -> List[bool]:
    return [os.access(path, os.X_OK) for path in paths]


def _bind(port: int, protocol: str, family: str) -> str:
    try:
        with socket.socket(_FAMILIES[family], _KINDS[protocol]) as candidate:
            # The wildcard: an address that the host has no more would fail before the privilege is looked at.
            candidate.bind((_WILDCARDS[family], port))
    except OSError as failure:
        return errno.errorcode.get(failure.errno or 0, type(failure).__name__)
    return ""


_DEEDS: Dict[str, Callable[..., Any]] = {"may_execute": _access, "bind": _bind}
