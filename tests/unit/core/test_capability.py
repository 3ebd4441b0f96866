# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text, the bytes and the meaning of capabilities."""

from __future__ import annotations

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    ALL,
    NAMES,
    FileCapabilities,
    describe,
    format_text,
    format_xattr,
    merge,
    name_of,
    parse_mask,
    parse_name,
    parse_text,
    parse_xattr,
    same,
    without,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, UnknownFormat

EP = "0100000200040000000000000000000000000000"
BIND = frozenset({10})


def test_names_and_numbers() -> None:
    assert len(NAMES) == 41
    assert name_of(10) == "cap_net_bind_service"
    assert name_of(40) == "cap_checkpoint_restore"
    assert (name_of(41), name_of(63), name_of(-1)) == ("41", "63", "-1")
    assert [parse_name(name.upper()) for name in NAMES] == list(range(41))


@pytest.mark.parametrize("text", ["net_raw", "10", "", "cap_", "all", "cap_\u212aill", " cap_kill"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not the name of a capability"):
        parse_name(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0000000000000400", BIND),
        ("0", frozenset()),
        ("400\n", BIND),
        ("\t000001ffffffffff", ALL),
        ("8000000000000000", frozenset({63})),
    ],
)
def test_mask(text: str, expected: frozenset[int]) -> None:
    assert parse_mask(text) == expected


@pytest.mark.parametrize("text", ["", "0x400", "4 0", "-1", "10000000000000000", "\u0664"])
def test_other_masks_are_refused(text: str) -> None:
    with pytest.raises(UnknownFormat, match="is not a capability mask"):
        parse_mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "cap_net_bind_service+ep",
        "cap_net_bind_service=ep",
        "cap_net_bind_service=pe",
        "cap_net_bind_service=+ep",
        "CAP_NET_BIND_SERVICE=ep",
        "Cap_Net_Bind_Service=ep",
        "10=ep",
        "0xA+ep",
        "012+ep",
        "00000000000000000000000000012+ep",
        "cap_net_bind_service+e+p",
        "cap_net_bind_service=p cap_net_bind_service+e",
        "  cap_net_bind_service=eip\tcap_net_bind_service-i\n",
        "all=ep all-ep\v10=ep",
        "=i =\f10=ep",
        "cap_net_bind_service,cap_kill=ep cap_kill=",
        "cap_net_bind_service,10,10=epep",
        "cap_kill=-e 10+pe",
        "=e 10+p",
        "cap_net_bind_service=ep cap_net_raw=e",
    ],
)
def test_spellings_of_the_same(text: str) -> None:
    assert format_xattr(parse_text(text)).hex() == EP
    assert format_text(parse_text(text)) == "cap_net_bind_service=ep"
    assert parse_text(text).binds


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("=", "0000000200000000000000000000000000000000"),
        ("=ep", "01000002ffffffff00000000ff01000000000000"),
        ("41,all,63=ep", "01000002ffffffff00000000ff01008000000000"),
        ("=ep cap_kill-p", "01000002dfffffff00000000ff01000000000000"),
        ("cap_kill=i cap_chown=p", "0000000201000000200000000000000000000000"),
        ("cap_checkpoint_restore=ei", "0100000200000000000000000000000000010000"),
    ],
)
def test_bytes_of_a_text(text: str, stored: str) -> None:
    assert format_xattr(parse_text(text)).hex() == stored
    assert parse_xattr(bytes.fromhex(stored)) == parse_text(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no capability"),
        (" \n", "names no capability"),
        ("cap_net_bind_service", "is not NAMES=FLAGS"),
        ("cap_net_bind_service+", "is not NAMES=FLAGS"),
        ("cap_net_bind_service+EP", "is not NAMES=FLAGS"),
        ("cap_net_bind_service =ep", "is not NAMES=FLAGS"),
        ("cap_net_bind_service=e=p", "is not NAMES=FLAGS"),
        ("cap_net_bind_service=ep\0", "is not NAMES=FLAGS"),
        ("cap_net_bind_service\xa0=ep", "is not NAMES=FLAGS"),
        ("cap_chown, cap_kill=ep", "is not NAMES=FLAGS"),
        ("=+ep", "needs names"),
        ("+ep", "needs names"),
        ("=p-p", "needs names"),
        ("net_bind_service=ep", "'net_bind_service', which is not a capability"),
        ("CAP_10=ep", "'CAP_10', which is not a capability"),
        ("64+ep", "'64', which"),
        ("99+ep", "'99', which"),
        ("08+ep", "'08', which"),
        ("0b1010+ep", "'0b1010', which"),
        ("9" * 5000 + "+ep", "which is not a capability"),
        (",10=ep", "'', which"),
        ("10,=ep", "'', which"),
        ("cap_net_bind_service+e", "does not bind: the effective flag alone"),
        ("cap_kill=ep cap_kill-p", "does not bind: the effective flag alone"),
        ("cap_kill=ep cap_chown=p", "one effective flag"),
        ("cap_kill=ep cap_chown=i", "one effective flag"),
    ],
)
def test_refused_texts_are_named_with_the_way_out(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_text(text)
    message = str(refusal.value)
    assert repr(text) in message
    assert reason in message
    assert "cap_net_bind_service=ep" in message or "cap_net_bind_service,cap_net_raw=ep" in message


@pytest.mark.parametrize(
    ("caps", "text"),
    [
        (FileCapabilities(), "="),
        (FileCapabilities(effective=True), "="),
        (FileCapabilities(permitted=BIND), "cap_net_bind_service=p"),
        (FileCapabilities(permitted=BIND, inheritable=BIND, effective=True), "cap_net_bind_service=eip"),
        (FileCapabilities(permitted=BIND, inheritable=frozenset({5})), "cap_kill=i cap_net_bind_service+p"),
        (FileCapabilities(permitted=ALL, effective=True), "=ep"),
        (FileCapabilities(permitted=ALL - {5}, effective=True), "=ep cap_kill-ep"),
        (FileCapabilities(permitted=ALL, inheritable=frozenset({5})), "=p cap_kill+i"),
        (FileCapabilities(permitted=frozenset({41})), "= 41+p"),
        (
            FileCapabilities(permitted=frozenset({5, 0, 10}), effective=True),
            "cap_chown,cap_kill,cap_net_bind_service=ep",
        ),
    ],
)
def test_canonical_text(caps: FileCapabilities, text: str) -> None:
    assert format_text(caps) == describe(caps) == text


def test_a_foreign_root_does_not_bind_and_is_told() -> None:
    foreign = parse_xattr(bytes.fromhex("0100000300040000000000000000000000000000e8030000"))
    assert foreign == FileCapabilities(permitted=BIND, effective=True, rootid=1000)
    assert not foreign.binds
    assert foreign.foreign
    assert format_text(foreign) == "cap_net_bind_service=ep"
    assert describe(foreign) == "cap_net_bind_service=ep [rootid=1000]"
    assert format_xattr(foreign).hex() == "0100000300040000000000000000000000000000e8030000"
    assert not same(foreign, parse_text("10=ep"))


def test_our_own_root_is_version_2() -> None:
    own = parse_xattr(bytes.fromhex("010000030004000000000000000000000000000000000000"))
    assert own.rootid == 0
    assert own.binds
    assert same(own, parse_text("10=ep"))
    assert format_xattr(own).hex() == EP


@pytest.mark.parametrize(
    ("text", "binds"), [("10=ep", True), ("10=eip", True), ("10=p", False), ("10=ei", False), ("5=ep", False)]
)
def test_binds(text: str, binds: bool) -> None:
    assert parse_text(text).binds is binds


def test_version_1_has_one_word() -> None:
    assert parse_xattr(bytes.fromhex("010000010004000020000000")) == FileCapabilities(
        permitted=BIND, inheritable=frozenset({5}), effective=True
    )


def test_no_bytes_grant_nothing() -> None:
    assert parse_xattr(b"").is_empty
    assert not same(parse_xattr(b""), None)
    assert same(None, None)


@pytest.mark.parametrize(
    "stored",
    ["01", "01000002", EP[:-2], EP + "00", "03" + EP[2:], "01000004" + EP[8:], "00" * 20, "01000001" + EP[8:]],
)
def test_other_bytes_are_quoted(stored: str) -> None:
    with pytest.raises(UnknownFormat, match=stored):
        parse_xattr(bytes.fromhex(stored))


@pytest.mark.parametrize(
    ("existing", "wanted", "merged"),
    [
        (None, "10=ep", "cap_net_bind_service=ep"),
        ("=", "10=ep", "cap_net_bind_service=ep"),
        ("13=ep", "10=ep", "cap_net_bind_service,cap_net_raw=ep"),
        ("13=p 5=i", "10=ep", "cap_kill=ei cap_net_bind_service,cap_net_raw+ep"),
        ("10=eip", "10=ep", "cap_net_bind_service=ep"),
        ("13=ep", "10=p", "cap_net_bind_service,cap_net_raw=ep"),
        ("10=ep", "10=i", "cap_net_bind_service=ei"),
    ],
)
def test_merge(existing: str | None, wanted: str, merged: str) -> None:
    held = parse_text(existing) if existing else None
    assert format_text(merge(held, parse_text(wanted))) == merged


def test_merge_with_another_namespace_is_refused() -> None:
    foreign = FileCapabilities(permitted=BIND, effective=True, rootid=1000)
    with pytest.raises(InvalidInput, match=r"\[rootid=1000\].*merge: false"):
        merge(foreign, parse_text("10=ep"))


def test_without() -> None:
    held = parse_text("10,13=ep")
    assert without(held, frozenset({13})) == parse_text("10=ep")
    assert without(held, frozenset({5})) == held
    assert without(held, ALL) is None
    assert without(FileCapabilities(effective=True), frozenset({5})) is None
