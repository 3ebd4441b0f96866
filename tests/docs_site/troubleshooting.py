# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/troubleshooting.md: python -m docs_site.troubleshooting

A section for each message, of what the collection's own code says and of paragraphs.py.
"""

from __future__ import annotations

import textwrap
from string import Formatter
from typing import Dict, List, Mapping, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.proof import advice
from ansible_collections.netbind.privport.plugins.module_utils._core.report.ways_out import STEPS, Step

from . import messages
from .guides import ROOT
from .paragraphs import CHECKS, ERRORS, REFUSALS, RESULTS, SENTENCES, STATUSES, Paragraph

PAGE = ROOT / "docs/troubleshooting.md"
_HEAD = """\
# Troubleshooting, by message

Look for the words of your message on this page. What stands as `…` here is a name or a number there, and a word in
capitals stands for one of yours. The text in brackets at the end of a message is the evidence: the setting and the
unit, or the file, that says so.

Two commands change nothing and tell nearly all. The first says what each service gets, and what helps one that gets
nothing; with `-e privport_plan_details=true` also why each strategy was rejected. The second proves what is there:

```console
$ ansible-playbook netbind.privport.plan -i hosts -e @services.yml
$ ansible-playbook netbind.privport.verify -i hosts -e @services.yml
```
"""
# What the text of a way out holds, in words.
_WORDS = {
    "advice": "",
    "backends": "{80: 8080}",
    "be_user": "say user: NAME",
    "copy": "install -g GROUP -m 0750 PROGRAM /usr/local/bin/NAME-PROGRAM, and start that (executable: PATH)",
    "evidence": "EVIDENCE",
    "lowest": "PORT",
    "text": "MESSAGE",
}
_OF_THE_MESSAGE = "do what the message says after its last semicolon"
_WIDTH = 120


def text() -> str:
    """The page."""
    statuses = {code: [sentence] for code, sentence in advice._EXIT_STATUSES.items()}
    results = {code: [sentence] for code, sentence in advice._RESULTS.items()}
    parts = [
        _HEAD,
        _part("Messages without a code", "", SENTENCES, {}, {}),
        _part(
            "A strategy is rejected, or tried last",
            "By the code that `privport_plan_format=json` and the report of an audit name.",
            REFUSALS,
            messages.refusals(),
            ways_by_code(),
        ),
        _part(
            "A check of the proof fails, or is unknown",
            "By the code in the evidence. [What a proof is](proof.md) has what each check looks at.",
            CHECKS,
            messages.checks(),
            {code: [sentence] for code, sentence in messages.advice_by_check().items() if sentence},
        ),
        _part("What a program logs", "By the error of bind(2) or connect(2).", ERRORS, errors(), {}),
        _part(
            "Exit statuses of systemd", "What `systemctl status` shows as `status=203/EXEC`.", STATUSES, statuses, {}
        ),
        _part("Results of systemd", "What `systemctl show UNIT --property=Result` says.", RESULTS, results, {}),
    ]
    return "\n".join(parts)


def errors() -> Dict[str, List[str]]:
    """What the collection says of each error: of bind(2), of bind(2) under one strategy, and of connect(2)."""
    found: Dict[str, List[str]] = {}
    of_strategies = [it.bind_errors for it in STRATEGIES.values()]
    for meanings in (advice._BIND, *of_strategies, advice._CONNECT):
        for code, sentence in meanings.items():
            found.setdefault(code, []).append(sentence)
    return dict(sorted(found.items()))


def ways_by_code() -> Dict[str, List[str]]:
    """What `plan` says that helps, by code; of those that only some strategies have, with their names."""
    found: Dict[str, Dict[str, List[str]]] = {}
    for step in STEPS:
        if step.text:
            found.setdefault(step.code, {}).setdefault(_way(step), []).append(step.strategy)
    return {code: [_named(way, names) for way, names in ways.items()] for code, ways in found.items()}


def _way(step: Step) -> str:
    parts = list(Formatter().parse(step.text))
    if not any(char.isalpha() for literal, *_rest in parts for char in literal):
        return _OF_THE_MESSAGE
    return step.text.format_map({**{name: name.upper() for _text, name, *_rest in parts if name}, **_WORDS})


def _named(way: str, names: Sequence[str]) -> str:
    return f"{', '.join(names)}: {way}" if all(names) else way


def _part(
    title: str,
    introduction: str,
    paragraphs: Mapping[str, Paragraph],
    said: Mapping[str, Sequence[str]],
    ways: Mapping[str, Sequence[str]],
) -> str:
    begin = f"## {title}\n\n" + (f"{introduction}\n\n" if introduction else "")
    return begin + "\n".join(
        _section(code, it, said.get(code, ()), ways.get(code, ())) for code, it in paragraphs.items()
    )


def _section(code: str, it: Paragraph, said: Sequence[str], ways: Sequence[str]) -> str:
    quoted = "\n>\n".join(_filled(sentence, first="> ") for sentence in said if len(sentence.split()) > 1)
    every = [it.way, *dict.fromkeys(ways)]
    lines = [f"Look: `{it.look}`", *(f"The way out: {way[0].lower()}{way[1:].rstrip('.')}." for way in every if way)]
    parts = [
        f"### {code}",
        quoted,
        _filled(it.meaning, first=""),
        "\n".join(_filled(line, first="- ") for line in lines),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _filled(sentence: str, *, first: str) -> str:
    """In lines of a page; first begins the first line, and is as wide in the others."""
    then = first if first == "> " else " " * len(first)
    return textwrap.fill(
        sentence,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )


def missing() -> List[Tuple[str, str]]:
    """What has a message and no paragraph, a paragraph and no message, or a paragraph and no way out."""
    both = [
        (REFUSALS, messages.refusals(), ways_by_code()),
        (CHECKS, messages.checks(), messages.advice_by_check()),
        (ERRORS, errors(), {}),
        (STATUSES, advice._EXIT_STATUSES, advice._EXIT_STATUSES),
        (RESULTS, advice._RESULTS, advice._RESULTS),
    ]
    return [
        *(("no paragraph", code) for told, said, _ways in both for code in said if code not in told),
        *(("no message", code) for told, said, _ways in both for code in told if code not in said),
        *(
            ("no way out", code)
            for told, _said, ways in both
            for code, it in told.items()
            if not (it.way or ways.get(code))
        ),
    ]


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
