# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit finds on a host: grants for privileged ports, who listens on them, and what was not looked at."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation

# Ports below it are privileged by the kernel's default (net.ipv4.ip_unprivileged_port_start).
FIRST_UNPRIVILEGED = 1024

SETCAP, AMBIENT, AUTHBIND, SOCKET = "setcap", "ambient", "authbind", "socket"
REDIRECT, SYSCTL, SUPERSERVER, PAM_CAP, OPENRC = "redirect", "sysctl", "superserver", "pam_cap", "openrc"
FORWARDER = "forwarder"


class Remark(NamedTuple):
    """A rule of the catalogue (rules.py) that a grant meets by itself, and the sentence that says how."""

    rule: str
    text: str


class Grant(NamedTuple):
    """Something on a host that lets somebody other than root have privileged ports.

    subject is the file, unit, rule or setting. ports are as a service's are written, () for any. None means unknown.
    effective: whether the kernel lets it work, else why_not is a sentence. persistent: whether the next boot has it.
    live: whether it is in force now. units are those that get their ports by it. file is the one that makes it, and
    package the one that this file is of.
    """

    mechanism: str
    subject: str
    holders: Tuple[str, ...] = ()
    ports: Tuple[str, ...] = ()
    effective: bool | None = True
    why_not: str = ""
    persistent: bool | None = True
    live: bool | None = True
    file: str = ""
    package: str = ""
    evidence: str = ""
    units: Tuple[str, ...] = ()
    remarks: Tuple[Remark, ...] = ()


class LowListener(NamedTuple):
    """A socket that listens on a privileged port, and who answers on it.

    network is '' for the host's, else what leads to the namespace. unit is that of the process, or the one that systemd
    starts for the socket. root is None where nobody told who holds it. strategy is one by which the service need not
    run as root, and why says why; '' where it does not, or where there is none.
    """

    protocol: str
    address: str
    port: int
    network: str
    unit: str
    executable: str
    user: str
    uid: int | None
    capabilities: Tuple[str, ...]
    root: bool | None
    set_user_id: bool = False
    strategy: str = ""
    why: str = ""

    @property
    def written(self) -> str:
        """The port as a service's ports are written."""
        return str(self.port) if self.protocol == "tcp" else f"{self.port}/{self.protocol}"


class Skipped(NamedTuple):
    """What was not looked at, and why."""

    what: str
    why: str


class Scan(NamedTuple):
    """All that a host showed; without_root are the units of root's listeners as services of another user."""

    grants: Tuple[Grant, ...]
    listeners: Tuple[LowListener, ...]
    skipped: Tuple[Skipped, ...]
    without_root: Observation | None = None


def without_scan(document: Any) -> Any:
    """What privport_info observed of services alone, which is all that decides."""
    if not isinstance(document, Mapping):
        return document
    return {key: value for key, value in document.items() if key not in Scan._fields}
