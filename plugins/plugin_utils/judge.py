# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller makes of a host's answers.

The whole core is imported for it, so only a run that needs it does.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.netbind.privport.plugins.module_utils._apply.judge import judge
from ansible_collections.netbind.privport.plugins.module_utils._apply.request import request_of, result_of
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import without_scan
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import digest_of
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump, load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe
from ansible_collections.netbind.privport.plugins.plugin_utils.policy import applying


def judged(
    evidence: str, options: dict[str, Any], policy: tuple[Rule, ...], *, check_mode: bool
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The result of the module privport where a look tells it, else None and what is decided already.

    Where the answers do not tell everything, both are empty.
    """
    request = request_of(options)

    def rules(host: Host) -> dict[str, tuple[Rule, ...]]:
        return applying(policy, observe(host, request.services), request.services)

    found = judge(evidence, request, check_mode=check_mode, rules=rules if policy else None)
    if found is None:
        return None, {}
    if found.outcome is not None:
        return result_of(found.host, found.outcome, found.request, check_mode=check_mode), {}
    return None, {"rules": dump(found.request.rules), "digest": digest_of(found.view.decisions)}


def rules_for(document: dict[str, Any], options: dict[str, Any], policy: tuple[Rule, ...]) -> dict[str, Any]:
    """The rules that apply by the service's name, from what the module privport_info observed."""
    observed = load(Observation, without_scan(document))
    found: dict[str, Any] = dump(applying(policy, observed, parse_services(options["services"])))
    return found
