# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of the site's policy apply to which service: their expressions are JMESPath over the observation."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.instances import members
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service

try:
    import jmespath
    from jmespath.exceptions import JMESPathError

    HAS_JMESPATH = True
except ImportError:  # Only a policy needs it.
    HAS_JMESPATH = False


def applying(
    rules: tuple[Rule, ...], observed: Observation, described: tuple[Service, ...]
) -> dict[str, tuple[Rule, ...]]:
    """The rules whose expression is true, for each service by its name. Raises InvalidInput."""
    if not rules:
        return {}
    # Plain JSON: JMESPath judges types by their names, which Ansible's tagged ones do not have.
    document = json.loads(json.dumps(dump(observed)))
    facts = {it["name"]: it for it in document["services"]}
    return {
        service.name: tuple(
            rule
            for rule in rules
            if _is_true(rule, {**document, "service": {**facts.get(service.name, {}), "declared": dump(service)}})
        )
        for service in members(described, observed.instances)
    }


def _is_true(rule: Rule, document: dict[str, Any]) -> bool:
    return bool(search(rule.when, document, where=f"policy rule {rule}"))


def check_expression(expression: str, *, where: str) -> None:
    """Raises InvalidInput that begins with where for what is no JMESPath expression."""
    if not HAS_JMESPATH:
        raise InvalidInput(f"{where} needs jmespath on the controller; install it with 'pip install jmespath'")
    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{where}: its expression cannot be evaluated: {reason}") from error


def search(expression: str, document: Any, *, where: str) -> Any:
    """What a JMESPath expression makes of plain JSON data. Raises InvalidInput that begins with where."""
    if not HAS_JMESPATH:
        raise InvalidInput(f"{where} needs jmespath on the controller; install it with 'pip install jmespath'")
    try:
        return jmespath.search(expression, document)
    except JMESPathError as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{where}: its expression cannot be evaluated: {reason}") from error
