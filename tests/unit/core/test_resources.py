# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the strategies of one drop-in, rule file, attribute or socket unit make of it for one service."""

from __future__ import annotations

from typing import Any, Dict, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import RuleFile
from ansible_collections.netbind.privport.plugins.module_utils._core.capability import keep
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    FileCapabilities,
    format_xattr,
    parse_text,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import File, Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Attribute,
    Desired,
    Entry,
    file,
    gone,
    link,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port, SocketOptions
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import socket_unit
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient, render_authbind
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    AUTHBIND,
    CAP,
    SERVER,
    authbind_port,
    case,
    unit,
)

NOTHING = Desired()
LEFT = "/etc/systemd/system/.netbind.privport.x"
DROPIN = "/etc/systemd/system/web.service.d/50-privport.conf"
FOR_ROOT = {"description": {"user": "web"}, "properties": {"User": ""}}
BY_DECISION = {"ambient": AMBIENT_DROPIN, "authbind": "ours", "socket": "ours"}


def dropin_of(strategy: str, **fields: Any) -> Dict[str, Any]:
    """A unit with the drop-in of a strategy, '' for none."""
    text = BY_DECISION.get(strategy, "")
    return {"unit_fields": {"dropin_strategy": strategy, "dropin_text": text, **fields}}


def granting(text: str, **fields: Any) -> Dict[str, Any]:
    return {"properties": {"AmbientCapabilities": CAP}, **fields, **dropin_of(text)}


# --- the drop-in of ambient


@pytest.mark.parametrize(
    ("fields", "desired"),
    [
        pytest.param({}, (file(DROPIN, AMBIENT_DROPIN),), id="it is written"),
        pytest.param(dropin_of("socket"), (file(DROPIN, AMBIENT_DROPIN),), id="in another one's place"),
        pytest.param(FOR_ROOT, (file(DROPIN, render_ambient(capabilities=[CAP], user="web")),), id="with a user"),
        pytest.param(granting(""), (), id="the unit grants it by itself"),
        pytest.param(granting("ambient"), (file(DROPIN, AMBIENT_DROPIN),), id="by ours"),
        pytest.param({"unit": None}, (), id="no unit"),
    ],
)
def test_ambient(fields: Dict[str, Any], desired: Tuple[Entry, ...]) -> None:
    assert STRATEGIES["ambient"].desired(case(**fields), NOTHING) == Desired(entries=desired)


@pytest.mark.parametrize("strategy", ["ambient", "authbind", "socket"])
@pytest.mark.parametrize(
    ("of", "fields", "planned", "goes"),
    [
        pytest.param("own", {}, (), True, id="its own"),
        pytest.param("other", {}, (), False, id="of another strategy"),
        pytest.param("", {}, (), False, id="none"),
        pytest.param("", {"interrupted": True}, (), True, id="what a killed run left of one"),
        pytest.param("", {"interrupted": True, "dropin_text": "[Service]"}, (), False, id="somebody else's"),
        pytest.param("other", {"interrupted": True, "leftovers": (LEFT,)}, (), False, id="left beside another one"),
        pytest.param("own", {"interrupted": True, "leftovers": (LEFT,)}, (), True, id="left beside its own"),
        pytest.param("own", {}, (file(DROPIN, "x"),), False, id="another one takes its place"),
        pytest.param("own", {}, (gone(DROPIN),), True, id="it is to go already"),
    ],
)
def test_a_dropin_that_goes(
    strategy: str, of: str, fields: Dict[str, Any], planned: Tuple[Entry, ...], goes: bool
) -> None:
    other = "socket" if strategy == "ambient" else "ambient"
    judged = case(**dropin_of({"own": strategy, "other": other, "": ""}[of], **fields))
    absent = STRATEGIES[strategy].absent(judged, Desired(entries=planned))
    left = tuple(map(gone, fields.get("leftovers", ())))
    assert absent == Desired(entries=(*left, *([gone(DROPIN)] if goes else [])))


# --- the rules of authbind

BYPORT, BYUID = "/etc/authbind/byport/80", "/etc/authbind/byuid/990"
OF_80, OF_81 = (f"0.0.0.0/0,{port}\n::/0,{port}\n" for port in (80, 81))
OURS = RuleFile(path=BYPORT, uid=990, gid=0, mode=0o500)
OTHERS = RuleFile(path="/etc/authbind/byuid/1001", uid=0, gid=0, mode=0o644, content="0.0.0.0/0,1-512\n")
LINES_OF_WEB = RuleFile(path=BYUID, uid=0, gid=0, mode=0o644, content=OF_80 + OF_81)
WRAPPED = file(DROPIN, render_authbind(program=AUTHBIND, commands=unit().commands, deep=False))
RULE = file(BYPORT, "", mode=0o500, uid=990)


