# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the resources of a host as they are to those that are wanted, and back."""

from __future__ import annotations

from typing import List, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.changes import (
    as_desired,
    changes,
    scope,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    FOLDER,
    LINK,
    OTHER,
    Attribute,
    Desired,
    Entry,
    KernelSetting,
    State,
    UnitState,
    file,
    gone,
    link,
    merged,
)

MARK = "# Managed by netbind.privport (ambient); state=absent removes this file.\n"
DROPIN = "/etc/systemd/system/web.service.d/50-privport.conf"
FOLDER_OF_DROPIN = "/etc/systemd/system/web.service.d"
HALF = "/etc/systemd/system/web.service.d/.privport-0123456789abcdef"
RULE = "/etc/authbind/byport/80"
SYSCTL = "/etc/sysctl.d/99-privport.conf"
LIVE = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
SERVER = "/usr/bin/server"
BINDS = "0100000200040000000000000000000000000000"
OURS = file(DROPIN, MARK)


def state(*resources: object, units: Tuple[UnitState, ...] = ()) -> State:
    return State(
        entries={it.path: it for it in resources if isinstance(it, Entry)},
        attributes={it.path: it for it in resources if isinstance(it, Attribute)},
        settings={it.path: it for it in resources if isinstance(it, KernelSetting)},
        units={it.path: it for it in units},
    )


@pytest.mark.parametrize(
    ("now", "desired", "texts"),
    [
        pytest.param(state(), Desired(entries=(OURS,)), [f"wrote {DROPIN}"], id="a new file"),
        pytest.param(state(OURS), Desired(entries=(OURS,)), [], id="a file that is there"),
        pytest.param(
            state(OURS._replace(mode=0o600)), Desired(entries=(OURS,)), [f"wrote {DROPIN}"], id="a file of another mode"
        ),
        pytest.param(state(OURS), Desired(entries=(gone(DROPIN),)), [f"removed {DROPIN}"], id="a file that goes"),
        pytest.param(state(), Desired(entries=(gone(DROPIN),)), [], id="a file that is gone"),
        pytest.param(state(file(HALF, "")), Desired(entries=(gone(HALF),)), [f"removed {HALF}"], id="half a file"),
        pytest.param(
            state(Entry("/etc/a", kind=FOLDER, uid=5, mode=0o700)),
            Desired(entries=(Entry("/etc/a", kind=FOLDER, mode=0o755),)),
            [],
            id="a folder keeps its owner and mode",
        ),
        pytest.param(
            state(Attribute(SERVER, None)),
            Desired(attributes=(Attribute(SERVER, BINDS),)),
            [f"gave {SERVER} cap_net_bind_service=ep"],
            id="an attribute that is given",
        ),
        pytest.param(
            state(Attribute(SERVER, BINDS)),
            Desired(attributes=(Attribute(SERVER, None),)),
            [f"took cap_net_bind_service=ep from {SERVER}"],
            id="an attribute that is taken",
        ),
        pytest.param(
            state(Attribute(SERVER, "01000002" + "00" * 16)),
            Desired(attributes=(Attribute(SERVER, None),)),
            [f"took an empty attribute from {SERVER}"],
            id="an empty attribute that is taken",
        ),
        pytest.param(
            state(Attribute(SERVER, BINDS, 0, 0, 0o755)),
            Desired(attributes=(Attribute(SERVER, BINDS),)),
            [],
            id="an attribute that is there",
        ),
        pytest.param(
            state(KernelSetting(LIVE, "1024")),
            Desired(entries=(file(SYSCTL, MARK),), settings=(KernelSetting(LIVE, "80"),)),
            [f"wrote {SYSCTL}", f"set {LIVE} to 80"],
            id="a setting comes after its file",
        ),
        pytest.param(
            state(file(SYSCTL, MARK), KernelSetting(LIVE, "80")),
            Desired(entries=(gone(SYSCTL),), settings=(KernelSetting(LIVE, "1024"),)),
            [f"set {LIVE} to 1024", f"removed {SYSCTL}"],
            id="a setting goes before its file",
        ),
        pytest.param(
            state(file(RULE, "", mode=0o500), Attribute(SERVER, BINDS)),
            Desired(
                entries=(gone(RULE), link("/etc/x.wants/a", "/etc/a"), OURS), attributes=(Attribute(SERVER, None),)
            ),
            [
                f"wrote {DROPIN}",
                "linked /etc/x.wants/a",
                f"took cap_net_bind_service=ep from {SERVER}",
                f"removed {RULE}",
            ],
            id="what gives comes before what takes",
        ),
    ],
)
def test_changes_and_their_order(now: State, desired: Desired, texts: List[str]) -> None:
    found = changes(now, desired)
    assert [it.text for it in found] == texts
    assert not any(it.refusal for it in found)


