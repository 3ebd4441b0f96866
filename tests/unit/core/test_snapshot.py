# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs into a snapshot, and the way from a changed host back to it."""

from __future__ import annotations

import base64
from typing import Any, List, Optional, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.keep import paths
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.snapshot import (
    FILE,
    FOLDER,
    FORMAT,
    LINK,
    OTHER,
    Entry,
    Held,
    KernelSetting,
    ProgramFile,
    Snapshot,
    UnitState,
    changes_back,
    held_ports,
    newly_running,
    scope,
    scope_of,
    unit_action,
    unit_text,
    with_sockets,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump, load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    SERVER,
    authbind_port,
    case,
    facts,
    host,
    listener,
    process,
    service,
)

EP = "0100000200040000000000000000000000000000"
FOLDER_OF_UNIT = "/etc/systemd/system/web.service.d"
DROPIN = FOLDER_OF_UNIT + "/50-privport.conf"
RULE = "/etc/authbind/byport/80"


def file(path: str, text: str = "", **fields: Any) -> Entry:
    content = base64.b64encode(text.encode()).decode()
    return Entry(**{"path": path, "kind": FILE, "mode": 0o644, "content": content, **fields})


def program(capability: Optional[str], **fields: Any) -> ProgramFile:
    return ProgramFile(**{"path": SERVER, "uid": 0, "gid": 0, "mode": 0o755, "capability": capability, **fields})


def snapshot(*entries: Entry, **fields: Any) -> Snapshot:
    return Snapshot(
        **{
            "format": FORMAT,
            "entries": entries,
            "programs": (),
            "settings": (),
            "units": (),
            "own_units": (),
            "held": (),
            **fields,
        }
    )


def back(before: Snapshot, now: Snapshot) -> List[str]:
    """The sentences of the steps, or why one is not made."""
    return [change.refusal or change.text for change in changes_back(before, now)]


ACTIVE, SOCKET = UnitState("web.service", "active", "1"), UnitState("web.socket", "active", "2")
STOPPED = UnitState("web.service", "inactive", "")


@pytest.mark.parametrize(
    ("actions", "own", "units", "expected"),
    [
        pytest.param({}, {SOCKET: "restart"}, (ACTIVE,), {ACTIVE: "restart"}, id="it runs without its socket"),
        pytest.param({}, {}, (ACTIVE,), {}, id="its socket was left alone"),
        pytest.param({}, {SOCKET: "restart"}, (STOPPED,), {}, id="it did not run"),
        pytest.param({STOPPED: "stop"}, {SOCKET: "restart"}, (STOPPED,), {STOPPED: "stop"}, id="it runs now"),
        pytest.param({}, {UnitState("web.socket", "inactive", ""): "stop"}, (ACTIVE,), {}, id="none was there"),
        pytest.param({}, {UnitState("b.socket", "active", "3"): "restart"}, (ACTIVE,), {}, id="another's"),
    ],
)
def test_a_service_starts_again_with_its_socket(actions: Any, own: Any, units: Any, expected: Any) -> None:
    assert with_sockets(actions, own=own, units=units) == expected


def test_the_scope_is_what_the_strategies_write() -> None:
    rules = authbind_port(own_rules=("/etc/authbind/byaddr/192.0.2.1,80",))
    found = scope(host(facts(authbind_ports=(rules,)), facts(name="other", authbind_ports=())))
    assert found.units == ("web.service",)
    assert found.programs == (SERVER,)
    kept = paths(SERVER)
    assert len(kept) == 4
    assert tuple(it for it in found.paths if it not in kept) == (
        "/etc/authbind",
        "/etc/authbind/byaddr/192.0.2.1,80",
        "/etc/authbind/byport",
        RULE,
        "/etc/authbind/byuid",
        "/etc/authbind/byuid/990",
        "/etc/sysctl.d",
        "/etc/sysctl.d/99-privport.conf",
        FOLDER_OF_UNIT,
        DROPIN,
    )
    assert set(kept) < set(found.paths)