def ruled(*files: RuleFile, ports: Sequence[int] = (80,), own: Tuple[str, ...] = (), **fields: Any) -> Case:
    """A service of user web on these ports, where these rule files are."""
    more = {"host_fields": {"authbind_rules": files}, **fields}
    description = {"ports": [*ports], **more.pop("description", {})}
    found = tuple(authbind_port(port, own_rules=own) for port in ports)
    return case(description=description, authbind_ports=found, **more)


@pytest.mark.parametrize(
    ("judged", "desired"),
    [
        pytest.param(ruled(), (RULE, WRAPPED), id="the rule comes before the drop-in"),
        pytest.param(
            ruled(ports=(80, 81)),
            (RULE, file("/etc/authbind/byport/81", "", mode=0o500, uid=990), WRAPPED),
            id="several ports",
        ),
        pytest.param(ruled(OURS, unit=None), (), id="it is there, and no unit is"),
        pytest.param(
            ruled(OTHERS),
            (file(BYUID, OF_80), WRAPPED),
            id="lines, where somebody else has a rule behind",
        ),
        pytest.param(ruled(OURS, own=(BYPORT, LEFT)), (gone(LEFT), WRAPPED), id="what a killed run left"),
        pytest.param(ruled(account=None), (WRAPPED,), id="no user"),
    ],
)
def test_authbind(judged: Case, desired: Tuple[Entry, ...]) -> None:
    assert STRATEGIES["authbind"].desired(judged, NOTHING) == Desired(entries=desired)


@pytest.mark.parametrize(
    ("judged", "absent"),
    [
        pytest.param(ruled(OURS, **dropin_of("authbind")), (gone(DROPIN), gone(BYPORT)), id="the drop-in goes first"),
        pytest.param(ruled(OURS, own=(BYPORT, LEFT)), (gone(BYPORT), gone(LEFT)), id="what a killed run left"),
        pytest.param(ruled(LINES_OF_WEB, own=(BYUID,)), (file(BYUID, OF_81),), id="other lines stay"),
        pytest.param(ruled(OTHERS), (), id="a rule of somebody else's stays"),
    ],
)
def test_authbind_taken_away(judged: Case, absent: Tuple[Entry, ...]) -> None:
    assert STRATEGIES["authbind"].absent(judged, NOTHING) == Desired(entries=absent)


def test_rules_that_are_planned_already_are_gone_on_from() -> None:
    planned = Desired(entries=(file(BYUID, OF_81), gone(BYPORT)))
    judged = ruled(OURS, OTHERS, unit=None)
    assert STRATEGIES["authbind"].desired(judged, planned).entries == (file(BYUID, OF_81 + OF_80),)
    assert STRATEGIES["authbind"].absent(ruled(OURS), planned) == NOTHING


# --- the attribute of setcap, and what keeps it


def attribute(text: str, **fields: Any) -> str:
    held: FileCapabilities = parse_text(text)._replace(**fields)
    return format_xattr(held).hex()


BIND, BOTH, RAW = attribute(f"{CAP}=ep"), attribute(f"{CAP},cap_net_raw=ep"), attribute("cap_net_raw=ep")
# Version 3 of it for root itself means the same as version 2.
OF_ROOT = "01000003" + BIND[8:] + "00000000"
KEPT = keep.render(path=SERVER, value=bytes.fromhex(BIND), python="/usr/bin/python3")
WATCHED = (
    file(KEPT.service_path, KEPT.service),
    file(KEPT.watch_path, KEPT.watch),
    link(KEPT.link_path, KEPT.watch_path),
)
UNWATCHED = Desired(
    entries=(gone(KEPT.link_path), gone(KEPT.watch_path), gone(KEPT.service_path)),
    stopped=("privport-keep-usr-sbin-server.path", "privport-keep-usr-sbin-server.service"),
)


def with_attribute(value: Any, *, wanted: Any = None, **fields: Any) -> Case:
    judged = case(program_fields={"attribute": value, **fields})
    return judged._replace(service=judged.service._replace(keep=wanted))


