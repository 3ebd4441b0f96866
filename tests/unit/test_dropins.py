# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in of the collection: planned, written, and taken back."""

from __future__ import annotations

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Entry, file, gone, link
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd import dropin
from ansible_collections.netbind.privport.plugins.module_utils._observe import units
from ansible_collections.netbind.privport.plugins.modules import privport_ambient
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
def test_what_becomes_of_the_dropin(before: str, wanted: str, strategy: str, after: str) -> None:
    now = file(DROPIN, before) if before else gone(DROPIN)
    assert dropin.entry(now, wanted, strategy=strategy) == (file(DROPIN, after) if after else gone(DROPIN))


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(file(DROPIN, "[Service]\nNice=1\n"), id="a drop-in"),
        pytest.param(file(DROPIN, ""), id="an empty file"),
        pytest.param(link(DROPIN, "/dev/null"), id="a link to nowhere"),
    ],
)
def test_somebody_elses_file_is_refused(now: Entry) -> None:
    with pytest.raises(Refused, match="was not written by this collection; choose another name"):
        dropin.entry(now, OURS, strategy="ambient")
    assert dropin.entry(now, "", strategy="ambient") == now


def grant(host: FakeHost) -> None:
    params = {
        "unit": "plain",
        "capabilities": ["cap_net_bind_service"],
        "bounding_set": [],
        "user": "",
        "state": "present",
    }
    privport_ambient.run({**params, "dropin": "50-privport"}, host=host, check_mode=False)


def test_a_dropin_that_does_not_come_into_force_is_taken_back() -> None:
    host = machine(overridden=True, units=[{**PLAIN, "AmbientCapabilities": ""}])
    with pytest.raises(HostError, match=r"does not come into force; look for .*; the change was taken back$"):
        grant(host)
    assert DROPIN not in host.files
    assert host.ran[-1] == ("systemctl", "daemon-reload")


def test_a_dropin_that_systemd_does_not_read_is_taken_back() -> None:
    class Failing(FakeHost):
        def _reload(self) -> str:
            raise HostError("systemctl daemon-reload failed")

    host = Failing(files=UNIT_FILE, units=[{**PLAIN, "AmbientCapabilities": ""}])
    with pytest.raises(HostError, match=r"daemon-reload failed; the change was taken back as far as that allows$"):
        grant(host)
    assert host.wrote == [DROPIN]
    assert DROPIN not in host.files


@pytest.mark.parametrize(
    ("name", "state", "sentence"),
    [
        ("missing.service", "present", "does not exist on this host"),
        ("masked.service", "present", "which is masked"),
        ("broken.service", "present", "which is bad-setting; mend its file"),
    ],
)
def test_units_that_cannot_be_changed(name: str, state: str, sentence: str) -> None:
    host = machine(units=[captured_unit(name)])
    with pytest.raises(InvalidInput, match=sentence):
        units.show_unit(host, name, state=state)
    assert units.show_unit(host, name, state="absent")["Id"] == name
