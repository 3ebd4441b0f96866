# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd of a user, as that user asks it: systemctl(1), --user.

Root is not let in by its socket below the user's runtime directory. --machine=USER@ is, by a session of the user that
starts the manager where it does not run, and needs a bus; so nothing is asked that way.
"""

from __future__ import annotations

import re
from typing import Dict, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import USER, Manager, asking
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.script import quoted
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.supervisor import (
    Definition,
    Files,
    Status,
    Supervisor,
)

RUNTIME = "/run/user"
LINGER = "/var/lib/systemd/linger"
# The settings that make a mount namespace (systemd.exec(5)). Measured: the user's manager of systemd 257 makes a user
# namespace for each of them, that of 252 starts the unit without.
MOUNTING = (
    *("PrivateTmp", "PrivateDevices", "ProtectSystem", "ProtectHome", "ProtectKernelTunables", "ProtectKernelModules"),
    *("ProtectKernelLogs", "ProtectControlGroups", "ReadOnlyPaths", "InaccessiblePaths", "BindPaths"),
    *("BindReadOnlyPaths", "TemporaryFileSystem", "RootDirectory"),
)
# What concerns who may bind, and what became of it; no environment, which may hold secrets.
PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "Type", "RemainAfterExit", "UnitFileState", "FragmentPath", "Job"),
    *("DropInPaths", "NeedDaemonReload", "MainPID", "Result", "NRestarts", "RefuseManualStart", "RefuseManualStop"),
    *("ExecStart", "NoNewPrivileges", "PrivateUsers", "PrivateUsersEx", "PrivateNetwork", "RestrictAddressFamilies"),
    *("SystemCallFilter", "SocketBindAllow", "SocketBindDeny", "IPAddressAllow", "IPAddressDeny", "WantedBy"),
    *("RequiredBy", "TriggeredBy", "Restart"),
    # What implies no_new_privs, and a user namespace, where nobody privileged starts a unit.
    *("SystemCallArchitectures", "SystemCallLog", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
    *("MemoryDenyWriteExecute", "LockPersonality", "ProtectClock", "ProtectHostname", *MOUNTING),
)


class UserManager(Supervisor):
    kind = USER

    def place(self, name: str, files: Files) -> str:
        """UID:USER/UNIT, or the name itself where there is no such user."""
        uid = files.uid_of(name.partition("/")[0])
        return name if uid is None else f"{uid}:{name}"

    def asking(self, place: str) -> Tuple[str, ...]:
        if ":" not in place.partition("/")[0]:
            return tuple(asking(Manager(self.kind, place)).split())
        wanted = "--property=" + ",".join(PROPERTIES)
        return (*_systemctl(place), "show", "--no-pager", wanted, "--", place.partition("/")[2])

    def status(self, *, rc: int, text: str) -> Status:
        """Where it was asked for properties."""
        if rc:
            return Status("", "", missing=" ".join(text.split()))
        shown = _properties(text)
        loaded = shown.get("LoadState") != "not-found"
        pid = int(shown.get("MainPID") or 0)
        return Status(shown.get("ActiveState", ""), "", pid=pid, missing="" if loaded else "its LoadState is not-found")

    def definition(self, place: str, files: Files) -> Definition:
        return Definition(path="")

    def commands(self, verb: str, place: str) -> Tuple[Tuple[str, ...], ...]:
        return ((*_systemctl(place), "--no-block", verb, "--", place.partition("/")[2]),)


def _properties(text: str) -> Dict[str, str]:
    return {key: value for key, _equals, value in (line.partition("=") for line in text.split("\n")) if key}


def _systemctl(place: str) -> Tuple[str, ...]:
    uid, _colon, user = place.partition("/")[0].rpartition(":")
    if not uid:
        return ("systemctl", "--user", f"--machine={user}@")
    return ("runuser", "-u", user, "--", "env", f"XDG_RUNTIME_DIR={RUNTIME}/{uid}", "systemctl", "--user")


def shown(manager: Manager, text: str, *, lingers: bool) -> str:
    """What its systemctl show printed, as that of a unit of this name."""
    user = manager.name.partition("/")[0]
    kept = [line for line in text.split("\n") if line and not line.startswith(("Id=", "ExecStart="))]
    executed = re.search(r"argv\[\]=(.*?) ; ignore_errors=", text)
    words = executed[1].split() if executed else []
    more = [
        f"Id={manager}",
        f"User={user}",
        f"Command={quoted(words)}",
        f"Linger={'yes' if lingers else 'no'}",
        "WithoutAmbient=a user's manager has no capability to give",
    ]
    return "".join(f"{line}\n" for line in (*kept, *more))
