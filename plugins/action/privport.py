# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one task: checks the input, looks, decides, has the host do what is left, and tells what came of it.

The look is made by a small module that answers what the last run asked. Its answers mean something here, where the
collection's core is compiled once. Where they do not tell everything, the host looks for itself.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from ansible.plugins.action import ActionBase
from ansible_collections.netbind.privport.plugins.module_utils._apply.request import request_of, result_of
from ansible_collections.netbind.privport.plugins.module_utils._apply.transaction import Outcome, Request, glance
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import digest_of
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule, parse_policy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump, load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import FORMAT, Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.options import (
    choice,
    flag,
    mappings,
    whole_number,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.report.plan_text import plan_text
from ansible_collections.netbind.privport.plugins.module_utils._core.report.run_text import msg_of
from ansible_collections.netbind.privport.plugins.module_utils._host.answered import AnsweredHost, Unanswered
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe
from ansible_collections.netbind.privport.plugins.module_utils._observe.view import View
from ansible_collections.netbind.privport.plugins.plugin_utils.policy import applying

_SERVICE = "{name: caddy, ports: [80, 443], unit: caddy.service}"
_RULE = "{forbid: setcap, when: '`true`', why: we upgrade every night}"
_STATES = ("", "present", "absent")
_DATA_VERBOSITY = 3
_OPTIONS = ("services", "policy", "keep", "state", "restart_absent", "undo", "timeout")


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
            done = self._carried_out(options, policy)
        except PrivportError as error:
            done = {"failed": True, "msg": str(error)}
        return {**result, **done, **(self._shown(done) if "plan" in done else {})}

    def _shown(self, done: dict[str, Any]) -> dict[str, Any]:
        """What the result says to people; with -v the plan is printed as text, and the result's data with -vvv."""
        host = str(self._variables.get("inventory_hostname", "this host"))
        if self._display.verbosity > 0:
            self._display.display(plan_text({host: done["plan"]}, details=self._display.verbosity > 1))
        return {"msg": msg_of(done), "_ansible_verbose_override": self._display.verbosity < _DATA_VERBOSITY}

    def _carried_out(self, options: dict[str, Any], policy: tuple[Rule, ...]) -> dict[str, Any]:
        request = request_of(options)
        key = hashlib.sha256(json.dumps([FORMAT, dump(request.services)]).encode()).hexdigest()
        look = self._execute("privport_look", {"key": key})
        if look.get("failed") or "known" not in look:
            return look
        seen = _seen(look["evidence"], request, policy, check_mode=self._task.check_mode) if look["known"] else None
        if seen is not None and seen.outcome is not None:
            return result_of(seen.host, seen.outcome, request, check_mode=self._task.check_mode)
        decided: dict[str, Any] = {"key": key}
        if seen is not None:
            decided["rules"] = dump(seen.request.rules)
            decided["digest"] = digest_of(seen.view.decisions)
        elif policy:
            observed = self._execute("privport_info", {"services": options["services"]})
            if "privport" not in observed:
                return observed
            decided["rules"] = dump(applying(policy, _observation(observed["privport"]), request.services))
        return self._execute("privport", {**options, "decided": decided})

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


class _Seen(NamedTuple):
    """What the host's answers tell, with the policy's rules that apply in the request."""

    host: AnsweredHost
    request: Request
    view: View
    outcome: Outcome | None


def _seen(evidence: str, request: Request, policy: tuple[Rule, ...], *, check_mode: bool) -> _Seen | None:
    """None where the answers do not tell everything."""
    try:
        host = AnsweredHost(evidence)
        if policy:
            rules = applying(policy, observe(host, request.services), request.services)
            request = request._replace(rules=rules)
        view, outcome = glance(host, request, check_mode=check_mode)
        host.end()
    except Unanswered:
        return None
    return _Seen(host, request, view, outcome)


def _observation(document: dict[str, Any]) -> Observation:
    return load(Observation, {key: value for key, value in document.items() if key != "grants"})
