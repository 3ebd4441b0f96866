# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every description of services and every policy in the docs is one that the collection takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator

import jmespath
import pytest
import yaml
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import parse_policy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.tests.field.table import DAEMONS
from ansible_collections.netbind.privport.tests.unit.core import cases

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("roles/*/README.md"))]


def blocks() -> Iterator[tuple[str, Any]]:
    """Each block of YAML with where it stands."""
    for path in PAGES:
        text = path.read_text("utf-8")
        for match in re.finditer(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield f"{path.relative_to(ROOT)}:{text[: match.start()].count(chr(10)) + 1}", yaml.safe_load(match[1])


def values(found: Any, key: str) -> Iterator[Any]:
    """What stands below a key, wherever that is."""
    if isinstance(found, dict):
        yield from (found[key] for _once in (1,) if key in found)
        yield from (it for value in found.values() for it in values(value, key))
    elif isinstance(found, list):
        yield from (it for value in found for it in values(value, key))


def services_in(found: Any) -> list[Any]:
    """The lists of services, also one that stands alone."""
    alone = [found] if isinstance(found, list) and any("ports" in it for it in found if isinstance(it, dict)) else []
    return [*values(found, "privport_services"), *alone]


SERVICES = [(where, services) for where, found in blocks() for services in services_in(found)]
POLICIES = [(where, policy) for where, found in blocks() for policy in values(found, "privport_policy")]
# What an expression of the policy sees, for a plain service.
_CASE = cases.case()
DOCUMENT = {**dump(_CASE.host), "service": {**dump(_CASE.facts), "declared": dump(_CASE.service)}}


def test_there_are_recipes() -> None:
    assert len(SERVICES) > 15
    assert len(POLICIES) > 5


@pytest.mark.parametrize(("where", "services"), SERVICES, ids=[where for where, _services in SERVICES])
def test_a_description_of_the_docs_is_taken(where: str, services: Any) -> None:
    assert len(parse_services(services)) == len(services)


@pytest.mark.parametrize(("where", "policy"), POLICIES, ids=[where for where, _policy in POLICIES])
def test_a_policy_of_the_docs_is_taken_and_can_be_asked(where: str, policy: Any) -> None:
    for rule in parse_policy(policy):
        assert isinstance(jmespath.search(rule.when, DOCUMENT), (bool, type(None)))


def test_what_the_cookbook_says_that_expressions_see_is_there() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", (ROOT / "docs/policy.md").read_text("utf-8"), re.MULTILINE)
    named = [expression for left, _right in rows for expression in re.findall("`([^`]+)`", left)]
    assert len(named) > 12
    missing = [it for it in named if it not in _paths(DOCUMENT)]
    assert missing == []
    # 'the file: `path`, `real_path`' and so on: what stands below it.
    for left, right in rows:
        below = jmespath.search(left.strip("`").partition("`")[0], DOCUMENT)
        if isinstance(below, dict) and ": `" in right:
            assert set(re.findall(r"`(\w+)`", right)) <= set(below)


def _paths(found: Any, before: str = "") -> set[str]:
    """The paths of all that a document holds, null or not."""
    if not isinstance(found, dict):
        return set()
    here = {f"{before}{key}" for key in found}
    return here.union(*(_paths(value, f"{before}{key}.") for key, value in found.items()), set())


# What a daemon as packaged is given that was measured: beside its name, its unit and where it listens.
_ANYBODYS = {"name", "unit", "ports", "addresses", "families"}
PACKAGED = [
    (where, service)
    for where, services in SERVICES
    for service in services
    if where.startswith("docs/recipes.md") and service.get("unit") in {it.unit for it in DAEMONS}
]


@pytest.mark.parametrize(("where", "service"), PACKAGED, ids=[where for where, _service in PACKAGED])
def test_a_recipe_of_a_packaged_daemon_is_what_was_measured_of_it(where: str, service: dict[str, Any]) -> None:
    said = {key: value for key, value in service.items() if key not in _ANYBODYS}
    assert said in [{**it.said, **it.way.said} for it in DAEMONS if it.unit == service["unit"]]


def test_there_are_recipes_of_packaged_daemons() -> None:
    assert len(PACKAGED) > 6
