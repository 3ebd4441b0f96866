# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that keep the parts apart, and the parts that each strategy must have."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, Set

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import STRATEGY_NAMES

ROOT = Path(__file__).parents[2]
PACKAGE = "ansible_collections.netbind.privport."
CORE = ROOT / "plugins/module_utils/_core"
# Data and text only: nothing here can see or change a machine.
PURE = {
    *[
        "__future__",
        "abc",
        "array",
        "ast",
        "base64",
        "collections",
        "enum",
        "errno",
        "fnmatch",
        "functools",
        "ipaddress",
        "itertools",
        "json",
    ],
    *["hashlib", "math", "operator", "posixpath", "re", "shlex", "stat", "string", "struct", "textwrap", "typing"],
}
IMPURE_CALLS = {"open", "exec", "eval", "compile", "input", "print", "__import__", "breakpoint"}
MODULES = sorted((ROOT / "plugins/modules").glob("privport_*.py"))
PLUGINS = sorted(path for path in (ROOT / "plugins").rglob("*.py") if path.name != "__init__.py")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, also inside its functions; names of a package as package.name too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: AnsiballZ and sanity want absolute imports"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called_names(path: Path) -> Set[str]:
    """The functions that a file calls by a plain name."""
    called = (node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call))
    return {function.id for function in called if isinstance(function, ast.Name)}


def own_file(name: str) -> List[Path]:
    base = ROOT / name[len(PACKAGE) :].replace(".", "/")
    return [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]


def reached(path: Path) -> Set[Path]:
    """The collection's own files that a file imports, and what those import, as AnsiballZ sends them."""
    found: Set[Path] = set()
    waiting = [path]
    while waiting:
        for name in imports(waiting.pop()):
            files = own_file(name) if name.startswith(PACKAGE) else []
            waiting.extend(file for file in files if file not in found)
            found.update(files)
    return found


def ids(paths: List[Path]) -> List[str]:
    return [str(path.relative_to(ROOT / "plugins")) for path in paths]


CORE_FILES = sorted(CORE.rglob("*.py"))


@pytest.mark.parametrize("path", CORE_FILES, ids=ids(CORE_FILES))
def test_the_core_imports_data_modules_and_itself(path: Path) -> None:
    core = PACKAGE + "plugins.module_utils._core"
    outside = {name for name in imports(path) if not (name + ".").startswith(core + ".")}
    # 'from typing import Any' counts as typing and as typing.Any.
    assert {name.partition(".")[0] for name in outside} <= PURE


@pytest.mark.parametrize("path", CORE_FILES, ids=ids(CORE_FILES))
def test_the_core_calls_nothing_that_acts(path: Path) -> None:
    assert not called_names(path) & IMPURE_CALLS


def test_the_core_needs_neither_ansible_nor_anything_installed() -> None:
    names = [
        PACKAGE + str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
        for path in CORE_FILES
        if path.name != "__init__.py"
    ]
    code = "import importlib, sys; sys.modules['ansible'] = None; sys.modules['yaml'] = None\n"
    code += "\n".join(f"importlib.import_module({name!r})" for name in names)
    searched = [str(Path(entry).resolve()) for entry in sys.path if (Path(entry) / PACKAGE.partition(".")[0]).is_dir()]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {searched!r}\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", PLUGINS, ids=ids(PLUGINS))
def test_nothing_but_the_shared_main_ends_the_program(path: Path) -> None:
    ending = {"fail_json", "exit_json", "exit"}
    found = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr in ending]
    assert not found or path == ROOT / "plugins/module_utils/_module.py"


