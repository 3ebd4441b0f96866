# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grants that files of other programs make: sysctl.d, pam_cap and OpenRC."""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    FIRST_UNPRIVILEGED,
    OPENRC,
    PAM_CAP,
    SYSCTL,
    Grant,
    Remark,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY

SETTING = "net.ipv4.ip_unprivileged_port_start"
PAM_FILE = "/etc/security/capability.conf"
# A file for all services gives them to one by a case of its name, as the collection's own does.
_OPENRC = re.compile(
    r"""(?m)^\s*(?:case .* in (?P<service>\S+)\)\s*)?(?:export\s+)?"""
    r"""capabilities=(?P<quote>["']?)(?P<value>[^"'\n]*)(?P=quote)"""
)


class PortStart(NamedTuple):
    """The setting as it is in force, and as the next boot sets it; None for unknown.

    network is '' for the host's own namespace. named: the namespace has a name (ip-netns(8)) and is made by hand.
    """

    live: int | None
    boot: int | None
    network: str = ""
    named: bool = False


def grant_of_setting(start: PortStart) -> Grant | None:
    """What the setting opens, in force or at the next boot; None where it opens nothing."""
    least = min((it for it in (start.live, start.boot) if it is not None), default=FIRST_UNPRIVILEGED)
    if least >= FIRST_UNPRIVILEGED:
        return None
    live = start.live is not None and start.live < FIRST_UNPRIVILEGED
    subject = f"{SETTING} in network namespace {start.network}" if start.network else SETTING
    when = "" if live else ", from the next boot on"
    remarks = [Remark("sysctl-open-to-all", f"{subject} is {least}: every user can bind ports from there on{when}")]
    if start.named:
        remarks = [Remark("volatile-network", f"{subject} is {least}, and nothing sets it when the namespace is made")]
    return Grant(
        mechanism=SYSCTL,
        subject=subject,
        holders=("every user",),
        ports=(f"{max(least, 1)}-{FIRST_UNPRIVILEGED - 1}",),
        live=live,
        persistent=None if start.network else start.boot is not None and start.boot < FIRST_UNPRIVILEGED,
        evidence=f"in force {_shown(start.live)}, at the next boot {_shown(start.boot)}",
        remarks=tuple(remarks),
    )


def _shown(start: int | None) -> str:
    return "unknown" if start is None else str(start)


def grants_of_pam(text: str, *, loaded: bool) -> Tuple[Grant, ...]:
    """The lines of capability.conf(5) that give the capability; loaded: a file of pam.d names pam_cap.so."""
    found = []
    for line in (it.partition("#")[0].split() for it in text.splitlines()):
        names = line[0].lower().split(",") if line else []
        if len(line) > 1 and {CAPABILITY, "all"} & {it.lstrip("^!") for it in names if not it.startswith("!")}:
            users = tuple("every user" if it == "*" else it for it in line[1:])
            shown = " ".join(line)
            found.append(
                Grant(
                    mechanism=PAM_CAP,
                    subject=f"{PAM_FILE}: {shown}",
                    holders=users,
                    effective=loaded,
                    file=PAM_FILE,
                    why_not="" if loaded else "no file in /etc/pam.d names pam_cap.so",
                    evidence=shown,
                    remarks=(Remark("pam_cap-grant", f"{PAM_FILE} gives {line[0]} to {', '.join(users)} at login"),),
                )
            )
    return tuple(found)


def grants_of_openrc(files: Mapping[str, str], *, runs: bool) -> Tuple[Grant, ...]:
    """The services to which OpenRC gives the capability (openrc-run(8), capabilities); runs: OpenRC runs the host."""
    found = []
    for path, text in files.items():
        for setting in _OPENRC.finditer(text):
            if CAPABILITY in setting["value"].lower():
                why_not = "" if runs else "OpenRC does not run the host"
                found.append(
                    Grant(
                        mechanism=OPENRC,
                        subject=path,
                        effective=runs,
                        why_not=why_not,
                        file=path,
                        evidence=setting[0].strip(),
                        units=(setting["service"] or path.rpartition("/")[2],),
                    )
                )
    return tuple(found)
