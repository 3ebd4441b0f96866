# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as people write them: each form that is taken, and one sentence for each that is not."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model import options
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from hypothesis import given, settings
from hypothesis import strategies as st


class TaggedText(str):
    """As Ansible's values are: subclasses of the plain types."""


class TaggedNumber(int):
    pass


class TaggedMapping(dict):  # type: ignore[type-arg]
    pass


FLAG = options.flag
NUMBER = options.whole_number
TEXT = options.text


def port(value: Any, *, where: str) -> int:
    return options.whole_number(value, where=where, least=1, most=65535)


def colour(value: Any, *, where: str) -> str:
    return options.choice(value, ("", "red", "blue"), where=where)


def words(value: Any, *, where: str) -> tuple[str, ...]:
    return options.words(value, where=where, example="[a, b]")


def mapping(value: Any, *, where: str) -> Any:
    return options.mapping(value, where=where, example="{a: 1}")


def mappings(value: Any, *, where: str) -> Any:
    return options.mappings(value, where=where, example="{a: 1}")


@pytest.mark.parametrize(
    ("parser", "value", "meant"),
    [
        *[(FLAG, value, True) for value in (True, 1, "true", "True", "YES", " on ", "1", "y", "t", TaggedText("yes"))],
        *[(FLAG, value, False) for value in (False, 0, "false", "No", "off\n", "0", "n", "F", TaggedNumber(0))],
        *[(NUMBER, value, 120) for value in (120, "120", " 120 ", "0120", TaggedNumber(120), TaggedText("120"))],
        *[(NUMBER, value, 0) for value in (0, "0")],
        *[(port, value, value) for value in (1, 65535)],
        *[(TEXT, value, "990") for value in ("990", 990, TaggedNumber(990))],
        *[(TEXT, value, value) for value in ("", " a b ", TaggedText("x"))],
        *[(colour, value, "red") for value in ("red", " red ", TaggedText("red"))],
        (colour, "", ""),
        *[(words, value, ()) for value in ("", " ", ",", [], ())],
        *[(words, value, ("80",)) for value in (80, "80", [80], ("80",), ["80, "], TaggedNumber(80))],
        *[(words, value, ("80", "443")) for value in ("80,443", "80 443", " 80 ,\t443\n", ["80", " 443"], ["80 443"])],
        *[(mapping, value, {"80": 1}) for value in ({"80": 1}, '{"80": 1}', " {'80': 1} ", TaggedMapping({"80": 1}))],
        *[(mapping, value, {}) for value in ({}, "{}")],
        (mapping, "{80: 8080}", {80: 8080}),
        (mapping, '{"a": true}', {"a": True}),
        *[(mappings, value, ({"a": 1},)) for value in ([{"a": 1}], ({"a": 1},), '[{"a": 1}]', ['{"a": 1}'])],
        *[(mappings, value, ()) for value in ([], (), "[]")],
    ],
)
def test_taken(parser: Callable[..., Any], value: Any, meant: Any) -> None:
    found = parser(value, where="it")
    assert (found, isinstance(found, bool)) == (meant, isinstance(meant, bool))
    if not isinstance(meant, (dict, tuple)):
        assert type(found) is type(meant) or type(found) in (str, int)


@pytest.mark.parametrize(
    ("parser", "values", "sentence"),
    [
        (FLAG, ("", "maybe", 2, -1, 1.0, None, [True], {}, "truex"), "it is {!r}; write true or false"),
        (NUMBER, ("", "-1", -1, "1.5", 1.0, "1_0", "+1", "٣", "1e3", True, None, [1], "9" * 19), "of at least 0"),
        (port, (0, "0", 65536, "65536", -1, "80/tcp"), "it is {!r}; write a whole number from 1 to 65535"),
        (TEXT, (True, None, 1.5, ["a"], {"a": 1}), "it is {!r}; write it as text"),
        (TEXT, ("a\nb", "a\0b"), "it is {!r}; it cannot hold a newline or NUL"),
        (colour, ("green", "Red", None, 5, ["red"], {"red": 1}), "it is {!r}; choose one of red, blue"),
        (words, (True, None, 1.5, {80: 80}, {80}), "it is {!r}; write a list such as [a, b]"),
        (words, ([None], [True], [80, [80]], [{}], [8.0]), "it holds "),
        (mapping, ("", "x", "5", "[1]", "{", "{[]: 1}", 5, None, [("a", 1)], "[" * 9999), "; write a mapping such as"),
        (mappings, ("", "x", "5", "{}", "[", 5, None, {"a": 1}, "a=1"), "not a list; write a list such as [{{a: 1}}]"),
        (mappings, ([5], "[5]", ["x"], [[]], [None]), "it[0] is "),
    ],
)
def test_refused_with_a_sentence(parser: Callable[..., Any], values: Any, sentence: str) -> None:
    for value in values:
        with pytest.raises(InvalidInput, match=re.escape(sentence.format(value))) as told:
            parser(value, where="it")
        assert str(told.value).startswith("it")
        assert "\n" not in str(told.value)
        assert len(str(told.value)) < 400


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=3),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
)


def refusal(parser: Callable[..., Any], value: Any) -> str:
    try:
        parser(value, where="it")
    except InvalidInput as error:
        return str(error)
    return ""


@pytest.mark.parametrize("parser", [FLAG, NUMBER, TEXT, colour, words, mapping, mappings])
@given(value=ANYTHING)
@settings(deadline=None, derandomize=True)
def test_total(parser: Callable[..., Any], value: Any) -> None:
    assert refusal(parser, value)[:2] in ("", "it")
