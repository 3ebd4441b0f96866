# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command line comes to execute: through env(1), sudo(8), runuser(1), a shell and their like."""

from __future__ import annotations

import posixpath
import shlex
from typing import Mapping, NamedTuple, Sequence

_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh", "rbash")
# Beyond these a shell does more than to execute one program.
_SHELL_SYNTAX = set(";|&<>()`\n{}*?[]")
_MOST_WRAPPERS = 8


class _Wrapper(NamedTuple):
    """How a program that executes another one is told so.

    valued are the options that take a word of their own, flags those that take none; user is the option that names
    the user to change to; positional are the words before the command, of which 'user' names the user and 'command'
    is a line for a shell; settings tells that NAME=VALUE may stand before the command; login are the flags with which
    it takes the environment away, always says that it does so without any.
    """

    flags: tuple[str, ...] = ()
    valued: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    shell_line: tuple[str, ...] = ()
    program: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()
    settings: bool = False
    login: tuple[str, ...] = ()
    always: bool = False


_SU = _Wrapper(
    flags=("-m", "-p", "--preserve-environment"),
    login=("-", "-l", "--login"),
    valued=("-s", "--shell", "-g", "--group"),
    shell_line=("-c", "--command"),
    positional=("user",),
)
WRAPPERS: Mapping[str, _Wrapper] = {
    "env": _Wrapper(flags=("-S", "-v"), login=("-i", "-", "--ignore-environment"), valued=("-u", "-C"), settings=True),
    "nice": _Wrapper(valued=("-n",)),
    "ionice": _Wrapper(flags=("-t",), valued=("-c", "-n")),
    "nohup": _Wrapper(),
    "setsid": _Wrapper(flags=("-c", "-w", "--wait")),
    "stdbuf": _Wrapper(valued=("-i", "-o", "-e")),
    "timeout": _Wrapper(flags=("--foreground",), valued=("-k", "-s"), positional=("duration",)),
    "sudo": _Wrapper(
        flags=("-n", "-E", "-H"), valued=("-g", "--group"), user=("-u", "--user"), settings=True, always=True
    ),
    "runuser": _Wrapper(
        flags=_SU.flags,
        login=_SU.login,
        valued=("-s", "--shell", "-g", "--group", "-G"),
        user=("-u", "--user"),
        shell_line=_SU.shell_line,
        positional=("user unless named",),
    ),
    "su": _SU,
    "setpriv": _Wrapper(
        flags=("--init-groups", "--clear-groups", "--keep-groups"),
        valued=("--regid", "--groups"),
        user=("--reuid",),
    ),
    "start-stop-daemon": _Wrapper(
        flags=("--start", "-S", "--quiet", "-q", "--oknodo", "-o"),
        valued=("--pidfile", "-p", "--chdir", "-d", "--group", "-g", "--name", "-n"),
        user=("--chuid", "-c"),
        program=("--exec", "-x", "--startas", "-a"),
    ),
    "chpst": _Wrapper(valued=("-o", "-n", "-d", "-m"), user=("-u",)),
    "setuidgid": _Wrapper(positional=("user",)),
    "s6-setuidgid": _Wrapper(positional=("user",)),
    "gosu": _Wrapper(positional=("user",)),
}


class Launch(NamedTuple):
    """program is the path or the name of what is executed in the end, '' where that cannot be told.

    user is the one that a wrapper changes to, '' for none; wrappers are the base names of all before the program;
    environment tells whether it gets what the first one got, LD_PRELOAD included.
    """

    program: str
    user: str = ""
    wrappers: tuple[str, ...] = ()
    environment: bool = True


def follow(words: Sequence[str]) -> Launch:
    """What the words of a command come to. Total: what is not understood has no program."""
    user, environment = "", True
    wrappers: list[str] = []
    rest = list(words)
    while rest and len(wrappers) < _MOST_WRAPPERS:
        name = posixpath.basename(rest[0])
        if name in _SHELLS and len(rest) > 2 and rest[1] in ("-c", "-lc", "-ec"):
            rest = _of_shell(rest[2])
        elif name in WRAPPERS:
            step = _Step(WRAPPERS[name], rest[1:])
            rest = step.command()
            user, environment = step.user or user, environment and step.environment
        else:
            break
        wrappers.append(name)
    program = rest[0] if rest and not set(rest[0]) & set("$%\"'") else ""
    return Launch(program=program, user=user.partition(":")[0], wrappers=tuple(wrappers), environment=environment)


def _of_shell(line: str) -> list[str]:
    """The words of a line that executes one program, else none."""
    if set(line) & _SHELL_SYNTAX:
        return []
    try:
        words = shlex.split(line)
    except ValueError:
        return []
    while words and (words[0] == "exec" or "=" in words[0]):
        words = words[1:]
    return words


class _Step:
    """One wrapper's words, taken one by one."""

    def __init__(self, wrapper: _Wrapper, words: list[str]) -> None:
        self.user = ""
        self.environment = not wrapper.always
        self._wrapper = wrapper
        self._rest = words
        self._waiting = list(wrapper.positional)
        self._line = self._program = ""

    def command(self) -> list[str]:
        """The words of what it executes; none where an option is not known."""
        while self._rest:
            word = self._rest.pop(0)
            if word == "--":
                break
            if not self._is_option(word) and not self._is_positional(word):
                self._rest.insert(0, word)
                break
        if self._program:
            return [self._program]
        if self._line:
            return _of_shell(self._line)
        return [] if self._rest[:1] and self._rest[0].startswith("-") else self._rest

    def _is_option(self, word: str) -> bool:
        wrapper = self._wrapper
        if word in wrapper.flags + wrapper.login:
            self.environment = self.environment and word not in wrapper.login
            return True
        option, equals, value = word.partition("=")
        kinds = {"valued": wrapper.valued, "user": wrapper.user, "line": wrapper.shell_line, "exec": wrapper.program}
        kind = next((name for name, options in kinds.items() if option in options), "")
        if not kind:
            return wrapper.settings and bool(equals) and not word.startswith("-")
        taken = value if equals else (self._rest.pop(0) if self._rest else "")
        self.user = taken if kind == "user" else self.user
        self._line = taken if kind == "line" else self._line
        self._program = taken if kind == "exec" else self._program
        return True

    def _is_positional(self, word: str) -> bool:
        if not self._waiting or word.startswith("-") or (self._waiting[0] == "user unless named" and self.user):
            return False
        if self._waiting.pop(0).startswith("user"):
            self.user = word
        return True
