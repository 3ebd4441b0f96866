# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A decision as plain data, for people and for what comes after it."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service, port_words


def as_data(decision: Decision, service: Service) -> Dict[str, Any]:
    """The decision, and as 'service' the service's description with the chosen strategy."""
    described = {
        **dump(service),
        "ports": list(port_words(service.ports)),
        "scope": "" if service.scope == "system" else service.scope,
        "listens": "" if service.listens == "always" else service.listens,
        "strategy": decision.strategy or service.strategy,
        "socket": {key: value for key, value in dump(service.socket).items() if value not in (None, [])},
    }
    asked = dump(service.superserver_options)
    described["superserver_options"] = {key: value for key, value in asked.items() if value not in (None, [])}
    for key in ("keep", "template", "instance", "declared"):  # The role's, and what was made of the description.
        del described[key]
    if service.template:
        described["unit"] = service.template
        # Of those that run each is told by itself, and is to be proven by itself.
        described["instances"] = [service.instance] if service.instance else []
    return {**dump(decision), "service": _given(described)}


def _given(described: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: value for key, value in described.items() if value not in (None, "", [], {}) and value is not False}
