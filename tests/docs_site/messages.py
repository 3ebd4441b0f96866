# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of the collection by their codes, read from its own source: what is made there is found here."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import (
    _FILE_RULES,
    _FOLDER_RULES,
    NO_ATTRIBUTES,
    NOT_PERMITTED,
    READ_ONLY,
    UNCHANGEABLE,
)

from .guides import ROOT

CODE = ROOT / "plugins/module_utils"
# What makes a Reason of its first two arguments; `kind` is one of the two others where a function uses it.
_REASONS = ("Reason", "Unknown", "kind")


# Reasons that hand on what other functions say, by their codes: files of the core, and the functions.
_CONFINED = ("confinement/policy.py", "judge_access")
_INPUT = ("netfilter/input_filter.py", "text")
_HANDED_ON: Mapping[str, Sequence[Tuple[str, str]]] = {
    "address_allow": [("systemd/socket_unit.py", "refusal")],
    "input_drops": [_INPUT],
    "input_rules": [_INPUT],
    "program_refused": [("capability/file_rules.py", "in_vain"), ("capability/file_rules.py", "_shared_interpreter")],
    "refused": [("sysctl/setting.py", "plan_present")],
    "rules": [("authbind/plan.py", "_refusal")],
    "selinux_authbind": [_CONFINED],
    "selinux_capability": [_CONFINED],
    "selinux_node": [_CONFINED],
    "unbound_address": [("systemd/socket_unit.py", "address_problem")],
}
# Of fewer words is no sentence.
_FEWEST_WORDS = 6


def refusals() -> Dict[str, List[str]]:
    """The sentences of each code of a Reason or an Unknown, as far as they stand in the source."""
    found: Dict[str, List[str]] = {
        "program_refused": [_unfilled(it.text) for it in (*_FILE_RULES, *_FOLDER_RULES) if it.refused],
        "unchangeable": [_unfilled(it) for it in (READ_ONLY, UNCHANGEABLE, NO_ATTRIBUTES, NOT_PERMITTED)],
    }
    for code, places in _HANDED_ON.items():
        found.setdefault(code, []).extend(text for place in places for text in _sentences(*place))
    for scope in _scopes():
        for call in scope.calls:
            named = {it.arg: it.value for it in call.keywords}
            if _name(call) in _REASONS:
                code, text = ([*call.args, None, None])[:2]
                code, text = named.get("code", code), named.get("text", text)
            else:
                code, text = named.get("code"), None
            for known in scope.texts(code, before=call.lineno) if code is not None else ():
                if known.isidentifier():
                    found.setdefault(known, []).extend(scope.texts(text, before=call.lineno) if text else ())
    for code in ("implied_no_new_privs", "process_no_new_privs"):
        found[code] += found["no_new_privs"]
    return {code: list(dict.fromkeys(texts)) for code, texts in sorted(found.items())}


def _unfilled(template: str) -> str:
    return re.sub(r"\{\w+\}", "…", template)


def _sentences(file: str, function: str) -> List[str]:
    """All sentences that stand in a function of the core."""
    (scope,) = (it for it in _scopes() if it.name == function and it.path == CODE / "_core" / file)
    every = [text for value in scope.written for text in scope.texts(value, before=0)]
    # A part of a sentence is told with the whole.
    whole = (text for text in every if not any(text in other for other in every if other != text))
    return [text for text in whole if text.count(" ") >= _FEWEST_WORDS]


def checks() -> Dict[str, List[str]]:
    """The sentences of each check of a proof that does not pass."""
    found: Dict[str, List[str]] = {}
    for scope in _scopes():
        for call in (it for it in scope.calls if _name(it) == "Check"):
            code, verdict, text = call.args
            if ast.unparse(verdict) != "PASS":
                for known in scope.texts(code, before=call.lineno):
                    found.setdefault(known, []).extend(scope.texts(text, before=call.lineno))
    return {code: list(dict.fromkeys(texts)) for code, texts in sorted(found.items())}


