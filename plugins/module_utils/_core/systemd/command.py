# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command line comes to execute: through env(1), sudo(8), runuser(1), a shell and their like."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import Mapping, NamedTuple, Sequence

_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh", "rbash")
# Beyond these a shell does more than to execute one program.
_SHELL_SYNTAX = set(";|&<>()`\n{}*?[]")
# A shell's options (dash(1), bash(1)): those that take a word of their own, those that take none, and what tells that
# the first other word is a line to execute.
_LETTERS = "[abefhiklmnprtuvxBCEHPT]"
_SHELL_VALUED = re.compile(rf"[-+]{_LETTERS}*[oO]|--rcfile|--init-file")
_SHELL_FLAG = re.compile(rf"[-+]{_LETTERS}+|--(?:login|noprofile|norc|posix|restricted|verbose)")
_SHELL_COMMAND = re.compile(rf"-{_LETTERS}*c{_LETTERS}*")
_MOST_WRAPPERS = 8


class _Wrapper(NamedTuple):
    """How a program that executes another one is told so.

    valued are the options that take a word of their own, flags those that take none; user is the option that names
    the user to change to; positional are the words before the command, of which 'user' names the user and 'command'
    is a line for a shell; settings tells that NAME=VALUE may stand before the command; login are the flags with which
    it takes the environment away, always says that it does so without any. options tells that whatever begins with
    '-' is an option of one word. own_users are the flags by which the program gets a user namespace of its own.
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
    options: bool = False
    own_users: tuple[str, ...] = ()


_SU = _Wrapper(
    flags=("-m", "-p", "--preserve-environment"),
    login=("-", "-l", "--login"),
    valued=("-s", "--shell", "-g", "--group"),
    shell_line=("-c", "--command"),
    positional=("user",),
)
# From here on a program that itself binds may be behind another one.
WRAPPERS: Mapping[str, _Wrapper] = {
    "env": _Wrapper(flags=("-S", "-v"), login=("-i", "-", "--ignore-environment"), valued=("-u", "-C"), settings=True),
    "nice": _Wrapper(valued=("-n", "--adjustment"), options=True),
    "ionice": _Wrapper(flags=("-t", "--ignore"), valued=("-c", "-n", "--class", "--classdata")),
    "nohup": _Wrapper(),
    "setsid": _Wrapper(flags=("-c", "-f", "-w", "--ctty", "--fork", "--wait")),
    "stdbuf": _Wrapper(valued=("-i", "-o", "-e", "--input", "--output", "--error")),
    "timeout": _Wrapper(
        flags=("--foreground", "--preserve-status", "-v", "--verbose"),
        valued=("-k", "-s", "--kill-after", "--signal"),
        positional=("duration",),
    ),
    # util-linux: taskset(1), flock(1), chrt(1), prlimit(1), choom(1), setarch(8)
    "taskset": _Wrapper(flags=("-a", "-c", "--all-tasks", "--cpu-list"), positional=("mask",)),
    "flock": _Wrapper(
        flags=(
            *("-s", "-x", "-e", "-n", "-o", "-F", "--shared", "--exclusive", "--nonblock", "--nb", "--close"),
            *("--no-fork", "--verbose"),
        ),
        valued=("-w", "-E", "--timeout", "--wait", "--conflict-exit-code"),
        positional=("file",),
        shell_line=("-c", "--command"),
    ),
    "chrt": _Wrapper(
        flags=(
            *("-b", "-d", "-f", "-i", "-o", "-r", "-R", "-a", "-v", "--batch", "--deadline", "--fifo", "--idle"),
            *("--other", "--rr", "--reset-on-fork", "--all-tasks", "--verbose"),
        ),
        valued=("-T", "-P", "-D", "--sched-runtime", "--sched-period", "--sched-deadline"),
        positional=("priority",),
    ),
    "prlimit": _Wrapper(valued=("-o", "--output"), options=True),
    "choom": _Wrapper(valued=("-n", "--adjust")),
    **{name: _Wrapper(options=True) for name in ("linux32", "linux64", "i386", "x86_64")},
    "numactl": _Wrapper(
        valued=(
            *("-i", "-w", "-N", "-C", "-m", "-p", "-P", "--interleave", "--cpunodebind", "--physcpubind", "--membind"),
            *("--preferred", "--preferred-many", "--weighted-interleave"),
        ),
        options=True,
    ),
    # systemd-cat(1)
    "systemd-cat": _Wrapper(
        valued=(*("-t", "-p", "--identifier", "--priority", "--stderr-priority", "--level-prefix", "--namespace"),)
    ),
    **{name: _Wrapper(valued=("-p", "-e"), options=True) for name in ("tini", "tini-static")},
    "dumb-init": _Wrapper(valued=("-r", "--rewrite"), options=True),
    "dbus-run-session": _Wrapper(valued=("--config-file", "--dbus-daemon"), options=True),
    **{name: _Wrapper(options=True) for name in ("catatonit", "eatmydata")},
    "xvfb-run": _Wrapper(
        flags=("-a", "-l", "--auto-servernum", "--listen-tcp"),
        valued=(
            *("-e", "-f", "-n", "-p", "-s", "-w", "--error-file", "--auth-file", "--server-num", "--xauth-protocol"),
            *("--server-args", "--wait"),
        ),
    ),
    "cgexec": _Wrapper(flags=("--sticky",), valued=("-g",)),
    "aa-exec": _Wrapper(
        flags=("-d", "-f", "-i", "-v", "--debug", "--file", "--immediate", "--verbose"),
        valued=("-p", "-n", "--profile", "--namespace"),
    ),
    "authbind": _Wrapper(flags=("--deep",), valued=("--depth",)),
    # daemontools: softlimit(8), envdir(8), envuidgid(8), setlock(8), pgrphack(8)
    "softlimit": _Wrapper(valued=tuple(f"-{letter}" for letter in "adcfloprstm")),
    "envdir": _Wrapper(positional=("folder",)),
    "envuidgid": _Wrapper(positional=("account",)),
    "setlock": _Wrapper(flags=("-n", "-N", "-x", "-X"), positional=("file",)),
    "pgrphack": _Wrapper(),
    "sudo": _Wrapper(
        flags=("-n", "-E", "-H"), valued=("-g", "--group"), user=("-u", "--user"), settings=True, always=True
    ),
    "doas": _Wrapper(flags=("-n",), valued=("-C",), user=("-u",), always=True),
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
        flags=(
            *("--start", "-S", "--quiet", "-q", "--oknodo", "-o", "--background", "-b", "--make-pidfile", "-m"),
            *("--no-close", "-C", "--verbose", "-v", "--remove-pidfile"),
        ),
        valued=(
            *("--pidfile", "-p", "--chdir", "-d", "--group", "-g", "--name", "-n", "--user", "-u", "--umask", "-k"),
            *("--nicelevel", "-N", "--procsched", "-P", "--iosched", "-I", "--output", "-O", "--retry", "-R"),
        ),
        user=("--chuid", "-c"),
        program=("--exec", "-x", "--startas", "-a"),
    ),
    # runit: chpst(8). With -/ the program is of another root folder, and cannot be told.
    "chpst": _Wrapper(
        flags=("-v", "-P", "-0", "-1", "-2"),
        valued=("-U", "-b", "-e", "-C", "-n", "-l", "-L", *(f"-{letter}" for letter in "mdosapfcrt")),
        user=("-u",),
    ),
    "setuidgid": _Wrapper(positional=("user",)),
    "s6-setuidgid": _Wrapper(positional=("user",)),
    "s6-envdir": _Wrapper(flags=("-i", "-I", "-f", "-n", "-L"), valued=("-c",), positional=("folder",)),
    "s6-envuidgid": _Wrapper(flags=("-i", "-n", "-D", "-u", "-g", "-B"), positional=("account",)),
    "s6-softlimit": _Wrapper(flags=("-H", "-h"), valued=tuple(f"-{letter}" for letter in "acdflmoprst")),
    "s6-setlock": _Wrapper(flags=("-n", "-N", "-r", "-w"), valued=("-t", "-d"), positional=("file",)),
    "gosu": _Wrapper(positional=("user",)),
    # unshare(1)
    "unshare": _Wrapper(
        flags=("-f", "--fork", "-m", "--mount", "-n", "--net", "-p", "--pid", "-i", "--ipc", "-u", "--uts"),
        own_users=(
            *("-U", "--user", "-r", "--map-root-user", "-c", "--map-current-user", "--map-auto", "--keep-caps"),
            *("--map-user", "--map-users", "--map-group", "--map-groups"),
        ),
    ),
}
# What runs programs in a user namespace of its own wherever root does not start it, its command line a language of its
# own: bwrap(1), podman(1), flatpak(1) and their like.
_CONTAINERS = (
    *("bwrap", "podman", "buildah", "flatpak", "rootlesskit", "dockerd-rootless.sh", "apptainer", "singularity"),
    *("crun", "runc", "toolbox", "distrobox", "nerdctl", "pasta", "slirp4netns"),
)
# What asks somebody else to start the program, or does what cannot be told from here.
_OPAQUE = (
    *("systemd-run", "docker", "firejail", "chroot", "nsenter", "ip", "machinectl", "run0", "pkexec", "capsh"),
    *("setarch", "strace", "ltrace", "valgrind", "time", "faketime", "fakeroot", "proxychains", "proxychains4"),
    *("torsocks", "script", "unbuffer", "xargs", "chronic"),
)
# Programs whose business is to execute others, or to be many programs.
LAUNCHERS = (*WRAPPERS, *_CONTAINERS, *_OPAQUE, "busybox")


class Launch(NamedTuple):
    """program is the path or the name of what is executed in the end, '' where that cannot be told.

    user is the one that a wrapper changes to, '' for none; wrappers are the base names of all before the program;
    environment tells whether it gets what the first one got, LD_PRELOAD included; container is the one of them that
    gives it a user namespace of its own (user_namespaces(7)), '' for none.
    """

    program: str
    user: str = ""
    wrappers: tuple[str, ...] = ()
    environment: bool = True
    container: str = ""


def follow(words: Sequence[str]) -> Launch:
    """What the words of a command come to. Total: what is not understood has no program."""
    user, environment, container = "", True, ""
    wrappers: list[str] = []
    rest = list(words)
    while rest and len(wrappers) < _MOST_WRAPPERS:
        name = posixpath.basename(rest[0])
        line = _shell_line(rest[1:]) if name in _SHELLS else None
        if line is not None:
            rest = _of_shell(line)
        elif name in WRAPPERS:
            step = _Step(WRAPPERS[name], rest[1:])
            rest = step.command()
            user, environment = step.user or user, environment and step.environment
            container = container or (name if step.own_users else "")
        elif name in _CONTAINERS or name in _OPAQUE:
            rest = []
            container = container or (name if name in _CONTAINERS else "")
        else:
            break
        wrappers.append(name)
    return Launch(
        # What a specifier or a variable comes to is not known here.
        program=rest[0] if rest and not set(rest[0]) & set("$%") else "",
        user=user.partition(":")[0],
        wrappers=tuple(wrappers),
        environment=environment,
        container=container,
    )


def _shell_line(words: Sequence[str]) -> str | None:
    """The line that a shell with these words executes; None where it is told none, or that is not understood."""
    commanded = False
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if _SHELL_COMMAND.fullmatch(word):
            commanded = True
        elif _SHELL_VALUED.fullmatch(word):
            rest = rest[1:]
        elif not _SHELL_FLAG.fullmatch(word):
            word = rest.pop(0) if word == "--" and rest else word
            return word if commanded and not word.startswith("-") else None
    return None


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
        self.own_users = False
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
        option, equals, value = self._parted(word)
        self.own_users = self.own_users or option in wrapper.own_users
        if word in wrapper.flags + wrapper.login or option in wrapper.own_users:
            self.environment = self.environment and word not in wrapper.login
            return True
        kinds = {"valued": wrapper.valued, "user": wrapper.user, "line": wrapper.shell_line, "exec": wrapper.program}
        kind = next((name for name, options in kinds.items() if option in options), "")
        if not kind:
            return self._is_other(word)
        taken = value if equals else (self._rest.pop(0) if self._rest else "")
        self.user = taken if kind == "user" else self.user
        self._line = taken if kind == "line" else self._line
        self._program = taken if kind == "exec" else self._program
        return True

    def _parted(self, word: str) -> tuple[str, bool, str]:
        """An option, whether its value is in the same word, and that."""
        wrapper = self._wrapper
        if word.startswith("--") or "=" in word:
            option, equals, value = word.partition("=")
            return option, bool(equals), value
        if len(word) > len("-n") and word[:2] in wrapper.valued + wrapper.user:
            return word[:2], True, word[2:]
        return word, False, ""

    def _is_other(self, word: str) -> bool:
        wrapper = self._wrapper
        if not word.startswith("-"):
            return wrapper.settings and "=" in word
        short = [f"-{letter}" for letter in word[1:]] if not word.startswith("--") else []
        known = wrapper.flags + wrapper.own_users
        if len(short) > 1 and all(it in known for it in short):
            self.own_users = self.own_users or any(it in wrapper.own_users for it in short)
            return True
        return wrapper.options and len(word) > 1

    def _is_positional(self, word: str) -> bool:
        if not self._waiting or word.startswith("-") or (self._waiting[0] == "user unless named" and self.user):
            return False
        # chrt(1) wants none for the policies that know none.
        if self._waiting[0] == "priority" and not word.isdigit():
            return False
        if self._waiting.pop(0).startswith("user"):
            self.user = word
        return True
