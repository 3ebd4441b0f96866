# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module where the host itself is to give a capability back: the units come and go with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply.file_capability import Outcome, understand
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError, Refused
from ansible_collections.netbind.privport.plugins.modules import privport_setcap
from ansible_collections.netbind.privport.tests.unit.running import BINDS, RunningHost
from ansible_collections.netbind.privport.tests.unit.test_privport_setcap import NOBODY, parameters

WATCH = "/etc/systemd/system/privport-keep-srv-a.path"


@pytest.fixture
def upgraded(tmp_path: Path) -> RunningHost:
    """A host whose program /srv/a is a real file, and whose systemd is not."""
    return RunningHost(tmp_path, {"a": 81})


def keep(host: RunningHost, *, check_mode: bool = False, **options: Any) -> Outcome:
    return privport_setcap.run(
        request=understand(params=parameters("/srv/a", **options)), host=host, check_mode=check_mode
    )


def test_a_capability_is_kept_and_no_more(upgraded: RunningHost) -> None:
    before = upgraded.state
    for options, there, value in (
        ({"keep": True}, True, BINDS),
        ({"keep": False}, False, BINDS),
        ({"state": "absent"}, False, None),
    ):
        foreseen = keep(upgraded, check_mode=True, **options)
        done = keep(upgraded, **options)
        assert (done, done.changed, bool(done.units)) == (foreseen, True, options != {"state": "absent"})
        assert (WATCH in upgraded.files, upgraded.capability("/srv/a")) == (there, value)
        assert keep(upgraded, **options).changed is False
    assert upgraded.state == before


def test_units_go_with_the_capability_and_before_it(upgraded: RunningHost) -> None:
    keep(upgraded, keep=True)
    upgraded.events.clear()
    keep(upgraded, state="absent")
    stopped = [it.rpartition(" ")[2] for it in upgraded.does("systemctl stop")]
    assert stopped == ["privport-keep-srv-a.path", "privport-keep-srv-a.service"]
    assert upgraded.events[-1] == "take /srv/a"


@pytest.mark.parametrize("had", [False, True])
def test_a_capability_goes_back_where_its_units_do_not_start(upgraded: RunningHost, had: bool) -> None:
    if had:
        keep(upgraded)
    before = upgraded.state

    def fail() -> None:
        raise HostError("it does not start")

    upgraded.whenever["systemctl start -- privport-keep-srv-a.path"] = fail
    with pytest.raises(HostError, match="it does not start"):
        keep(upgraded, keep=True)
    assert upgraded.state == before


def test_a_program_of_others_is_not_kept(upgraded: RunningHost) -> None:
    os.chown(upgraded.programs_at / "a", NOBODY, -1)
    with pytest.raises(Refused, match="keep is true, but"):
        keep(upgraded, keep=True)
    assert upgraded.events == []