def test_the_collections_own_units_are_in_the_scope() -> None:
    files = Installed(paths=("/etc/netbind.privport/web.nft",), units=("privport-redirect-web.service",))
    found = scope(host(facts(installed={"redirect": files})))
    assert found.own_units == ("privport-keep-usr-sbin-server.path", "privport-redirect-web.service")
    assert {"/etc/netbind.privport", "/etc/netbind.privport/web.nft"} < set(found.paths)
    assert scope(host(facts(installed={"redirect": files}), systemd=None)).own_units == ()
    script = Installed(paths=("/etc/init.d/privport-forward-web-80",), units=("privport-forward-web-80",))
    found = scope(host(facts(installed={"forward": script}), systemd=None))
    assert found.own_units == script.units
    assert {*script.paths, "/etc/init.d"} & set(found.paths) == {*script.paths}


@pytest.mark.parametrize(
    ("before", "now", "going"),
    [("inactive", "active", True), ("active", "active", False), ("active", "failed", False)],
)
def test_own_units_that_run_only_now(before: str, now: str, going: bool) -> None:
    was, here = (snapshot(own_units=(UnitState("privport-x.service", state, "1"),)) for state in (before, now))
    assert newly_running(was, here) == (("privport-x.service",) if going else ())


@pytest.mark.parametrize("fields", [{"unit": None, "program": None, "account": None}], ids=["nothing is known"])
def test_the_scope_of_nothing(fields: Any) -> None:
    found = scope(host(facts(**fields)))
    assert (found.paths, found.programs, found.units) == (("/etc/sysctl.d", "/etc/sysctl.d/99-privport.conf"), (), ())


def test_a_snapshot_travels() -> None:
    taken = snapshot(
        file(RULE, "\N{SNOWMAN}"),
        programs=(program(None), program(EP)),
        settings=(KernelSetting(path="/proc/sys/net/ipv4/ip_unprivileged_port_start", value="1024"),),
        units=(UnitState("web.service", "active", "1"),),
        own_units=(UnitState("privport-x.service", "active", "1"),),
        held=(Held("web", "80"),),
    )
    assert load(Snapshot, dump(taken), where="restore") == taken
    assert (scope_of(taken).paths, scope_of(taken).units) == ((RULE,), ("web.service",))
    assert scope_of(taken).own_units == ("privport-x.service",)
    with pytest.raises(InvalidInput, match=r"^restore is "):
        load(Snapshot, {}, where="restore")


@pytest.mark.parametrize(
    ("owners", "held"),
    [
        pytest.param((process(),), (Held("web", "80"),), id="the service's own"),
        pytest.param((process(unit="other.service"),), (), id="somebody else's"),
        pytest.param((), (), id="nobody's"),
    ],
)
def test_the_ports_that_a_service_holds(owners: Tuple[Any, ...], held: Tuple[Held, ...]) -> None:
    judged = case(listeners=(listener(*owners), listener(process(), port=80, protocol="udp")))
    assert held_ports(judged.host, [service()]) == held


@pytest.mark.parametrize(
    ("before", "now", "steps"),
    [
        pytest.param(file(RULE), file(RULE), [], id="the same"),
        pytest.param(Entry(RULE), file(RULE), [f"removed {RULE}"], id="a file more"),
        pytest.param(file(RULE), Entry(RULE), [f"put {RULE} back"], id="a file less"),
        pytest.param(file(RULE, "a"), file(RULE, "b"), [f"put {RULE} back"], id="another content"),
        pytest.param(file(RULE), file(RULE, uid=990), [f"put {RULE} back"], id="another owner"),
        pytest.param(file(RULE), file(RULE, mode=0o500), [f"put {RULE} back"], id="another mode"),
        pytest.param(Entry(RULE, LINK, content="x"), file(RULE), [f"put {RULE} back"], id="a link's place"),
        pytest.param(Entry(RULE, OTHER), file(RULE), [], id="a FIFO is nobody's business"),
        pytest.param(file(RULE), Entry(RULE, FOLDER), [f"put {RULE} back"], id="a folder in its place"),
        pytest.param(Entry(RULE, FOLDER), Entry(RULE, FOLDER, mode=0o700), [], id="a folder's mode is not ours"),
        pytest.param(
            Entry(DROPIN),
            file(DROPIN, "[Service]\n"),
            [f"{DROPIN} was written by somebody else meanwhile and is left as it is"],
            id="somebody else's drop-in",
        ),
        pytest.param(Entry(DROPIN), file(DROPIN, AMBIENT_DROPIN), [f"removed {DROPIN}"], id="our drop-in"),
    ],
)
def test_entries(before: Entry, now: Entry, steps: List[str]) -> None:
    assert back(snapshot(before), snapshot(now)) == steps


