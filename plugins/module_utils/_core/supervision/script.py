# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that a script comes to execute: run scripts of supervisors, and init scripts.

What is not understood has no words: then the running process tells.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import Dict, List, Mapping, Sequence, Tuple

_SHELLS = ("sh", "bash", "dash", "ash", "busybox", "ksh", "zsh")
_ASSIGNMENT = re.compile(r"(?:export\s+|readonly\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)")
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(rf"\$(?:\{{(?P<braced>{_NAME})(?::?-(?P<default>[^}}]*))?\}}|(?P<plain>{_NAME}))")
_REDIRECTION = re.compile(r"[0-9]*(?:>>?|<)(?:&[0-9-]+|[^&].*)?")
_SYNTAX = re.compile(r"[;|`(){}]|(?<![0-9><])&|<<")
_STARTS = re.compile(r"start-stop-daemon\s(?=.*(?:--start\b|\s-S\b))(?!.*--test\b)")
_NEXT_COMMAND = re.compile(r"\s(?:\|\||&&|\|)|;")
# execline: what each takes before the command that it executes, in words, and its flags.
_EXECLINE = {
    "fdmove": (2, ("-c",)),
    "fdclose": (1, ()),
    "cd": (1, ()),
    "umask": (1, ()),
    "export": (2, ()),
    "unexport": (1, ()),
    "s6-setsid": (0, ("-q", "-b", "-f", "-g")),
    "exec": (0, ("-c",)),
}


def command_of(text: str, *, path: str) -> Tuple[str, ...]:
    """The words of what a run script executes in the end; the script itself where no shell reads it."""
    head = text.split("\n", 1)[0]
    if not head.startswith("#!"):
        return (path,)
    words = [posixpath.basename(word) for word in head[2:].split() if not word.startswith("-")]
    name = next(iter(words[1:] if words[:1] == ["env"] else words), "")
    if name == "execlineb":
        return _of_execline(text)
    return _of_shell(text) if name in _SHELLS else (path,)


def assignments(text: str) -> Dict[str, str]:
    """The variables that lines of a shell script set to plain words, the last value of each."""
    found: Dict[str, str] = {}
    for line in _lines(text):
        match = _ASSIGNMENT.fullmatch(line)
        words = _split(match["value"]) if match else []
        if match and len(words) <= 1:
            found[match["name"]] = _expanded("".join(words), found)
    return found


def daemon_command(text: str, variables: Mapping[str, str]) -> Tuple[str, ...]:
    """The words of the one start-stop-daemon(8) that an init script starts its daemon by; none where there are more."""
    begun = ((line, _STARTS.search(line)) for line in _lines(text))
    found = {_NEXT_COMMAND.split(line[it.start() :])[0] for line, it in begun if it}
    return tuple(_plain(_expanded(found.pop(), variables))) if len(found) == 1 else ()


def quoted(words: Sequence[str]) -> str:
    """The words as one line that systemd.syntax(7) takes apart again."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if word and not set(word) & set(" \t\n\"'\\;"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _lines(text: str) -> List[str]:
    lines = (line.strip() for line in text.replace("\\\n", " ").split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def _of_shell(text: str) -> Tuple[str, ...]:
    lines = _lines(text)
    # A bare exec moves the script's own files.
    executed = [line[len("exec ") :] for line in lines if line.startswith("exec ") and _plain(line[len("exec ") :])]
    if len(executed) > 1 or not lines:
        return ()
    line = _expanded(executed[0] if executed else lines[-1], assignments(text))
    return () if _SYNTAX.search(line) else tuple(_plain(line))


def _expanded(line: str, variables: Mapping[str, str]) -> str:
    """The line with the values of variables that are known."""
    return _VARIABLE.sub(
        lambda it: variables.get(it["braced"] or it["plain"]) or it["default"] or it[0],
        line,
    )


def _split(line: str) -> List[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []


def _plain(line: str) -> List[str]:
    """The words without redirections."""
    kept: List[str] = []
    words = _split(line)
    while words:
        word = words.pop(0)
        if _REDIRECTION.fullmatch(word) is None:
            kept.append(word)
        elif word.endswith((">", "<")):
            del words[:1]
    return kept


def _of_execline(text: str) -> Tuple[str, ...]:
    words = _split(" ".join(_lines(text)))
    while words and words[0] in _EXECLINE:
        count, flags = _EXECLINE[words.pop(0)]
        while words and words[0] in flags:
            words.pop(0)
        words = words[count:]
    return () if "{" in words else tuple(words)
