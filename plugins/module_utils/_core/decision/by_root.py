# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that root starts: it binds its ports itself, and no grant is of any use to it."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import ROOT, Case
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Process
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import port_words


def needs_no_grant(case: Case) -> str:
    """That it needs none, whether and as whom it serves, and the way out; '' for another service.

    One that is to become a user's by its description, or to be reached by a port of its own, is another one, and so is
    one for which a strategy is named.
    """
    service, unit = case.service, case.facts.unit
    if service.strategy != "auto" or service.user not in ("", *ROOT) or service.backend_ports:
        return ""
    if unit is None or not case.starts_as_root:
        return ""
    ports = ", ".join(port_words(service.ports))
    return f"{unit.name} starts as root and binds port {ports} itself, {_serves(case)}; {_way(case)}"


def _serves(case: Case) -> str:
    holders = _holders(case)
    if not all(map(case.listens, case.served_ports)):
        return "and does not listen there now"
    workers = [it for it in holders if not it.is_root]
    if not workers:
        return f"and serves there as root: {holders[0]}"
    if case.gave_up_root(case.served_ports):
        return (
            f"and serves there as {workers[0].whose}, with {', '.join(workers[0].status.effective) or 'no capability'}"
        )
    return f"and serves there as {workers[0].whose}, while its parent stays root"


def _way(case: Case) -> str:
    given_up = case.gave_up_root(case.served_ports)
    user = next((it.user for it in given_up if it.user), "NAME")
    if case.facts.unit is not None and case.facts.unit.manager is not None:
        return f"if it can start as a user, have {case.facts.unit.says('FragmentPath')} start it so"
    return f"if it can start as a user, with files that this one may read and write, say user: {user}"


def _holders(case: Case) -> tuple[Process, ...]:
    on_ports = (it for port in case.service.ports for it in case.facts.listeners_on(port))
    return tuple(owner for it in on_ports for owner in it.owners if case.owns(owner))