@pytest.mark.parametrize(
    ("now", "desired", "refusal"),
    [
        pytest.param(file(DROPIN, "[Service]\n"), OURS, "was not written by this collection", id="another's drop-in"),
        pytest.param(file(DROPIN, ""), OURS, "was not written by this collection", id="an empty one, to mask it"),
        pytest.param(
            Entry(DROPIN, kind=LINK, content="/dev/null"), OURS, "was not written by this collection", id="a link"
        ),
        pytest.param(Entry(RULE, kind=OTHER), file(RULE, ""), "was not written by this collection", id="a device"),
        pytest.param(file(DROPIN, "[Service]\n"), gone(DROPIN), "was not written by this collection", id="removed"),
        pytest.param(
            Attribute(SERVER, None, 1000, 0, 0o755),
            Attribute(SERVER, BINDS, 0, 0, 0o755),
            "gets no cap_net_bind_service=ep",
            id="a file of another owner",
        ),
        pytest.param(
            Attribute(SERVER, None), Attribute(SERVER, BINDS, 0, 0, 0o755), "is gone or was replaced", id="no file"
        ),
    ],
)
def test_what_is_left_as_it_is(now: object, desired: object, refusal: str) -> None:
    wanted = Desired(
        entries=(desired,) if isinstance(desired, Entry) else (),
        attributes=(desired,) if isinstance(desired, Attribute) else (),
    )
    found = changes(state(now), wanted)
    assert len(found) == 1
    assert refusal in found[0].refusal


def test_the_way_back_is_the_way_to_the_state_before() -> None:
    before = state(
        gone(FOLDER_OF_DROPIN),
        gone(DROPIN),
        Attribute(SERVER, BINDS, 0, 0, 0o755),
        KernelSetting(LIVE, "1024"),
        units=(UnitState("web.socket", "active"), UnitState("privport-keep-x.path", "inactive")),
    )
    now = state(
        Entry(FOLDER_OF_DROPIN, kind=FOLDER, mode=0o755),
        OURS,
        Attribute(SERVER, None, 0, 0, 0o755),
        KernelSetting(LIVE, "80"),
    )
    back = as_desired(before)
    assert [it.text for it in changes(now, back)] == [
        f"gave {SERVER} cap_net_bind_service=ep",
        f"set {LIVE} to 1024",
        f"removed {DROPIN}",
        f"removed {FOLDER_OF_DROPIN}",
    ]
    assert (back.running, back.stopped) == (("web.socket",), ("privport-keep-x.path",))


def test_a_part_of_the_way_back() -> None:
    before = state(gone(DROPIN), gone(RULE), gone("/etc/authbind/byport"), gone(FOLDER_OF_DROPIN))
    only = as_desired(before, of=Desired(entries=(file(DROPIN, ""),)))
    assert [it.path for it in only.entries] == [FOLDER_OF_DROPIN, DROPIN]


def test_what_is_looked_at() -> None:
    asked = scope([Desired(entries=(OURS, gone("/etc/systemd/system/web.socket")), running=("a.socket",)), Desired()])
    assert [it.path for it in asked.entries] == [FOLDER_OF_DROPIN, DROPIN, "/etc/systemd/system/web.socket"]
    assert asked.running == ("a.socket",)


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        (Desired(entries=(OURS,)), Desired(entries=(gone(DROPIN),)), Desired(entries=(gone(DROPIN),))),
        (Desired(running=("a",)), Desired(stopped=("a",)), Desired(stopped=("a",))),
        (Desired(stopped=("a",)), Desired(running=("a",)), Desired(running=("a",))),
        (Desired(stopped=("a",)), Desired(with_service=("a",)), Desired(with_service=("a",))),
        (Desired(with_service=("a",)), Desired(stopped=("a",)), Desired(stopped=("a",))),
    ],
    ids=["entries", "stopped", "running", "with its service", "stopped after all"],
)
def test_the_later_word_counts(first: Desired, then: Desired, expected: Desired) -> None:
    assert merged(first, then) == expected
