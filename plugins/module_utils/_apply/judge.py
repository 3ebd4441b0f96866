# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the answers of a host mean for a request, wherever they are judged."""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._apply.transaction import Outcome, Request, glance
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._host.answered import AnsweredHost, Unanswered
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.units import resolved
from ansible_collections.netbind.privport.plugins.module_utils._observe.view import View


class Judgement(NamedTuple):
    """The host by its answers, the request with the rules that apply, and what a look tells (transaction.glance)."""

    host: AnsweredHost
    request: Request
    view: View
    outcome: Outcome | None


def judge(
    evidence: str,
    request: Request,
    *,
    check_mode: bool,
    rules: Callable[[Host], Mapping[str, Tuple[Rule, ...]]] | None = None,
) -> Judgement | None:
    """None where the answers do not tell everything.

    rules: finds those of the site's policy that apply; None leaves the request's.
    """
    try:
        host = AnsweredHost(evidence)
        request = request._replace(services=resolved(host, request.services))
        if rules is not None:
            request = request._replace(rules=rules(host))
        view, outcome = glance(host, request, check_mode=check_mode)
        host.end()
    except Unanswered:
        return None
    return Judgement(host, request, view, outcome)
