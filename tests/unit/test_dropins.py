# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in of the collection: planned, written, and taken back."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._observe import units
from ansible_collections.netbind.privport.tests.unit.fake_host import (
    DROPIN,
    FakeHost,
    captured_unit,
)
from ansible_collections.netbind.privport.tests.unit.observed import (
    OURS,
    PLAIN,
    UNIT_FILE,
    machine,
)


def plan(host: FakeHost, wanted: str = OURS, strategy: str = "ambient") -> units.Dropin:
    return units.plan_dropin(host, unit="plain.service", dropin="50-privport", strategy=strategy, wanted=wanted)


@pytest.mark.parametrize(
    ("before", "wanted", "strategy", "after"),
    [
        pytest.param("", OURS, "ambient", OURS, id="new"),
        pytest.param(OURS, OURS, "ambient", OURS, id="as it is to be"),
        pytest.param(OURS, "", "ambient", "", id="removed"),
        pytest.param(OURS, "", "authbind", OURS, id="another strategy's is not removed"),
        pytest.param("[Service]\n", "", "ambient", "[Service]\n", id="somebody else's is not removed"),
        pytest.param("", "", "ambient", "", id="nothing to remove"),
    ],
)
def test_plan_of_the_dropin(before: str, wanted: str, strategy: str, after: str) -> None:
    found = plan(machine(files={DROPIN: before} if before else {}), wanted, strategy)
    assert (found.path, found.before, found.after, found.changed) == (DROPIN, before, after, before != after)


@pytest.mark.parametrize(
    ("files", "links"),
    [({DROPIN: "[Service]\nNice=1\n"}, {}), ({DROPIN: ""}, {}), ({}, {DROPIN: "/dev/null"})],
    ids=["a drop-in", "an empty file", "a link to nowhere"],
)
def test_somebody_elses_file_is_refused(files: Any, links: Any) -> None:
    host = machine(files=files, links=links)
    with pytest.raises(Refused, match="was not written by this collection"):
        plan(host)
    assert host.wrote == []


def test_a_dropin_that_does_not_come_into_force_is_taken_back() -> None:
    host = machine(overridden=True)
    with pytest.raises(HostError, match="was taken back"):
        units.install_dropin(
            host, plan(host), unit="plain.service", in_force=lambda it: bool(it["AmbientCapabilities"])
        )
    assert DROPIN not in host.files
    assert host.ran[-1] == ("systemctl", "daemon-reload")


def test_a_dropin_that_systemd_does_not_read_is_taken_back() -> None:
    class Failing(FakeHost):
        def _reload(self) -> str:
            raise HostError("systemctl daemon-reload failed")

    host = Failing(files=UNIT_FILE, units=[PLAIN])
    with pytest.raises(HostError, match="daemon-reload failed"):
        units.install_dropin(host, plan(host), unit="plain.service", in_force=lambda it: True)
    assert host.wrote == [DROPIN]
    assert DROPIN not in host.files


@pytest.mark.parametrize(
    ("name", "state", "sentence"),
    [
        ("missing.service", "present", "does not exist on this host"),
        ("masked.service", "present", "which is masked"),
        ("broken.service", "present", "which is bad-setting"),
    ],
)
def test_units_that_cannot_be_changed(name: str, state: str, sentence: str) -> None:
    host = machine(units=[captured_unit(name)])
    with pytest.raises(InvalidInput, match=sentence):
        units.show_unit(host, name, state=state)
    assert units.show_unit(host, name, state="absent")["Id"] == name
