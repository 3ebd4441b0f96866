# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands of the documentation are run by a test: each must be, and those that none runs are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.netbind.privport.tests import readme
from ansible_collections.netbind.privport.tests.readme import Command

PLAN = "ansible-playbook netbind.privport.plan -i hosts"
REMOVE = "ansible-playbook netbind.privport.remove -i hosts"


def test_every_command_of_the_documentation_is_run() -> None:
    assert readme.problems(*readme.documented()) == []


def test_the_reference_names_everything() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs/reference.md").read_text(encoding="utf-8")
    filters = (re.findall(r'"(privport_\w+)":', it.read_text("utf-8")) for it in root.glob("plugins/filter/*.py"))
    parts = ("plugins/modules/*.py", "roles/*", "playbooks/*.yml")
    names = {name for found in filters for name in found} | {it.stem for part in parts for it in root.glob(part)}
    assert sorted(name for name in names if f"`{name}`" not in page) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```console\n$ one\n# two three\nwhat they print\n```\n", [("page:2", "one"), ("page:3", "two three")]),
        ("```console\n$ one \\\n    more\n$ two\n```", [("page:2", "one \\\n    more"), ("page:4", "two")]),
        ("```sh\n$ one\n```\n$ two\n# Heading\n", []),
        ("```text\n$ one\n```\n\n```console\n$ two\n```", [("page:6", "two")]),
    ],
)
def test_the_commands_of_a_page(text: str, found: list[tuple[str, str]]) -> None:
    assert list(readme.commands(text, name="page")) == found


def test_the_options_of_a_page() -> None:
    text = "With `-e a=1` and\n`-e b=N` (but not `-i hosts`) it does.\n"
    assert list(readme.options(text, name="page")) == [("page:1", "-e a=1"), ("page:2", "-e b=N")]


@pytest.mark.parametrize(
    ("commands", "options", "told"),
    [
        ((PLAN,), (), ""),
        (("ansible web -i hosts -m privport_setcap",), (), ""),
        (("./run nothing",), (), "README.md:1: no test runs './run nothing'; "),
        (("ansible-doc netbind.privport.privport_info",), (), "no test runs 'ansible-doc "),
        (("sudo " + PLAN,), (), "no test runs 'sudo "),
        ((), ("-e privport_colour=red",), "no test runs '-e privport_colour=red'"),
    ],
)
def test_what_no_test_runs_is_told(commands: tuple[str, ...], options: tuple[str, ...], told: str) -> None:
    known = [Command("README.md:9", text) for text in readme.ELSEWHERE]
    known_options = [Command("README.md:9", text) for text in readme.OPTIONS]
    found = readme.problems(
        [*known, *(Command("README.md:1", text) for text in commands)],
        [*known_options, *(Command("README.md:1", text) for text in options)],
    )
    assert len(found) == (1 if told else 0)
    assert told in "".join(found)


def test_what_no_page_has_any_more_is_told() -> None:
    found = readme.problems([], [])
    assert len(found) == len(readme.ELSEWHERE) + len(readme.OPTIONS)
    assert all(it.endswith("any more") for it in found)


def test_an_option_is_tried_with_the_last_command_of_its_playbook() -> None:
    found = [Command("p:1", PLAN), Command("p:2", f"{PLAN} --check"), Command("p:3", REMOVE)]
    in_text = [Command("p:8", "-e privport_restart_absent=true"), Command("p:9", "-e privport_hosts=PATTERN")]
    again = [*found, Command("p:4", PLAN)]
    assert list(readme.in_turn(again, in_text)) == [
        *found,
        ("p:9", f"{PLAN} -e privport_hosts=web"),
        ("p:8", f"{REMOVE} -e privport_restart_absent=true"),
    ]


def test_the_readme_stays_short() -> None:
    """What is more than a newcomer needs has a page in docs."""
    assert len((readme.ROOT / "README.md").read_text("utf-8").splitlines()) < 120