def advice_by_check() -> Dict[str, str]:
    """What the collection says to do about a failed check: the dictionary `sentences` of advice.py."""
    scope, table = next(
        (scope, table)
        for scope in _scopes()
        for table in scope.assigned.get("sentences", ())
        if scope.name == "_advice" and isinstance(table, ast.Dict)
    )
    return {
        str(ast.literal_eval(key)): (scope.texts(value, before=0) or [""])[0]
        for key, value in zip(table.keys, table.values)
        if key is not None
    }


def _returned(call: ast.Call) -> List[str]:
    """What the one function of this name returns, where that stands there as text."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else _name(call)
    called = [it for it in _scopes() if it.name == name]
    returned = [it for scope in called[:1] for it in scope.returned if not isinstance(it, ast.Call)]
    if len(called) != 1:
        return []
    return [text for value in returned for text in called[0].texts(value, before=value.lineno) if text]


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


class Scope:
    """A function, with what it calls, and what it and its module assign to names."""

    def __init__(self, function: ast.FunctionDef, constants: Mapping[str, str], path: Path) -> None:
        self.name, self.path = function.name, path
        parts = {id(it) for node in ast.walk(function) if isinstance(node, ast.JoinedStr) for it in node.values}
        code = function.body[1:] if ast.get_docstring(function) else function.body
        every = (it for statement in code for it in ast.walk(statement) if id(it) not in parts)
        self.written = [it for it in every if isinstance(it, (ast.JoinedStr, ast.Constant))]
        self.constants = constants
        self.calls = [it for it in ast.walk(function) if isinstance(it, ast.Call)]
        self.returned = [it.value for it in ast.walk(function) if isinstance(it, ast.Return) and it.value]
        self.assigned: Dict[str, List[ast.expr]] = {}
        for node in ast.walk(function):
            for name, value in _assigned(node):
                self.assigned.setdefault(name, []).append(value)
        for values in self.assigned.values():
            values.sort(key=lambda it: it.lineno)

    def texts(self, value: ast.expr, *, before: int) -> List[str]:
        """What an expression may come to in the line `before`; … stands for what only shows in a run."""
        if isinstance(value, ast.Constant):
            return [value.value] if isinstance(value.value, str) else []
        if isinstance(value, ast.IfExp):
            return [*self.texts(value.body, before=before), *self.texts(value.orelse, before=before)]
        if isinstance(value, ast.JoinedStr):
            return ["".join(self._part(it, before=before) for it in value.values)]
        if isinstance(value, ast.Name):
            return self._of_name(value.id, before=before)
        return _returned(value) if isinstance(value, ast.Call) else []

    def _part(self, value: ast.expr, *, before: int) -> str:
        inner = value.value if isinstance(value, ast.FormattedValue) else value
        # What a condition adds in the middle is left out.
        known = self.texts(inner, before=before) if not isinstance(inner, ast.IfExp) else []
        return known[0] if known else "…"

    def _of_name(self, name: str, *, before: int) -> List[str]:
        if name in self.constants:
            return [self.constants[name]]
        earlier = [it for it in self.assigned.get(name, ()) if not before or it.lineno < before]
        return self.texts(earlier[-1], before=earlier[-1].lineno) if earlier else []


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts)
            yield from ((it.id, value) for it, value in pairs if isinstance(it, ast.Name))


def _scopes() -> List[Scope]:
    if not _KNOWN:
        trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(CODE.rglob("*.py"))}
        shared = {name: text for tree in trees.values() for name, text in _constants(tree.body) if name == "CAPABILITY"}
        for path, tree in trees.items():
            constants = {**shared, **dict(_constants(tree.body))}
            functions = (it for it in ast.walk(tree) if isinstance(it, ast.FunctionDef))
            _KNOWN.extend(Scope(it, constants, path) for it in functions)
    return _KNOWN


_KNOWN: List[Scope] = []


def _constants(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for node in body:
        for name, value in _assigned(node):
            if isinstance(value, ast.Constant) and isinstance(value.value, (str, int)):
                yield name, str(value.value)
