# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from the host's logs what SELinux and AppArmor refused."""

from __future__ import annotations

from typing import Collection

from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.denial import (
    TRIAL_COMM,
    Denial,
    parse_denials,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

AUDIT_LOG = "/var/log/audit/audit.log"


def last_denials(
    host: Host,
    *,
    since: float,
    pids: Collection[int] = (),
    comms: Collection[str] = (),
    subjects: Collection[str] = (),
) -> tuple[Denial, ...]:
    """What was refused, the latest last, to a process of one of these ids, names or confinements.

    since: seconds since the epoch. comms: as /proc/PID/comm shows them. subjects: AppArmor profiles or SELinux
    contexts. A refusal that the log holds many times is told once. None are found where no log can be read: () says
    that none is known, not that there was none.
    """
    # auditd keeps them from the journal on some distributions, and on others there is no auditd.
    found = (*parse_denials(host.read(AUDIT_LOG) or ""), *parse_denials(_journal(host, since=since)))
    asked = [
        denial
        for denial in found
        if denial.when >= since and denial.enforced and denial.comm != TRIAL_COMM
        if denial.pid in pids or denial.comm in comms or denial.subject in subjects
    ]
    latest = {(it.module, it.pid, it.comm, it.subject, it.what, it.port): it for it in asked}
    return tuple(sorted(latest.values(), key=lambda denial: denial.when))


def _journal(host: Host, *, since: float) -> str:
    if host.which("journalctl") is None:
        return ""
    matches = ("_TRANSPORT=kernel", "+", "_TRANSPORT=audit")
    options = ("--quiet", "--no-pager", "--output=short-unix", f"--since=@{int(since)}")
    done = host.run(["journalctl", *options, *matches])
    return done.stdout if done.rc == 0 else ""
