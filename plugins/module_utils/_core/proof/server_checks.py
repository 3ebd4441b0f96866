# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a server that starts the program for each connection, and of what it starts."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    FAIL,
    PASS,
    UNKNOWN,
    Check,
    Child,
    Seen,
    process_checks,
    strangers_on,
)


def checks_of_server(seen: Seen) -> tuple[Check, ...]:
    """Who listens for the service, and who serves then, with what."""
    child = seen.probe.child
    if child is None:
        return (_server_check(seen), _unseen(seen))
    return (_server_check(seen), *process_checks(seen, child.process), *_group_checks(seen, child))


def _server_check(seen: Seen) -> Check:
    others = strangers_on(seen)
    if others:
        holders = ", ".join(str(process) for process in others[0].owners) or "a process of another PID namespace"
        return Check("owner", FAIL, f"port {seen.port} is held by {holders}, which does not serve it")
    if not all(it.owners_known for it in seen.listeners):
        return Check("owner", UNKNOWN, f"who holds port {seen.port} is hidden from this user; look as root")
    held = {process.pid: str(process) for it in seen.listeners for process in it.owners if seen.is_ours(process)}
    name = seen.case.service.name
    return Check("owner", PASS, f"port {seen.port} is held for {name} by {', '.join(held.values())}")


def _unseen(seen: Seen) -> Check:
    program, allowed = seen.case.service.executable, seen.case.service.superserver_options.only_from
    why = "it could not be asked, or what it starts ended before it could be looked at"
    if allowed:
        why = f"{why}; where none of {', '.join(allowed)} is an address of this host, have only_from hold 127.0.0.1"
    return Check("user", UNKNOWN, f"nobody saw as whom {program} is started for port {seen.port}: {why}")


def _group_checks(seen: Seen, child: Child) -> tuple[Check, ...]:
    """Of which groups the program is: no others than its user's."""
    account = seen.case.facts.account
    if account is None:
        return ()
    held, allowed = {*child.gids, *child.groups}, {account.gid, *account.groups}
    beyond = sorted(held - allowed)
    if beyond:
        text = f"{child.process} is of the groups {', '.join(map(str, beyond))}, which {account.name} is not of"
        return (Check("groups", FAIL, text),)
    lost = sorted(allowed - held)
    without = f", and lacks {', '.join(map(str, lost))}" if lost else ""
    shown = ", ".join(map(str, sorted(held)))
    return (Check("groups", PASS, f"pid {child.process.pid} is of the groups {shown} of {account.name}{without}"),)
