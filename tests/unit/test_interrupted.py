# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed or failed run leaves is seen, told and cleared, on a machine in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import authbind_files as rule_files
from ansible_collections.netbind.privport.plugins.module_utils._apply import task
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired, file
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import ServiceFacts
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import TEMPORARY, temporaries
from ansible_collections.netbind.privport.plugins.module_utils._observe import observe as observing
from ansible_collections.netbind.privport.plugins.module_utils._observe import units
from ansible_collections.netbind.privport.tests.unit.fake_host import DROPIN, FakeHost, captured_unit

PLAIN = captured_unit("plain.service")
OURS = render_ambient(capabilities=["cap_net_bind_service"])


def machine(kind: type[FakeHost] = FakeHost, *, files: Any = None, **properties: str) -> FakeHost:
    return kind(files=files or {}, units=[{**PLAIN, "MainPID": "0", **properties}])


def facts(host: FakeHost) -> ServiceFacts:
    (service,) = parse_services([{"name": "web", "ports": [80], "unit": "plain.service", "user": "web"}])
    return observing.observe(host, [service]).services[0]


def plan(host: FakeHost, wanted: str = OURS) -> units.Dropin:
    return units.plan_dropin(host, unit="plain.service", dropin="50-privport", strategy="ambient", wanted=wanted)


@pytest.mark.parametrize(
    ("files", "properties", "interrupted"),
    [
        pytest.param({}, {}, False, id="nothing"),
        pytest.param({DROPIN: OURS}, {"DropInPaths": DROPIN}, False, id="our drop-in"),
        pytest.param({temporaries(DROPIN)[0]: "half"}, {}, True, id="a temporary file beside it"),
        pytest.param({temporaries(DROPIN)[1]: "half"}, {}, True, id="a temporary file beside its folder"),
        pytest.param({}, {"DropInPaths": DROPIN}, True, id="a removal that systemd has not read"),
    ],
)
def test_what_a_killed_run_left_of_a_dropin(files: Any, properties: Any, interrupted: bool) -> None:
    unit = facts(machine(files=files, **properties)).unit
    assert unit is not None
    assert unit.interrupted is interrupted
    assert unit.leftovers == tuple(path for path in files if path != DROPIN)


def test_what_a_killed_run_left_of_a_rule() -> None:
    left = f"/etc/authbind/byport/{TEMPORARY}0"
    host = machine(files={left: "", "/etc/authbind/byport/443": ""})
    assert list(rule_files.read_rules(host)) == ["/etc/authbind", "/etc/authbind/byport", "/etc/authbind/byport/443"]
    assert rule_files.leftovers(host) == (left,)
    assert [(port.allowed, port.own_rules) for port in facts(host).authbind_ports] == [(False, (left,))]


def test_a_rule_that_its_mount_would_make_vain() -> None:
    class NoExec(FakeHost):
        def noexec(self, path: str) -> bool:
            return path == "/etc/authbind/byport"

    (port,) = facts(machine(NoExec)).authbind_ports
    assert (port.allowed, "/etc/authbind/byport/80 would be in vain" in port.refusal) == (False, True)


@pytest.mark.parametrize(
    ("before", "dropin"),
    [
        pytest.param("", "", id="and nothing else"),
        pytest.param("[Service]\nNice=1\n", "[Service]\nNice=1\n", id="beside somebody else's drop-in"),
    ],
)
def test_a_removal_clears_what_a_killed_run_left(before: str, dropin: str) -> None:
    left = temporaries(DROPIN)[0]
    host = machine(files={left: "half", **({DROPIN: before} if before else {})})
    planned = plan(host, "")
    assert (planned.changed, left in planned.diff["before"], planned.after) == (True, True, dropin)
    units.install_dropin(host, planned, unit="plain.service", in_force=lambda it: True)
    assert (host.files.get(DROPIN, ""), left in host.files, host.wrote) == (dropin, False, [])
    assert not plan(host, "").changed


def test_a_dropin_that_cannot_be_taken_back() -> None:
    class Failing(FakeHost):
        def _reload(self) -> str:
            raise HostError("systemctl daemon-reload failed")

        def remove(self, path: str, *, with_folder: bool = False) -> None:
            raise HostError(f"{path} cannot be removed")

    host = machine(Failing)
    with pytest.raises(HostError, match=r"reload failed; the change could not be taken back: .* cannot be removed"):
        units.install_dropin(host, plan(host), unit="plain.service", in_force=lambda it: True)


def test_rules_are_taken_back_when_one_of_them_fails() -> None:
    class Full(FakeHost):
        def write(self, path: str, *, content: str, uid: int = 0, gid: int = 0, mode: int = 0o644) -> None:
            if path.endswith("/443"):
                raise HostError(f"{path} cannot be written: No space left on device")
            super().write(path, content=content, uid=uid, gid=gid, mode=mode)

    host = machine(Full, files={"/etc/authbind/byport/90": "old"})
    before = dict(host.files)
    rules = Desired(
        entries=(
            file("/etc/authbind/byport/90", "new", mode=0o755),
            *(file(f"/etc/authbind/byport/{port}", "", mode=0o755) for port in (80, 443)),
        )
    )
    with pytest.raises(HostError, match="443 cannot be written"):
        task.apply(host, rules, check_mode=False)
    assert host.files == before
    assert host.wrote[:2] == ["/etc/authbind/byport/90", "/etc/authbind/byport/80"]
