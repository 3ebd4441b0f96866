# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one task: checks the input, looks, decides, has the host do what is left, and tells what came of it.

The look is made by a small module that answers what the last run asked. Answers that are the same as then mean the
same. Others are judged here, where the collection's core is imported for it. Where they do not tell everything, the
host looks for itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule, parse_policy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.options import (
    choice,
    flag,
    mappings,
    whole_number,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.report.plan_text import plan_text
from ansible_collections.netbind.privport.plugins.module_utils._core.report.run_text import msg_of
from ansible_collections.netbind.privport.plugins.module_utils._host import packed, source

_SERVICE = "{name: caddy, ports: [80, 443], unit: caddy.service}"
_RULE = "{forbid: setcap, when: '`true`', why: we upgrade every night}"
_STATES = ("", "present", "absent")
_DATA_VERBOSITY = 3
_OPTIONS = ("services", "policy", "keep", "state", "restart_absent", "undo", "timeout", "digest")


# Another code may judge the same answers otherwise. Read where the plugin is loaded, once for all hosts.
_CODE = source.digest()


class ActionModule(ActionBase):
    """The action plugin of the module of the same name."""

    _supports_check_mode = True
    _supports_diff = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        self._variables = task_vars or {}
        try:
            options, policy = _understood(self._task.args)
            done = self._carried_out(options, policy, planned=_planned(self._task.args))
        except PrivportError as error:
            done = {"failed": True, "msg": str(error)}
        if "plan" in done:
            # The error that Ansible made of it has the module's own words, which told nobody anything.
            done.pop("exception", None)
            done.update(self._shown(done))
        return {**result, **done}

    def _shown(self, done: dict[str, Any]) -> dict[str, Any]:
        """What the result says to people; with -v the plan is printed as text, and the result's data with -vvv."""
        host = str(self._variables.get("inventory_hostname", "this host"))
        if self._display.verbosity > 0:
            self._display.display(plan_text({host: done["plan"]}, details=self._display.verbosity > 1))
        return {"msg": msg_of(done), "_ansible_verbose_override": self._display.verbosity < _DATA_VERBOSITY}

    def _carried_out(self, options: dict[str, Any], policy: tuple[Rule, ...], *, planned: str) -> dict[str, Any]:
        names = _names(options, policy)
        look = self._execute("privport_look", names)
        if look.get("failed") or "known" not in look:
            return look
        result = _unpacked(look["result"])
        decided: dict[str, Any] = {}
        if look["known"] and result is None:
            from ansible_collections.netbind.privport.plugins.plugin_utils.judge import judged

            result, decided = judged(look["evidence"], options, policy, check_mode=self._task.check_mode)
        if result is not None:
            return result
        if policy and not decided:
            from ansible_collections.netbind.privport.plugins.plugin_utils.judge import rules_for

            observed = self._execute("privport_info", {"services": options["services"]})
            if "privport" not in observed:
                return observed
            decided = {"rules": rules_for(observed["privport"], options, policy)}
        digest = {"digest": planned} if planned else {}
        return self._execute("privport", {**options, "decided": {**names, **decided, **digest}})

    def _execute(self, module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(
            module_name=f"netbind.privport.{module}", module_args=arguments, task_vars=self._variables
        )
        return done


def _understood(arguments: dict[str, Any]) -> tuple[dict[str, Any], tuple[Rule, ...]]:
    """The module's options, each in its own type, and the policy. Raises InvalidInput."""
    unknown = sorted(str(name) for name in arguments if name not in _OPTIONS)
    if unknown:
        raise InvalidInput(f"option {unknown[0]!r} is unknown; the options are {', '.join(_OPTIONS)}")
    given = {name: value for name, value in arguments.items() if value is not None}
    options = {
        "services": mappings(given.get("services", []), where="services", example=_SERVICE),
        "keep": flag(given.get("keep", False), where="keep"),
        "restart_absent": flag(given.get("restart_absent", False), where="restart_absent"),
        "undo": choice(given.get("undo", "failed"), ("failed", "all"), where="undo"),
        "timeout": whole_number(given.get("timeout", 30), where="timeout"),
    }
    state = choice(given.get("state", ""), _STATES, where="state")
    return {**options, **({"state": state} if state else {})}, parse_policy(given.get("policy", []))


def _planned(arguments: dict[str, Any]) -> str:
    """The digest of the plan that is to be carried out; '' for whatever is decided. Raises InvalidInput."""
    digest = str(arguments.get("digest") or "")
    if digest and not re.fullmatch("[0-9a-f]{64}", digest):
        raise InvalidInput(f"digest is {digest!r}; give what the filter privport_plan_digest makes of a plan")
    return digest


def _names(options: dict[str, Any], policy: tuple[Rule, ...]) -> dict[str, str]:
    """Under which names the host remembers: the services, and all that the result depends on.

    The latter is '' with a policy, which the host does not know. Raises InvalidInput.
    """
    services = [dump(parse_services(options["services"])), options.get("state", ""), options["keep"]]
    request = [*services, options["restart_absent"], _CODE]
    return {"key": _digest(services), "request": "" if policy else _digest(request)}


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()


def _unpacked(result: str) -> dict[str, Any] | None:
    """What the host kept as the result; None for nothing, or what is none."""
    try:
        found: dict[str, Any] = packed.unpack(result)
    except ValueError:
        return None
    return found