@pytest.mark.parametrize("path", MODULES, ids=ids(MODULES))
def test_a_module_has_its_documentation(path: Path) -> None:
    assigned = {
        target.id: node.value
        for node in tree(path).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for name in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
        assert isinstance(assigned.get(name), ast.Constant), name
    documentation = ast.literal_eval(assigned["DOCUMENTATION"])
    for part in (f"module: {path.stem}", "short_description:", "- netbind.privport._attributes"):
        assert part in documentation


@pytest.mark.parametrize("name", ["privport_setcap", "privport_authbind", "privport_ambient"])
def test_a_module_that_does_one_thing_knows_no_strategies(name: str) -> None:
    sent = reached(ROOT / f"plugins/modules/{name}.py")
    assert CORE / "systemd/unit.py" in sent or CORE / "capability/text.py" in sent
    assert [path for path in sent if "decision" in path.parts and path.name != "__init__.py"] == []


def test_a_file_capability_alone_is_sent_little() -> None:
    sent = {
        path.parent.name
        for path in reached(ROOT / "plugins/modules/privport_setcap_once.py")
        if path.name != "__init__.py"
    }
    assert sent <= {"module_utils", "_apply", "_host", "_observe", "capability", "model"}


def test_the_look_is_sent_the_seam_alone() -> None:
    sent = {path for path in reached(ROOT / "plugins/modules/privport_look.py") if path.name != "__init__.py"}
    # What supervisors say is understood on the host: their files may hold secrets.
    seam = ("_host", "supervision")
    assert {path for path in sent if path.parent.name not in seam} == {
        CORE / "model/errors.py",
        ROOT / "plugins/module_utils/_module.py",
    }
    # What changes a host stays away.
    assert not {path.name for path in sent} & {"host.py", "atomic.py"}


@pytest.mark.parametrize("name", ["privport_verify"])
def test_a_module_that_judges_is_sent_every_strategy(name: str) -> None:
    sent = reached(ROOT / f"plugins/modules/{name}.py")
    assert {CORE / f"decision/strategies/{strategy}.py" for strategy in STRATEGIES} <= sent


# It reads the files beside it, on the controller.
READS_ITS_OWN = ROOT / "plugins/plugin_utils/audit/page.py"


@pytest.mark.parametrize("path", [path for path in PLUGINS if path != READS_ITS_OWN], ids=lambda path: path.name)
def test_nothing_is_imported_by_a_computed_name(path: Path) -> None:
    # AnsiballZ sends what it sees imported.
    assert not {name.partition(".")[0] for name in imports(path)} & {"importlib", "pkgutil"}


# What sees or changes a machine. A clock does neither.
ACTING = {
    *["asyncio", "atexit", "builtins", "concurrent", "ctypes", "fcntl", "ftplib", "getpass", "glob", "grp", "http"],
    *["io", "linecache", "mmap", "multiprocessing", "os", "pathlib", "pexpect", "platform", "pty", "pwd", "readline"],
    *["resource", "runpy", "select", "selectors", "shutil", "signal", "smtplib", "socket", "socketserver", "spwd"],
    *["sqlite3", "ssl", "subprocess", "syslog", "tempfile", "termios", "threading", "urllib", "xmlrpc", "zipfile"],
}
ABOVE_THE_SEAM = [path for path in PLUGINS if "_host" not in path.parts]


@pytest.mark.parametrize("path", ABOVE_THE_SEAM, ids=ids(ABOVE_THE_SEAM))
def test_the_host_is_the_one_seam(path: Path) -> None:
    # urllib.parse takes addresses apart, and asks for none.
    acting = {name for name in imports(path) if name.partition(".")[0] in ACTING and "urllib.parse" not in name}
    assert acting == set(), "ask a Host for it"
    # What sys tells of the machine is that of whoever runs it: the controller's, when a look is replayed there.
    assert "sys" not in {name.partition(".")[0] for name in imports(path)}
    assert not called_names(path) & IMPURE_CALLS


def test_what_acts_is_found(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import os.path as paths\nfrom pwd import getpwnam\ndef f():\n    import ctypes\n    open('x')\n")
    assert {name.partition(".")[0] for name in imports(bad)} & ACTING == {"os", "pwd", "ctypes"}
    assert called_names(bad) & IMPURE_CALLS == {"open"}


def test_the_names_are_the_registrys_in_its_order() -> None:
    assert tuple(STRATEGIES) == STRATEGY_NAMES
    assert all(name == strategy.name for name, strategy in STRATEGIES.items())


# Who but a strategy itself may name one, and what for.
NAMING = {
    "_core/model/service_spec.py": "the names that people write",
    "_core/report/ways_out.py": "advice that only one strategy's reason calls for",
    "_core/report/plan_text.py": "steps of a decision, some of which have a strategy's name",
    "_core/decision/plan.py": "the key socket of a description",
    "_core/model/service.py": "the same key",
    "_core/systemd/unit.py": "the first lines of drop-ins",
    "_core/systemd/command.py": "the program authbind",
    "_core/systemd/socket_unit.py": "the first line of its files",
    "_core/netfilter/redirect.py": "the first lines of its files, and a statement of nft",
    "_core/netfilter/nft_ruleset.py": "the same statement",
    "_core/model/superserver_options.py": "what a description names",
    "_core/superserver/server.py": "the first lines of its files, and what is found of them",
    "_core/forwarding/forwarder.py": "the first lines of its files",
    "_core/forwarding/init_script.py": "the first line of its file",
    "_core/decision/hazards/sandbox.py": "the system call socket(2)",
    "_core/decision/hazards/program.py": "the program setcap(8)",
    "_core/confinement/policy.py": "the stage at which a trial ended",
    "_host/trial.py": "the same stage",
    "_observe/observe.py": "the program authbind, and what is looked for by strategy",
    "_core/audit/grant.py": "the mechanisms of grants, whoever made them",
    "_apply/authbind_unit.py": "the module of this one mechanism",
    "_apply/socket.py": "the module of this one mechanism",
}


def test_nobody_else_names_a_strategy() -> None:
    shared = ROOT / "plugins/module_utils"
    own = {CORE / "decision/strategies" / f"{name}.py" for name in STRATEGIES}
    naming = {
        str(path.relative_to(shared))
        for path in shared.rglob("*.py")
        for node in ast.walk(tree(path))
        if path not in own and isinstance(node, ast.Constant) and node.value in STRATEGY_NAMES
    }
    assert naming == set(NAMING)


def strategy_files() -> Set[str]:
    return {path.stem for path in (CORE / "decision/strategies").glob("*.py")} - {"__init__"}


def test_every_strategy_file_is_registered() -> None:
    assert strategy_files() == set(STRATEGIES)


@pytest.mark.parametrize("path", ["roles/privport/meta/argument_specs.yml", "docs/strategies.md"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_is_documented(strategy: str, path: str) -> None:
    assert re.search(rf"\b{strategy}\b", (ROOT / path).read_text(encoding="utf-8"))
