# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says of units, without their secrets; a part of the seam to the machine.

An environment may hold passwords. Of its variables only the names that tell how a program starts leave this file.
"""

from __future__ import annotations

import contextlib
import re
from typing import Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host.commands import Completed
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import Processes, ProcessRecord

# Begins a name for Host.network(): the network namespace that the main process of the unit of that name is in.
NETWORK_OF = "unit:"
# The variables whose names tell how a program starts: execvp(3) looks at PATH. In secure-execution mode ld.so(8) and
# the C library (glibc, sysdeps/generic/unsecvars.h) ignore the others, or OpenSSL, Kerberos, GnuTLS, SASL, ICU and
# Node.js do, which ask for them by secure_getenv(3).
_TELLING = (
    "(LD_[A-Z_]+|PATH|GCONV_PATH|GETCONF_DIR|GLIBC_TUNABLES|HOSTALIASES|ICU_DATA|LOCALDOMAIN|LOCPATH|MALLOC_[A-Z_]+|"
    "NIS_PATH|NLSPATH|RESOLV_HOST_CONF|RES_OPTIONS|TMPDIR|TZDIR|(?:OPENSSL|SSL_CERT|KRB5|GNUTLS|SASL|NODE)_[A-Z_]+|"
    "KRB5CCNAME)"
)
_FILE = r"(?m)^EnvironmentFiles=(/.*) \(ignore_errors=(?:yes|no)\)$"
_HIDDEN = r"\s*(?:Environment|SetCredential(?:Encrypted)?)\s*="
_CONTINUED = r"(?<!\\)(?:\\\\)*\\\s*\Z"
# What the collection writes itself holds no secret, and is compared as a whole.
_OWN = "# Managed by netbind.privport "


class Shown(NamedTuple):
    """What systemctl show prints of some units, and the running main process of each that has one, by its number."""

    text: str
    processes: Mapping[int, ProcessRecord]


class Units(Processes):
    """The systemd of this machine."""

    def show_units(self, names: Sequence[str], properties: Sequence[str]) -> Shown:
        """The properties of units, a block for each in their order; a pattern stands for the active ones it fits.

        One that systemd cannot show has Id, LoadState=error and LoadError. Raises HostError where systemctl fails.
        """
        text = self._blocks(names, properties)
        pids = {int(pid) for pid in re.findall(r"^MainPID=([1-9][0-9]*)$", text, re.MULTILINE)}
        found = {pid: self.process(pid) for pid in pids}
        return Shown(
            text="\n\n".join(self._without_secrets(block) for block in text.split("\n\n")),
            processes={pid: record for pid, record in found.items() if record is not None},
        )

    def _blocks(self, names: Sequence[str], properties: Sequence[str]) -> str:
        done = self._systemctl_show(names, properties)
        if done.rc == 0:
            return done.stdout
        # One unit ends the call for all: a byte that is no UTF-8 has no place in a message of D-Bus. Does it answer?
        self.query(["systemctl", "show", "--property=Version"]).checked()
        named = (self._matching(name) if set(name) & set("*?[") else (name,) for name in names)
        return "\n".join(self._block(name, properties) for found in named for name in found)

    def _systemctl_show(self, names: Sequence[str], properties: Sequence[str]) -> Completed:
        return self.query(["systemctl", "show", "--no-pager", "--property=" + ",".join(properties), "--", *names])

    def _matching(self, pattern: str) -> Iterator[str]:
        argv = ["systemctl", "list-units", "--no-pager", "--no-legend", "--plain", "--full", "--", pattern]
        return (line.split()[0] for line in self.query(argv).checked().stdout.splitlines() if line.strip())

    def _block(self, name: str, properties: Sequence[str]) -> str:
        done = self._systemctl_show([name], properties)
        return done.stdout if done.rc == 0 else f"Id={name}\nLoadState=error\nLoadError={done.complaint}\n"

    def _without_secrets(self, block: str) -> str:
        if not re.search("^Environment=", block, re.MULTILINE):
            return block
        names: List[str] = []
        for value in re.findall("^Environment=(.*)$", block, re.MULTILINE):
            names += re.findall(rf'(?:^| )"?{_TELLING}=', value)
        for path in re.findall(_FILE, block):
            names += re.findall(rf"^\s*{_TELLING}=", self.read(path) or "", re.MULTILINE)
        kept = " ".join(sorted(set(names)))
        return re.sub("^Environment=.*$", f"Environment={kept}", block, flags=re.MULTILINE)

    def units_executing(self, paths: Sequence[str]) -> Tuple[str, ...]:
        """The loaded units whose ExecStart= is one of these paths; none without systemd. Raises HostError."""
        if self.status("/run/systemd/system") is None:
            return ()
        blocks = self._blocks(["*.service"], ["Id", "ExecStart"]).split("\n\n")
        started = [block for block in blocks if any(f"{{ path={path} ;" in block for path in paths)]
        names = (re.search("^Id=(.*)$", block, re.MULTILINE) for block in started)
        return tuple(sorted(name[1] for name in names if name))

    def unit_file(self, path: str) -> str | None:
        """The text of a unit's file without its environment and credentials; None where it cannot be read."""
        text = self.read(path)
        if text is None or text.startswith(_OWN):
            return text
        return "".join(_open_lines(text))

    @contextlib.contextmanager
    def network(self, path: str) -> Iterator[None]:
        """Be in the network namespace that a file leads to, or the main process of a unit (NETWORK_OF).

        '' stays where it is. Raises HostError where that cannot be entered.
        """
        with super().network(self._network_of(path[len(NETWORK_OF) :]) if path.startswith(NETWORK_OF) else path):
            yield

    def _network_of(self, unit: str) -> str:
        shown = self.query(["systemctl", "show", "--property=MainPID", "--", unit]).checked().stdout
        pid = shown.strip().rpartition("=")[2]
        if pid in ("", "0"):
            raise HostError(f"{unit} does not run, and has no network namespace of its own; start it")
        return f"/proc/{pid}/ns/net"


def _open_lines(text: str) -> Iterator[str]:
    """The lines but those of a secret setting; a comment does not end one that goes on (systemd.syntax(7))."""
    hidden = False
    for line in re.findall(r"[^\r\n\0]*(?:\r\n?|[\n\0])|[^\r\n\0]+", text):
        comment = line.lstrip().startswith(("#", ";"))
        if hidden and not comment:
            hidden = bool(re.search(_CONTINUED, line))
            continue
        begins = not comment and re.match(_HIDDEN, line)
        if begins:
            hidden = bool(re.search(_CONTINUED, line))
        elif not hidden:
            yield line