@pytest.mark.parametrize(
    ("before", "planned", "after"),
    [
        pytest.param(None, (), BIND, id="none before"),
        pytest.param(attribute("="), (), BIND, id="an empty one"),
        pytest.param(RAW, (), BOTH, id="others' stay"),
        pytest.param(BIND, (), BIND, id="it is there"),
        pytest.param(OF_ROOT, (), OF_ROOT, id="it is there in another form"),
        pytest.param(None, (Attribute(SERVER, RAW),), BOTH, id="others' are planned"),
        pytest.param(RAW, (Attribute("/x", BIND),), BOTH, id="something else is planned"),
    ],
)
def test_setcap(before: Any, planned: Tuple[Attribute, ...], after: str) -> None:
    desired = STRATEGIES["setcap"].desired(with_attribute(before), Desired(attributes=planned))
    assert desired == Desired(attributes=(Attribute(SERVER, after),))


@pytest.mark.parametrize(
    ("before", "fields", "after"),
    [
        pytest.param(BIND, {}, (None,), id="nothing is left"),
        pytest.param(attribute("="), {}, (None,), id="an empty one"),
        pytest.param(BOTH, {}, (RAW,), id="others' stay"),
        pytest.param(RAW, {}, (RAW,), id="it was not there"),
        pytest.param(
            attribute(f"{CAP},cap_net_raw=ep", rootid=1000),
            {},
            (attribute("cap_net_raw=ep", rootid=1000),),
            id="of a namespace",
        ),
        pytest.param(None, {"unread": {"capability": "?"}}, (), id="unread"),
    ],
)
def test_setcap_taken_away(before: Any, fields: Dict[str, Any], after: Tuple[Any, ...]) -> None:
    judged = with_attribute(before)
    judged = judged._replace(facts=judged.facts._replace(**fields))
    absent = STRATEGIES["setcap"].absent(judged, NOTHING)
    assert absent == Desired(attributes=tuple(Attribute(SERVER, value) for value in after))


@pytest.mark.parametrize(
    ("wanted", "found", "desired"),
    [
        pytest.param(None, "yes", NOTHING, id="not asked"),
        pytest.param(True, "no", Desired(entries=WATCHED, running=("privport-keep-usr-sbin-server.path",)), id="kept"),
        pytest.param(False, "yes", UNWATCHED, id="kept no more"),
        pytest.param(False, "no", NOTHING, id="never kept"),
    ],
)
def test_what_gives_the_capability_back(wanted: Any, found: str, desired: Desired) -> None:
    judged = with_attribute(None, wanted=wanted, kept=found)
    assert STRATEGIES["setcap"].desired(judged, NOTHING)._replace(attributes=()) == desired
    absent = STRATEGIES["setcap"].absent(judged, NOTHING)
    assert absent._replace(attributes=()) == (NOTHING if found == "no" else UNWATCHED)


def test_nothing_without_a_program() -> None:
    for name in ("setcap", "socket", "redirect", "unneeded"):
        judged = case(program=None, unit=None)
        assert STRATEGIES[name].desired(judged, NOTHING) == STRATEGIES[name].absent(judged, NOTHING) == NOTHING


# --- socket units

HANDED = socket_unit.Handed(unit="web.service", ports=(Port(80),), families=(), options=SocketOptions(), program=SERVER)
SOCKET, SOCKET_LINK = socket_unit.paths("web.service")
# A place where nothing is but, it may be, what a killed run left.
EMPTY_PLACE = "/etc/systemd/system/x"


@pytest.mark.parametrize(
    ("found", "more"),
    [
        pytest.param({}, (), id="a new one"),
        pytest.param({"files": (File(SOCKET, text="older"),), "active": ("web.socket",)}, (), id="another text"),
        pytest.param({"paths": (SOCKET, EMPTY_PLACE)}, (gone(EMPTY_PLACE),), id="what a killed run left"),
    ],
)
def test_socket(found: Dict[str, Any], more: Tuple[Entry, ...]) -> None:
    judged = case(installed={"socket": Installed(units=("web.socket",), **found)})
    assert STRATEGIES["socket"].desired(judged, NOTHING) == Desired(
        entries=(
            *more,
            file(SOCKET, HANDED.files[0].text),
            link(SOCKET_LINK, SOCKET),
            file(DROPIN, HANDED.dropin),
        ),
        with_service=("web.socket",),
    )


def test_socket_taken_away() -> None:
    there = Installed(units=("web.socket",), files=HANDED.files, active=("web.socket",), paths=(EMPTY_PLACE,))
    judged = case(installed={"socket": there}, **dropin_of("socket"))
    assert STRATEGIES["socket"].absent(judged, NOTHING) == Desired(
        entries=(gone(DROPIN), gone(SOCKET_LINK), gone(SOCKET), gone(EMPTY_PLACE)), stopped=("web.socket",)
    )
