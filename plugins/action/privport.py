# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one task: checks the input, has the host do the work, and tells what came of it in a person's words."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule, parse_policy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump, load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.options import (
    choice,
    flag,
    mappings,
    whole_number,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service, parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.report.run_text import msg_of
from ansible_collections.netbind.privport.plugins.plugin_utils.policy import applying

_MODULE = "netbind.privport.privport"
_SERVICE = "{name: caddy, ports: [80, 443], unit: caddy.service}"
_RULE = "{forbid: setcap, when: '`true`', why: we upgrade every night}"
_STATES = ("", "present", "absent")
_OPTIONS = ("services", "policy", "keep", "state", "restart_absent", "undo", "timeout")


class ActionModule(ActionBase):
    """The action plugin of the module of the same name."""

    _supports_check_mode = True
    _supports_diff = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        try:
            options, services = _understood(self._task.args)
            result.update(self._carried_out(options, services, task_vars=task_vars or {}))
        except PrivportError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _carried_out(
        self, options: dict[str, Any], services: tuple[Service, ...], *, task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        rules = parse_policy(options.pop("policy"))
        decided = {}
        if rules:
            seen = self._execute_module(
                module_name="netbind.privport.privport_info",
                module_args={"services": options["services"]},
                task_vars=task_vars,
            )
            if seen.get("failed"):
                return seen
            decided["rules"] = _rules(rules, seen["privport"], services)
        done: dict[str, Any] = self._execute_module(
            module_name=_MODULE, module_args={**options, "decided": decided}, task_vars=task_vars
        )
        return {**done, "msg": msg_of(done)} if "plan" in done else done


def _understood(arguments: dict[str, Any]) -> tuple[dict[str, Any], tuple[Service, ...]]:
    """The module's options, each in its own type, and the services. Raises InvalidInput."""
    unknown = sorted(str(name) for name in arguments if name not in _OPTIONS)
    if unknown:
        raise InvalidInput(f"option {unknown[0]!r} is unknown; the options are {', '.join(_OPTIONS)}")
    given = {name: value for name, value in arguments.items() if value is not None}
    services = mappings(given.get("services", []), where="services", example=_SERVICE)
    options = {
        "services": services,
        "policy": mappings(given.get("policy", []), where="policy", example=_RULE),
        "keep": flag(given.get("keep", False), where="keep"),
        "restart_absent": flag(given.get("restart_absent", False), where="restart_absent"),
        "undo": choice(given.get("undo", "failed"), ("failed", "all"), where="undo"),
        "timeout": whole_number(given.get("timeout", 30), where="timeout"),
    }
    state = choice(given.get("state", ""), _STATES, where="state")
    return {**options, **({"state": state} if state else {})}, parse_services(services)


def _rules(
    rules: tuple[Rule, ...], document: dict[str, Any], services: tuple[Service, ...]
) -> dict[str, list[dict[str, Any]]]:
    """The rules that apply to each service, as data."""
    observed = load(Observation, {key: value for key, value in document.items() if key != "grants"})
    return {name: dump(found) for name, found in applying(rules, observed, services).items()}
