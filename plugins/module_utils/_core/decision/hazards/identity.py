# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As which user the service runs, and whether that is the one that a grant is for."""

from __future__ import annotations

import posixpath

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import ROOT, Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards.judge import said
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Program
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown

_S_ISUID = 0o4000


def runs_as_root(case: Case) -> Reason | None:
    unit = case.facts.unit
    if unit is None:
        return None
    if any(not command.keeps_user for command in unit.commands):
        return Reason("runs_as_root", "its ExecStart= has full privileges whatever User= says", unit.commands[0].prefix)
    if unit.user in ROOT and unit.launch.user in ("", *ROOT):
        return Reason("runs_as_root", "the unit runs as root", f"User={unit.says('User')} in {unit.name}")
    if "unit" in case.facts.unread:
        text = "whether its ExecStart= has full privileges whatever User= says cannot be read"
        return Unknown("runs_as_root", text, case.facts.unread["unit"])
    return None


# Programs that start others, under the names of their files.
_SUPERVISORS = (
    *("supervisord", "circusd", "runsvdir", "runsv", "svscan", "svscanboot", "s6-svscan", "s6-supervise", "supervise"),
    *("monit", "god", "pm2", "foreman", "honcho", "forego", "perpd", "procd", "dinit", "cron", "crond"),
    *("inetd", "xinetd", "dockerd", "containerd", "crio", "libvirtd"),
)


def supervisor(case: Case) -> Reason | None:
    """A unit of root's that starts others beside the service: all of them would become that user's by User=."""
    unit, user = case.facts.unit, case.service.user
    names = {posixpath.basename(word) for word in unit.commands[0].words[:2]} if unit and unit.commands else set()
    found = sorted(names & {*_SUPERVISORS})
    if unit is None or unit.user not in ROOT or user in ("", *ROOT) or not found:
        return None
    text = (
        f"{found[0]} starts other programs too, and User={user} would change them all; leave unit out, and name the "
        "program as executable"
    )
    return Reason("supervisor", text, f"ExecStart={unit.commands[0].line[:80]} in {unit.name}")


def drops_privileges(case: Case) -> Reason | None:
    """What root has is lost where a wrapper changes to the user, and a wrapper that is not root's cannot do so."""
    unit = case.facts.unit
    if unit is None or unit.user not in ROOT or unit.launch.user in ("", *ROOT):
        return None
    wrapper, user = unit.launch.wrappers[0], unit.launch.user
    text = (
        f"{wrapper} changes from root to {user}, which loses ambient capabilities; say User={user} in the unit instead"
    )
    return Reason("drops_privileges", text, f"ExecStart={unit.commands[0].line[:80]} in {unit.name}")


def root_without_user(case: Case) -> Reason | None:
    """Like runs_as_root, for a strategy that can set the user itself."""
    reason = runs_as_root(case)
    if isinstance(reason, Unknown):
        return reason
    prefixed = case.facts.unit is not None and any(not command.keeps_user for command in case.facts.unit.commands)
    return reason if reason and (prefixed or case.service.user in ("", "root", "0")) else None


def no_account(case: Case) -> Reason | None:
    """systemd starts nothing for a User= that the host does not know, and fails with status 217."""
    unit = case.facts.unit
    if unit is None or case.facts.account is not None or unit.is_on("DynamicUser") or not unit.says("User"):
        return None
    return Reason("no_account", "the unit's user does not exist on this host", said(unit, "User"))


def other_user(case: Case) -> Reason | None:
    """The unit already runs as a user, and not as the one that was declared."""
    unit, account = case.facts.unit, case.facts.account
    if unit is None or account is None or unit.user in ("", "root", "0") or unit.dropin_user:
        return None
    if unit.user in (account.name, str(account.uid)):
        return None
    return Reason("other_user", f"the unit runs as {unit.user}, not as {account.name}", said(unit, "User"))


def other_identity(case: Case) -> Reason | None:
    """A set-user-ID program to another user does not run as the service's."""
    return _other_identity(case, case.facts.program)


def other_identity_of_image(case: Case) -> Reason | None:
    """The same of the file that the kernel loads: of a script its interpreter."""
    return _other_identity(case, case.facts.interpreter or case.facts.program)


def _other_identity(case: Case, program: Program | None) -> Reason | None:
    account = case.facts.account
    if program is None or account is None or not program.mode & _S_ISUID or program.uid == account.uid:
        return None
    text = f"a set-user-ID program does not run as {account.name}"
    return Reason("setuid_program", text, f"mode {program.mode & 0o7777:04o} of {program.real_path}")
