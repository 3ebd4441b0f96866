# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of an audit as it stands in its file, without a browser and without its script."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.netbind.privport.plugins.plugin_utils.audit.page import html
from ansible_collections.netbind.privport.tests.audit_example import HOSTILE, ODD_HOSTS, UNREACHABLE, example

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "plugins/plugin_utils/audit"
PAGE_CSS = (FOLDER / "page.css").read_text("utf-8")


class Page(HTMLParser):
    """elements: each with its attributes; text: what a reader sees; code: what style and script elements hold."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, Optional[str]]]] = []
        self.text = ""
        self.code: dict[str, list[str]] = {"style": [], "script": []}
        self._inside = ""
        self.feed(text)
        self.close()
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.code:
            self.code[self._inside].append(data)
        else:
            self.text += f" {data}"

    def all(self, tag: str) -> list[dict[str, Optional[str]]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def attribute(self, tag: str, **having: str) -> dict[str, Optional[str]]:
        (found,) = [it for it in self.all(tag) if having.items() <= it.items()]
        return found


@lru_cache(maxsize=None)
def page(hosts: int = 12) -> Page:
    return Page(html(example(hosts)))


def test_everything_is_there_without_the_script() -> None:
    audit, text = example(12), page().text
    for host in audit["hosts"]:
        said = [host["name"], host["message"], *(part for it in host["skipped"] for part in it.values())]
        said += [it["why"] for it in host["services"]]
        said += [it[key] for it in host["findings"] for key in ("text", "evidence", "fix", "subject", "rule")]
        said += [it[key] for it in host["grants"] for key in ("subject", "evidence", "why_not")]
        said += [it[key] for it in host["listeners"] for key in ("unit", "executable", "why")]
        assert [it for it in said if re.sub(r"\s+", " ", it) not in text] == []
    for said in (*audit["accepted_problems"], *(it["why"] for it in audit["rules"]), UNREACHABLE, *ODD_HOSTS):
        assert said in text
    assert "5 critical findings on 4 hosts; 1 host could not be looked at." in text
    assert "Since the earlier audit 3 are new, 28 are as they were, 6 are gone." in text
    assert "accepted: until the print server moves, ticket 4711, until 2027-03-31" in text


def test_a_fleet_without_faults_says_so() -> None:
    audit = example(0)
    found = Page(html(audit)).text
    assert "Privileged ports on 0 hosts Nothing was found." in found
    assert "No finding." in found
    assert found.count(" None. ") == 3
    assert "earlier audit" not in found


@pytest.mark.parametrize(("number", "told"), [(6, "c0, c1, c2, c3, c4, c5"), (7, "7 capabilities c0, c1, c2, c3")])
def test_a_long_list_is_closed_at_first(number: int, told: str) -> None:
    audit = example(1)
    audit["hosts"][0]["listeners"][0]["capabilities"] = [f"c{it}" for it in range(number)]
    found = Page(html(audit)).text
    assert told in found
    assert (f"{number} capabilities" in found) == (number > 6)


def test_what_hosts_say_is_never_markup() -> None:
    assert HOSTILE in page().text
    assert [len(page().all(tag)) for tag in ("script", "style", "img", "iframe", "object")] == [1, 1, 0, 0, 0]
    assert not [name for _tag, attributes in page().elements for name in attributes if name.startswith("on")]
    audit = example(1)
    hostile = f'{HOSTILE}" onload="x\' &amp; \u202e\x1b\udcff'
    for key in ("text", "evidence", "fix", "subject", "mechanism", "rule"):
        audit["hosts"][0]["findings"][0][key] = hostile
    audit["hosts"][0]["name"] = hostile
    audit["hosts"][0]["services"][0].update(name=hostile, strategy=hostile, why=hostile, verdict="fail")
    audit["hosts"][0]["listeners"][0].update(executable=hostile, unit=hostile, user=hostile)
    text = html(audit)
    text.encode("utf-8")
    found = Page(text)
    assert [len(found.all(tag)) for tag in ("script", "style", "img")] == [1, 1, 0]
    assert not [name for _tag, attributes in found.elements for name in attributes if name.startswith("on")]
    assert f'{HOSTILE}" onload="x\' &amp; \\u202e\\x1b\\udcff' in found.text


def test_the_page_may_ask_for_nothing() -> None:
    policy = page().attribute("meta", **{"http-equiv": "Content-Security-Policy"})["content"] or ""
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    assert parts["default-src"] == parts["base-uri"] == parts["form-action"] == "'none'"
    for kind in ("style", "script"):
        text = "".join(page().code[kind])
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert parts[f"{kind}-src"] == f"'sha256-{digest}'"
    addresses = [
        it[key] or "" for _tag, it in page().elements for key in ("href", "src", "action", "data") if key in it
    ]
    assert [it for it in addresses if not it.startswith(("#", "data:image/svg+xml,"))] == []
    # Before anything that it governs.
    assert [tag for tag, _attributes in page().elements].index("meta") < 4


def test_the_script_makes_no_markup_and_asks_for_nothing() -> None:
    script = (FOLDER / "page.js").read_text("utf-8")
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch(", "XMLHttp", "import("):
        assert word not in script
    assert "url(" not in PAGE_CSS
    assert "@import" not in PAGE_CSS


def test_the_page_is_built_for_everybody() -> None:
    found = page()
    assert found.attribute("html")["lang"] == "en"
    tags = [tag for tag, _attributes in found.elements]
    assert [tags.count(it) for it in ("h1", "main", "header", "footer", "nav")] == [1, 1, 1, 1, 1]
    assert tags.count("caption") == tags.count("table") == len(found.all("thead"))
    assert {it.get("scope") for it in found.all("th")} == {"col", "row"}
    assert found.attribute("form")["role"] == "search"
    assert found.attribute("output")["role"] == "status"
    assert found.all("a")[0] == {"class": "skip", "href": "#findings"}
    ids = [it["id"] for _tag, it in found.elements if "id" in it]
    assert len(ids) == len(set(ids))
    inside = {(it["href"] or "")[1:] for it in found.all("a") if "=" not in (it["href"] or "")}
    assert inside <= set(ids)
    labels = [it["aria-labelledby"] for _tag, it in found.elements if "aria-labelledby" in it]
    assert set(labels) <= set(ids)
    for wish in (
        "color-scheme: light dark",
        "forced-colors",
        "prefers-reduced-motion",
        "@media print",
        ":focus-visible",
    ):
        assert wish in PAGE_CSS


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _blended(colour: str, behind: str, share: float) -> str:
    parts = [(int(colour[at : at + 2], 16), int(behind[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(share * one + (1 - share) * other):02x}" for one, other in parts)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_can_be_read(scheme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\n *\}", PAGE_CSS, flags=re.S)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[scheme]))
    assert len(colours) >= 12
    for name in ("text", "muted", "link", "critical", "high", "medium", "low", "unknown", "pass"):
        # The tint of cells.
        for behind in (colours["page"], colours["panel"], _blended(colours[name], colours["page"], 0.09)):
            light, dark = sorted((_luminance(colours[name]), _luminance(behind)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{name} on {behind}"


@pytest.mark.parametrize("unique", [False, True])
def test_500_hosts_are_less_than_3_megabytes(unique: bool) -> None:
    assert len(html(example(500, unique=unique)).encode()) < 3_000_000


def test_the_worst_stands_first() -> None:
    audit: dict[str, Any] = example(12)
    text = html(audit)
    matrix = text[text.index('class="matrix"') : text.index('id="findings"')]
    order = re.findall(r'<th scope="row"><a href="#host=([^"]*)">', matrix)
    assert len(order) == 12
    assert order[0] == "web-001.example.net"
    # Of one that could not be looked at less is known than of those with findings that can wait.
    assert order.index("web-003.example.net") < order.index("app-001.example.net")
    classes = re.findall(r'<tr data-class="(\w+)"', text)
    assert list(dict.fromkeys(classes)) == ["critical", "high", "medium", "low", "unknown", "accepted", "gone"]
    listeners = text[text.index('id="listeners"') : text.index('id="grants"')]
    assert re.findall(r"<summary>(\w+)\.service", listeners)[:3] == ["cups", "ssh", "smtp"]


def test_the_page_is_made_from_an_installed_collection() -> None:
    code = (
        "from ansible.plugins.loader import init_plugin_loader\n"
        f"init_plugin_loader([{str(ROOT / '.collections')!r}])\n"
        "from ansible_collections.netbind.privport.plugins.plugin_utils.audit import page\n"
        "assert type(page.__loader__).__module__.startswith('ansible.'), page.__loader__\n"
        "print(page._file('page.css')[:2], len(page._file('page.html')) > 1000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/")
    assert (done.stdout, done.returncode) == ("/* True\n", 0), done.stderr
