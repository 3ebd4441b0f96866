# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's own rules: they choose between strategies that work and cannot make one work."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model import options
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import STRATEGY_NAMES

EFFECTS = ("forbid", "prefer", "require")


class Rule(NamedTuple):
    """effect is one of EFFECTS; when is a JMESPath expression; why is shown to people."""

    effect: str
    strategy: str
    when: str
    why: str

    def __str__(self) -> str:
        return f"{{{self.effect}: {self.strategy}, when: {self.when!r}}}"

    def rejects(self, strategy: str) -> bool:
        """Whether a service to which the rule applies may not have the strategy."""
        return (self.effect, self.strategy == strategy) in (("forbid", True), ("require", False))


def parse_policy(descriptions: Any) -> tuple[Rule, ...]:
    """A list of {forbid|prefer|require: STRATEGY, when: EXPRESSION, why: TEXT}, or a text that holds one.

    Raises InvalidInput that quotes a wrong rule.
    """
    example = '{"forbid": "setcap", "when": "`true`", "why": "a sentence"}'
    found = options.mappings(descriptions, where="policy", example=example)
    return tuple(_parse_rule(description) for description in found)


def _parse_rule(description: Mapping[Any, Any]) -> Rule:
    where = f"policy rule {dict(description)!r}:"
    effects = [effect for effect in EFFECTS if effect in description]
    unknown = sorted(str(key) for key in description if key not in (*EFFECTS, "when", "why"))
    if len(effects) != 1 or unknown:
        raise InvalidInput(f"{where} write just one of {', '.join(EFFECTS)}, with when and why")
    strategy = options.choice(description[effects[0]], STRATEGY_NAMES, where=f"{where} {effects[0]}")
    for key in ("when", "why"):
        if not isinstance(description.get(key), str) or not description[key].strip():
            raise InvalidInput(f"{where} {key} is {description.get(key)!r}; write it as text")
    return Rule(effect=effects[0], strategy=strategy, when=str(description["when"]), why=str(description["why"]))
