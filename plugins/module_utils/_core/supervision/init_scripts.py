# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts, which sysv-rc and OpenRC start: service(8) and rc-service(8)."""

from __future__ import annotations

import re
from typing import Dict, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.script import (
    assignments,
    daemon_command,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.supervisor import (
    ACTIVE,
    FAILED,
    INACTIVE,
    Definition,
    Files,
    Status,
    Supervisor,
    number_in,
)

_FOLDER = "/etc/init.d"
# What openrc-run(8) starts daemons by, where OpenRC has its own.
_STARTERS = {
    "start-stop-daemon": ("/usr/lib/rc/sbin/start-stop-daemon", "/lib/rc/sbin/start-stop-daemon"),
    "supervise-daemon": ("/usr/sbin/supervise-daemon", "/sbin/supervise-daemon"),
}


class _Scripts(Supervisor):
    """A script tells by its exit status whether its daemon runs (LSB: 0 it does, 3 it does not)."""

    def rules(self, *, systemd: bool) -> bool:
        return not systemd

    def status(self, *, rc: int, text: str) -> Status:
        said = " ".join(text.split())[:200]
        if "unrecognized service" in text or "does not exist" in text:
            return Status(FAILED, said, missing=said)
        return Status(ACTIVE if rc == 0 else INACTIVE, said)

    def variables(self, place: str, files: Files) -> Dict[str, str]:
        """What the script sets, and the file of its own settings, which it reads."""
        own = assignments(files.read(f"{_FOLDER}/{place}") or "")
        return {**own, **assignments(files.read(f"{self.settings}/{place}") or "")}

    # The folder of the scripts' settings.
    settings = "/etc/default"

    def definition(self, place: str, files: Files) -> Definition:
        path, variables = f"{_FOLDER}/{place}", self.variables(place, files)
        text = files.read(path) or ""
        words = daemon_command(text, variables)
        return Definition(path=path, words=words, at_boot=self._at_boot(place, files))

    def _at_boot(self, place: str, files: Files) -> bool:
        return any(re.fullmatch(r"S[0-9]{2}" + re.escape(place), it) for it in files.names_in("/etc/rc2.d"))

    def pid(self, place: str, files: Files) -> int:
        variables = self.variables(place, files)
        named = [value for name, value in variables.items() if re.fullmatch("(?i)pid_?file", name)]
        found = (number_in(files.read(it)) for it in (*named, f"/run/{place}.pid", f"/run/{place}/{place}.pid"))
        return next((it for it in found if it), 0)

    def forgives(self, text: str) -> bool:
        return True


class Sysv(_Scripts):
    kind = "sysv"

    def commands(self, verb: str, place: str) -> Tuple[Tuple[str, ...], ...]:
        return (("service", place, verb),)


class Openrc(_Scripts):
    """Its own scripts say what they start by command= and command_user= (openrc-run(8))."""

    kind = "openrc"
    settings = "/etc/conf.d"

    def commands(self, verb: str, place: str) -> Tuple[Tuple[str, ...], ...]:
        # It does not start anew what died while it was started, before somebody tells it so.
        told = (("rc-service", place, "zap"),) if verb == "start" else ()
        return (*told, ("rc-service", place, verb))

    def definition(self, place: str, files: Files) -> Definition:
        variables = self.variables(place, files)
        if "command" not in variables:
            return super().definition(place, files)
        return Definition(
            path=f"{_FOLDER}/{place}",
            words=tuple(f"{variables['command']} {variables.get('command_args', '')}".split()),
            user=variables.get("command_user", "").partition(":")[0],
            at_boot=self._at_boot(place, files),
            ambient=_without_ambient(variables.get("supervisor", ""), files),
        )

    def _at_boot(self, place: str, files: Files) -> bool:
        levels = files.names_in("/etc/runlevels")
        return any(place in files.names_in(f"/etc/runlevels/{level}") for level in levels)

    def pid(self, place: str, files: Files) -> int:
        """What start-stop-daemon and supervise-daemon note of what they start."""
        options = f"/run/openrc/options/{place}"
        child = number_in(files.read(f"{options}/child_pid"))
        noted = f"/run/openrc/daemons/{place}"
        texts = [files.read(f"{noted}/{name}") or "" for name in files.names_in(noted)]
        named = [it for text in texts for it in re.findall("(?m)^pidfile=(/.*)$", text)]
        named.append((files.read(f"{options}/pidfile") or "").strip())
        found = (number_in(files.read(it)) for it in named if it)
        return child or next((it for it in found if it), 0) or super().pid(place, files)


def _without_ambient(supervisor: str, files: Files) -> str:
    """Why capabilities= of a script would not be heeded.

    Measured: OpenRC 0.56 (Debian 13) gives them. That of Debian 12, 0.45, has no libcap in supervise-daemon and
    dpkg's start-stop-daemon, and with capabilities= neither starts anything.
    """
    name = supervisor or "start-stop-daemon"
    if name not in _STARTERS:
        return f"{name} starts it"
    if any(files.holds(path, "libcap.so") for path in _STARTERS[name]):
        return ""
    return f"OpenRC's {name} was built without capabilities here"
