# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at services on a host, and what is decided from it."""

from __future__ import annotations

from typing import Collection, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import (
    Decision,
    cases_of,
    decide_cases,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe

# What was under way when a run was killed (see _apply/undo.py).
JOURNAL = "/var/lib/netbind.privport/journal.json"


class View(NamedTuple):
    """The services on the host as it is, and what is decided for them, in their order.

    interrupted tells whether a run was ended while it changed the host, or is under way.
    """

    cases: Tuple[Case, ...]
    decisions: Tuple[Decision, ...]
    interrupted: bool

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return not self.interrupted and not any(it.pending or it.surplus or it.stale for it in self.decisions)

    def refused(self, *, check_mode: bool) -> bool:
        """Whether a service cannot get its ports; in check mode an earlier task may be about to install it."""
        return any(it.error and not (check_mode and it.missing) for it in self.decisions)

    @property
    def chosen(self) -> Tuple[Case, ...]:
        """The cases of the services that are to be present, each with the strategy that was chosen."""
        return tuple(
            case._replace(service=case.service._replace(strategy=it.strategy))
            for case, it in zip(self.cases, self.decisions)
            if it.state == "present" and not it.error
        )


def look(
    host: Host, services: Sequence[Service], *, rules: Mapping[str, Tuple[Rule, ...]], granted: Collection[str] = ()
) -> View:
    """Observe the host anew and decide; rules are those of the site's policy that apply, by the service's name.

    granted are the services for which this run wrote something that their processes cannot have yet. Nothing is
    changed. Raises PrivportError where a tool fails.
    """
    host.begin()
    cases = tuple(
        case._replace(granted_now=case.service.name in granted)
        for case in cases_of(observe(host, services), services, rules)
    )
    # Both are asked each time: the next look asks the same.
    there, left = host.status_of_itself(JOURNAL), host.leftovers(JOURNAL)
    return View(cases, decide_cases(cases), interrupted=there is not None or bool(left))
