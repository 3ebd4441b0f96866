# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs; a part of the seam to the machine."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from typing import NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError

_SECONDS = 30.0
_PYTHON = "/usr/bin/python3"
# The folders of root's PATH that a user's lacks, as it still does after su(1).
_OF_ROOT = "/usr/local/sbin:/usr/sbin:/sbin"
# How a command begins that tells something and changes nothing, its program by the base name.
_TELLING = (
    ("systemctl", "show"),
    ("systemctl", "list-units"),
    ("systemctl", "--version"),
    ("systemctl", "list-unit-files"),
    ("dpkg-query", "--search"),
    ("rpm", "--query", "--file"),
    ("ss", "-H"),
    ("nft", "--check"),
    ("nft", "--json", "--stateless", "list"),
    ("nft", "--numeric-priority", "list"),
    ("semanage", "port", "--list"),
    *((name,) for name in ("iptables-save", "iptables-legacy-save", "ip6tables-save", "ip6tables-legacy-save")),
)


# Of iptables-save(8): when it ran, and what a chain has counted.
_CHANGING = r"(?m)^# (?:Generated|Completed).*\n|^(?P<chain>:\S+ \S+) \[[0-9]+:[0-9]+\]"


def _unchanging(found: re.Match[str]) -> str:
    return f"{found['chain']} [0:0]" if found["chain"] else ""


class Completed(NamedTuple):
    """What a command left behind."""

    argv: Tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    def checked(self) -> Completed:
        """Itself when the command succeeded, else HostError with what it said."""
        if self.rc != 0:
            raise HostError(f"{' '.join(self.argv)} failed with status {self.rc}: {self.complaint}")
        return self

    @property
    def complaint(self) -> str:
        """The line in which it says why it failed."""
        lines = (self.stderr.strip() or self.stdout.strip() or "nothing").splitlines()
        # systemctl says last where else to look, and in the line before why.
        said = [line for line in lines if not line.startswith(("See ", "See: "))] or lines
        return said[-1]


class Commands:
    """The programs and the kernel of this machine."""

    # The least number of seconds that a program may take.
    patience = 0.0

    def run(self, argv: Sequence[str], *, seconds: float = _SECONDS) -> Completed:
        """Run a program without a shell, in the C locale; its exit status is the caller's to judge."""
        seconds = max(seconds, self.patience)
        environment = dict(os.environ, LC_ALL="C", LANGUAGE="C", PATH=_path())
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as failure:
            raise HostError(f"{argv[0]} cannot be run: {failure.strerror}") from failure
        with process:
            try:
                stdout, stderr = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired as late:
                # The whole session: what the program started holds its output open.
                os.killpg(process.pid, signal.SIGKILL)
                raise HostError(
                    f"{' '.join(argv)} did not finish within {seconds:g} seconds; it was ended. Find out why it "
                    f"hangs{_where_to_look(argv[0])}, then run this again"
                ) from late
        return Completed(
            argv=tuple(argv),
            rc=process.returncode,
            stdout=stdout.decode(errors="surrogateescape"),
            stderr=stderr.decode(errors="surrogateescape"),
        )

    def query(self, argv: Sequence[str], *, seconds: float = _SECONDS) -> Completed:
        """The same for a command that only tells something; HostError for one that is not known to."""
        begins = (argv[0].rpartition("/")[2], *argv[1:])
        if not any(begins[: len(telling)] == telling for telling in _TELLING):
            raise HostError(f"{' '.join(argv)} is not run to look at a host, for it may change it")
        return self.run(argv, seconds=seconds)

    def saved_rules(self, program: str) -> str:
        """What iptables-save(8) or one of its kind prints, without its counters and the time; '' where it fails.

        The same rules are then the same answer.
        """
        done = self.query([program])
        return re.sub(_CHANGING, _unchanging, done.stdout) if done.rc == 0 else ""

    def which(self, program: str) -> str | None:
        """The path of a program, which run() finds by its name as well."""
        return shutil.which(program, path=_path())

    def python(self) -> str:
        """The Python for what the host starts by itself: its own, else the one that runs this."""
        return _PYTHON if os.path.exists(_PYTHON) else sys.executable

    def effective_uid(self) -> int:
        return os.geteuid()

    def kernel_release(self) -> str:
        return os.uname().release

    def machine(self) -> str:
        return os.uname().machine


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", os.defpath), _OF_ROOT))


def _where_to_look(program: str) -> str:
    return " (systemctl list-jobs; journalctl --boot)" if program == "systemctl" else ""
