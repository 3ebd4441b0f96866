# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of units, and the words that systemd 252 makes of them."""

from __future__ import annotations

from typing import List, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import (
    Command,
    commands_of,
    path_in,
    words_in_force,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/a b  c", ["/a", "b", "c"]),
        ("sh -c 'exec a \"b\"'", ["sh", "-c", 'exec a "b"']),
        ('"/my server" x', ["/my server", "x"]),
        ("/my\\x20server a\\sb \\x41\\101\\u00e9\\U0001F600", ["/my server", "a b", "AA\u00e9\U0001f600"]),
        # Escaped bytes are characters together, and what is no UTF-8 stays bytes.
        (
            r"/a \xc3\xa4\303\244 \xe4 \377 \400 \x00 \ud800",
            ["/a", "ää", "\udce4", "\udcff", r"\400", r"\x00", r"\ud800"],
        ),
        ('/a "it\'s" \'a\'"b"c', ["/a", "it's", "abc"]),
        (r"/a 'a\'b' \"c\" d\\e \t", ["/a", "a'b", '"c"', r"d\e", "\t"]),
        (r"/a \q \x4 \U00110000 \000 b" + "\\", ["/a", r"\q", r"\x4", r"\U00110000", r"\000", "b\\"]),
        ("/a '' b", ["/a", "", "b"]),
        ("", []),
        ("/a 'open", ["/a", "open"]),
    ],
)
def test_words(line: str, words: List[str]) -> None:
    assert list(Command("", line).words) == words


@pytest.mark.parametrize(
    ("value", "commands"),
    [
        ("/a b", [Command("", "/a b")]),
        ("-@/a argv0", [Command("-@", "/a argv0")]),
        ("/a ; -/b c ;", [Command("", "/a"), Command("-", "/b c")]),
        (r"/a \; ';' b;c", [Command("", r"/a \; ';' b;c")]),
        ("sh -c 'a ; b'", [Command("", "sh -c 'a ; b'")]),
        ("+", []),
        ("", []),
        (" ; ", []),
    ],
)
def test_commands(value: str, commands: List[Command]) -> None:
    assert list(commands_of(value)) == commands


@pytest.mark.parametrize(
    ("prefix", "keeps"),
    [("", True), ("-", True), ("@", True), (":", True), ("!!", True), ("-!!", True), ("+", False), ("!", False)],
)
def test_what_keeps_the_user(prefix: str, keeps: bool) -> None:
    assert Command(prefix, "/a").keeps_user is keeps


def shown(path: str, argv: str) -> str:
    return f"{{ path={path} ; argv[]={argv} ; ignore_errors=no ; start_time=[n/a] ; status=0/0 }}"


@pytest.mark.parametrize(
    ("command", "property_", "words"),
    [
        pytest.param(("", "/a b"), "", ["/a", "b"], id="nothing is shown"),
        pytest.param(
            ("", r"/my\x20app/server"), shown("/my app/server", "/my app/server"), ["/my app/server"], id="it"
        ),
        pytest.param(
            ("", "python3 /x"), shown("/usr/bin/python3", "python3 /x"), ["/usr/bin/python3", "/x"], id="name"
        ),
        pytest.param(("", "/o/%i/x %%"), shown("/o/1/x", "/o/1/x %"), ["/o/1/x", "%"], id="specifiers"),
        pytest.param(
            ("", "env %T/x 'a b'"), shown("/usr/bin/env", "env /tmp/x a b"), ["/usr/bin/env", "/tmp/x", "a b"], id="env"
        ),
        pytest.param(
            ("", "%T/x b"), shown("/usr/bin/authbind", "/usr/bin/authbind --deep /tmp/x b"), ["/tmp/x", "b"], id="ours"
        ),
        pytest.param(
            ("", "/usr/bin/authbind --deep /x"),
            shown("/usr/bin/authbind", "/usr/bin/authbind --deep /x"),
            ["/usr/bin/authbind", "--deep", "/x"],
            id="somebody else's authbind",
        ),
        pytest.param(("@", "/%j/a argv0 b"), shown("/m/a", "argv0 b"), ["/m/a", "argv0", "b"], id="argv[0]"),
        pytest.param(("", "/new/%i"), shown("/old/1", "/old/1"), ["/new/%i"], id="the file changed"),
        pytest.param(
            ("", "/a$$ $$ ${A} $B"), shown("/a$$", "/a$$ $$ ${A} $B"), ["/a$$", "$", "${A}", "$B"], id="dollars"
        ),
        pytest.param((":", "/a $$"), shown("/a", "/a $$"), ["/a", "$$"], id="no variables"),
        pytest.param(("", "/a\\n b"), shown("/a\n", "/a\n b"), ["/a\n", "b"], id="a newline"),
    ],
)
def test_words_in_force(command: Tuple[str, str], property_: str, words: List[str]) -> None:
    assert list(words_in_force(Command(*command), property_)) == words


@pytest.mark.parametrize(
    ("property_", "path"),
    [
        ("", ""),
        (shown("/my app/x", "/my app/x b"), "/my app/x"),
        (shown("/usr/bin/authbind", "/usr/bin/authbind --deep /x b"), "/x"),
        (shown("/usr/bin/authbind", ""), "/usr/bin/authbind"),
        (shown("/a", "/a") + "\n" + shown("/b", "/b"), "/a"),
    ],
)
def test_the_path_that_is_shown(property_: str, path: str) -> None:
    assert path_in(property_) == path


TEXT = st.lists(st.sampled_from(["/a", " ", "'", '"', "\\", "x2", ";", "%", "$", "+", "\n", "a"]), max_size=12).map(
    "".join
)


@given(value=st.text() | TEXT, property_=st.text() | TEXT | st.builds(shown, TEXT, TEXT))
@settings(deadline=None, derandomize=True)
def test_total(value: str, property_: str) -> None:
    for command in commands_of(value):
        assert len(words_in_force(command, property_)) == len(command.words)