@pytest.mark.parametrize(
    ("before", "now", "steps"),
    [
        pytest.param(program(EP), program(EP), [], id="the same"),
        pytest.param(program(EP), program(None), [f"gave {SERVER} its cap_net_bind_service=ep back"], id="taken"),
        pytest.param(program(None), program(EP), [f"took cap_net_bind_service=ep from {SERVER}"], id="given"),
        pytest.param(program(None), program(""), [f"took = from {SERVER}"], id="an empty one"),
        pytest.param(program("ff"), program(None), [f"gave {SERVER} its security.capability 0xff back"], id="unknown"),
        pytest.param(
            program(EP),
            program(None, uid=33),
            [
                f"{SERVER} is gone or was replaced by a file of another owner or mode, and gets no "
                "cap_net_bind_service=ep"
            ],
            id="another file",
        ),
        pytest.param(program(None), program(None, uid=-1, mode=-1), [], id="a program that is gone and had nothing"),
    ],
)
def test_programs(before: ProgramFile, now: ProgramFile, steps: List[str]) -> None:
    assert back(snapshot(programs=(before,)), snapshot(programs=(now,))) == steps


def test_what_gives_comes_back_before_what_took_its_place_goes() -> None:
    before = snapshot(
        Entry(FOLDER_OF_UNIT), Entry(DROPIN), Entry("/etc/authbind/byuid", FOLDER), file(RULE), programs=(program(EP),)
    )
    now = snapshot(
        Entry(FOLDER_OF_UNIT, FOLDER),
        file(DROPIN, AMBIENT_DROPIN),
        Entry("/etc/authbind/byuid"),
        Entry(RULE),
        programs=(program(None),),
    )
    assert back(before, now) == [
        "put /etc/authbind/byuid back",
        f"put {RULE} back",
        f"gave {SERVER} its cap_net_bind_service=ep back",
        f"removed {DROPIN}",
        f"removed {FOLDER_OF_UNIT}",
    ]
    there, here = now, before
    assert back(there, here)[2] == f"took cap_net_bind_service=ep from {SERVER}"


def test_the_difference_is_shown() -> None:
    (change,) = changes_back(snapshot(Entry(RULE)), snapshot(file(RULE, "x\n", uid=990)))
    assert change.diff == {
        "before_header": RULE,
        "after_header": RULE,
        "before": "file 990:0 0644\nx\n",
        "after": "",
    }


@pytest.mark.parametrize(
    ("before", "now", "action"),
    [
        pytest.param(("active", "1"), ("active", "1"), "", id="ran all the time"),
        pytest.param(("active", "1"), ("reloading", "1"), "", id="reloads"),
        pytest.param(("active", "1"), ("active", "2"), "restart", id="was started with the new grant"),
        pytest.param(("active", "1"), ("failed", "2"), "restart", id="failed with the new grant"),
        pytest.param(("active", "1"), ("inactive", ""), "restart", id="ended"),
        pytest.param(("activating", "1"), ("active", "2"), "restart", id="was on its way"),
        pytest.param(("inactive", ""), ("active", "2"), "stop", id="was started"),
        pytest.param(("failed", "1"), ("active", "2"), "stop", id="had failed, was started"),
        pytest.param(("inactive", ""), ("failed", "2"), "reset-failed", id="failed only now"),
        pytest.param(("failed", "1"), ("failed", "2"), "", id="failed again"),
        pytest.param(("inactive", ""), ("inactive", ""), "", id="never ran"),
    ],
)
def test_units(before: Tuple[str, str], now: Tuple[str, str], action: str) -> None:
    was = UnitState("web.service", *before)
    assert unit_action(was, UnitState("web.service", *now)) == action
    if action:
        assert "web.service" in unit_text(was, action)
