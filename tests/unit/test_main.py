# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way from options to a result: no traceback reaches a user. And that each module's documentation is there."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.netbind.privport.plugins.action import privport_stop
from ansible_collections.netbind.privport.plugins.action.privport import _OPTIONS
from ansible_collections.netbind.privport.plugins.action.privport_print import ActionModule
from ansible_collections.netbind.privport.plugins.module_utils._apply.request import result_of as run_result
from ansible_collections.netbind.privport.plugins.module_utils._apply.transaction import Step
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    Grant,
    LowListener,
    Remark,
    Scan,
    Skipped,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.policy import Confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    Account,
    Authbind,
    AuthbindPort,
    Listener,
    Network,
    Observation,
    Program,
    ServiceFacts,
    SocketUnit,
    Unit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.nat import Diversion
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import Check
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import Evidence
from ansible_collections.netbind.privport.plugins.module_utils._host.looks import Looks
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module
from ansible_collections.netbind.privport.plugins.modules import privport, privport_verify
from ansible_collections.netbind.privport.plugins.plugin_utils.version import VERSION

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
PACKAGE = "ansible_collections.netbind.privport.plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))


class Locking(Looks):
    """A host that tells whether its lock was asked for."""

    def __init__(self) -> None:
        self.asked: List[bool] = []

    @contextlib.contextmanager
    def locked(self, *, needed: bool) -> Iterator[None]:  # type: ignore[override]
        self.asked.append(needed)
        yield


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """The warnings of a module; Ansible shows none twice."""
    found: List[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda module, text: found.append(text))
    return found


def result_of(
    capsys: pytest.CaptureFixture[str], answer: Any, *, check: bool = False, locks: bool = False
) -> Tuple[Dict[str, Any], List[bool]]:
    def run(params: Mapping[str, Any], *, host: Looks, check_mode: bool) -> Dict[str, Any]:
        if isinstance(answer, Exception):
            raise answer
        return {**answer, "was": (params["word"], check_mode)}

    host = Locking()
    basic._ANSIBLE_ARGS = None
    with patch_module_args({"word": "x", "_ansible_check_mode": check}), pytest.raises(SystemExit):
        run_module(run, host=host, argument_spec={"word": {"type": "str"}}, locks=locks)
    return json.loads(capsys.readouterr().out), host.asked


@pytest.mark.parametrize(
    ("answer", "failed", "msg"),
    [
        ({"msg": "done"}, False, "done"),
        ({"msg": "no", "failed": True}, True, "no"),
        (HostError("it is closed"), True, "it is closed"),
        (Refused("it is another's"), True, "it is another's"),
        (OSError(5, "Input/output error", "/a"), True, "/a: Input/output error, which this collection did not foresee"),
        (OSError(5, "Input/output error"), True, "Input/output error, which this collection did not foresee"),
        (OSError("odd"), True, "odd, which this collection did not foresee"),
    ],
    ids=repr,
)
def test_what_a_module_says(capsys: pytest.CaptureFixture[str], answer: Any, failed: bool, msg: str) -> None:
    said, _asked = result_of(capsys, answer)
    assert (said.get("failed", False), said["msg"].startswith(msg), "\n" in said["msg"]) == (failed, True, False)


@pytest.mark.parametrize(
    ("check", "locks", "asked"), [(False, True, True), (True, True, False), (False, False, False)], ids=str
)
def test_who_changes_something_holds_the_lock(
    capsys: pytest.CaptureFixture[str], told: List[str], check: bool, locks: bool, asked: bool
) -> None:
    said, found = result_of(capsys, {"warnings": ["it is wide"]}, check=check, locks=locks)
    assert (said["was"], found, told) == (["x", check], [asked], ["it is wide"])


@pytest.mark.parametrize("verbosity", [0, 1])
def test_text_is_printed(verbosity: int) -> None:
    shown: List[str] = []
    task = SimpleNamespace(args={"text": "a\nb"}, async_val=0, check_mode=False, action="privport_print")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp"))
    plugin = ActionModule(task, connection, None, None, None)
    plugin._display = SimpleNamespace(display=shown.append, verbosity=verbosity)
    assert plugin.run() == {"changed": False, **({"text": "a\nb"} if verbosity else {})}
    assert shown == ["a\nb"]


def test_a_host_is_ended_without_a_failure() -> None:
    task = SimpleNamespace(args={"msg": "so"}, async_val=0, check_mode=False, action="privport_stop")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp"))
    plugin = privport_stop.ActionModule(task, connection, None, None, None)
    assert plugin.run() == {"changed": False, "unreachable": True, "msg": "so"}


