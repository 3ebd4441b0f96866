# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed or failed run leaves is seen, told and cleared, on a machine in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._apply import authbind_files as rule_files
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import HELPER
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import ServiceFacts
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient
from ansible_collections.netbind.privport.plugins.module_utils._host.files import FileStatus
from ansible_collections.netbind.privport.plugins.module_utils._host.temporary import TEMPORARY, temporaries
from ansible_collections.netbind.privport.plugins.module_utils._observe import observe as observing
from ansible_collections.netbind.privport.plugins.modules import privport_ambient, privport_authbind
from ansible_collections.netbind.privport.tests.unit.fake_host import DROPIN, FakeHost, captured_unit

PLAIN = captured_unit("plain.service")
OURS = render_ambient(capabilities=["cap_net_bind_service"])


def machine(kind: type[FakeHost] = FakeHost, *, files: Any = None, **properties: str) -> FakeHost:
    return kind(files=files or {}, units=[{**PLAIN, "MainPID": "0", **properties}])


def facts(host: FakeHost) -> ServiceFacts:
    (service,) = parse_services([{"name": "web", "ports": [80], "unit": "plain.service", "user": "web"}])
    return observing.observe(host, [service]).services[0]


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
    "before",
    [
        pytest.param({}, id="and nothing else"),
        pytest.param({DROPIN: "[Service]\nNice=1\n"}, id="beside somebody else's drop-in"),
    ],
)
def test_a_removal_clears_what_a_killed_run_left(before: Any) -> None:
    left = temporaries(DROPIN)[0]
    host = machine(files={left: "half", **before})
    was = {path: text for path, text in host.files.items() if path != left}
    params = {"unit": "plain", "capabilities": ["cap_net_bind_service"], "user": "", "dropin": "50-privport"}
    done = [privport_ambient.run({**params, "state": "absent"}, host=host, check_mode=check) for check in (True, False)]
    assert [(it["changed"], [shown["before_header"] for shown in it["diff"]]) for it in done] == [(True, [left])] * 2
    assert (host.files, host.wrote) == (was, [])
    assert not privport_ambient.run({**params, "state": "absent"}, host=host, check_mode=False)["changed"]


class Authbind(FakeHost):
    """It has authbind, and no room for a rule for port 80."""

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}"

    def status(self, path: str) -> FileStatus | None:
        return FileStatus(mode=0o104755, uid=0, gid=0, size=0) if path == HELPER else super().status(path)

    def write(self, path: str, *, content: str, uid: int = 0, gid: int = 0, mode: int = 0o644) -> None:
        if path.endswith("/80"):
            raise HostError(f"{path} cannot be written: No space left on device")
        super().write(path, content=content, uid=uid, gid=gid, mode=mode)


def test_rules_are_taken_back_when_one_of_them_fails() -> None:
    left = f"/etc/authbind/byport/{TEMPORARY}0"
    host = machine(Authbind, files={left: ""})
    params = {"user": "web", "group": None, "addresses": [], "method": "auto", "unit": None, "state": "present"}
    with pytest.raises(HostError, match=r"/80 cannot be written: No space left .*; the change was taken back$"):
        privport_authbind.run({**params, "ports": [80, 443]}, host=host, check_mode=False)
    assert host.wrote == ["/etc/authbind/byport/443"]
    assert [path for path in host.files if path.startswith("/etc")] == [left]
    assert privport_authbind.run({**params, "ports": [443]}, host=host, check_mode=False)["changed"]
    assert (left in host.files, host.owners["/etc/authbind/byport/443"]) == (False, (990, 0))