@pytest.mark.parametrize(
    ("name", "keys", "fields"),
    [
        ("privport", ("steps",), Step._fields),
        ("privport_verify", ("evidence",), Evidence._fields),
        ("privport_verify", ("evidence", "checks"), Check._fields),
        ("privport_info", ("privport",), (*Observation._fields, *Scan._fields)),
        ("privport_info", ("privport", "services"), ServiceFacts._fields),
        *(
            ("privport_info", ("privport", "services", key), kind._fields)
            for key, kind in (
                ("unit", Unit),
                ("program", Program),
                ("network", Network),
                ("sockets", SocketUnit),
                ("confinement", Confinement),
                ("account", Account),
                ("authbind_ports", AuthbindPort),
                ("listeners", Listener),
                ("diversions", Diversion),
            )
        ),
        *(
            ("privport_info", ("privport", *keys), kind._fields)
            for keys, kind in (
                (("authbind",), Authbind),
                (("authbind_rules",), RuleFile),
                (("grants",), Grant),
                (("grants", "remarks"), Remark),
                (("listeners",), LowListener),
                (("skipped",), Skipped),
            )
        ),
    ],
)
def test_what_is_returned_is_what_the_code_gives(name: str, keys: Tuple[str, ...], fields: Tuple[str, ...]) -> None:
    contains = yaml.safe_load(importlib.import_module(f"{PACKAGE}.modules.{name}").RETURN)
    for key in keys:
        contains = contains[key]["contains"]
    assert set(contains) == set(fields)


def test_each_check_of_a_proof_is_named() -> None:
    """Its code is the first argument of what makes one."""
    calls = [
        node
        for path in (PLUGINS / "module_utils").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check" and node.args
    ]
    given = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    checks = yaml.safe_load(privport_verify.RETURN)["evidence"]["contains"]["checks"]["contains"]
    (told,) = checks["code"]["description"]
    assert given == set(re.findall(r"V\((\w+)\)", told))


def documented_filter(name: str) -> Any:
    return yaml.safe_load((PLUGINS / "filter" / f"{name}.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", sorted(path.stem for path in (PLUGINS / "filter").glob("*.py")))
def test_each_filter_of_a_file_is_documented_by_its_own_name(file: str) -> None:
    """What the file itself documents, Ansible shows for all of its filters."""
    held = importlib.import_module(f"{PACKAGE}.filter.{file}")
    assert not hasattr(held, "DOCUMENTATION")
    names = list(held.FilterModule().filters())
    assert [documented_filter(name)["DOCUMENTATION"]["name"] for name in names] == names


def test_a_plan_has_what_the_filter_says() -> None:
    told = documented_filter("privport_plan")["RETURN"]["_value"]["contains"]
    assert set(told) == {*Decision._fields, "service"}


def test_a_run_gives_what_the_module_says() -> None:
    """Besides what every module may give."""
    (given,) = [
        {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
        for node in ast.walk(ast.parse(inspect.getsource(run_result)))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict)
    ]
    assert set(yaml.safe_load(privport.RETURN)) == given - {"changed", "diff", "warnings", "failed", "msg"}


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_the_defaults_of_a_role_are_those_that_it_documents(role: str) -> None:
    def of(path: str) -> Any:
        return yaml.safe_load((ROOT / "roles" / role / path).read_text(encoding="utf-8"))

    options = of("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert of("defaults/main.yml") == {name: option["default"] for name, option in options.items()}


def test_the_task_of_the_role_hands_every_option_on() -> None:
    (task,) = yaml.safe_load((ROOT / "roles/privport/tasks/main.yml").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((ROOT / "roles/privport/defaults/main.yml").read_text(encoding="utf-8"))
    handed = {f"privport_{key}": value for key, value in task["netbind.privport.privport"].items()}
    assert handed == {name: f"{{{{ {name} }}}}" for name in defaults}
    assert {name.replace("privport_", "", 1) for name in defaults} == set(_OPTIONS)


def test_the_action_group_has_every_module() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    assert runtime["action_groups"]["privport"] == MODULES


@pytest.mark.parametrize("path", sorted((ROOT / "changelogs/fragments").glob("*.yml")), ids=lambda path: path.name)
def test_a_changelog_is_written_as_rst(path: Path) -> None:
    """The markup of the plugins' documentation would stand there as it is."""
    assert re.findall(r"\b[BCEIMOPUV]\(|\bRV\(", path.read_text(encoding="utf-8")) == []


def test_nothing_came_with_a_version_that_is_still_to_come() -> None:
    said = {
        tuple(map(int, found.split(".")))
        for folder in ("plugins", "roles")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yml")
        for found in re.findall(r"version_added: (\S+)", path.read_text(encoding="utf-8"))
    }
    # 1.0.0 is the first release.
    assert (1, 0, 0) == min(said) <= max(said) <= tuple(map(int, VERSION.split(".")))


@pytest.mark.parametrize("name", MODULES)
def test_documentation_and_its_fragments_can_be_read(name: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.modules.{name}")
    documentation = yaml.safe_load(module.DOCUMENTATION)
    assert documentation["module"] == name
    assert all(yaml.safe_load(text) for text in (module.EXAMPLES, module.RETURN))
    for named in documentation["extends_documentation_fragment"]:
        fragment, _dot, part = named.replace("netbind.privport.", "", 1).partition(".")
        held = importlib.import_module(f"{PACKAGE}.doc_fragments.{fragment}").ModuleDocFragment
        assert isinstance(yaml.safe_load(getattr(held, (part or "documentation").upper())), dict)
