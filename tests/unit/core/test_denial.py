# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SELinux and AppArmor wrote into the logs of real machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.denial import (
    TRIAL_COMM,
    Denial,
    parse_denials,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed
from ansible_collections.netbind.privport.plugins.module_utils._observe.denials import AUDIT_LOG, last_denials
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost

FIXTURES = Path(__file__).parents[1] / "fixtures"
HTTPD = "system_u:system_r:httpd_t:s0"
NGINX = {"module": "SELinux", "comm": "nginx", "subject": HTTPD, "port": 666}
NAME_BIND = "name_bind on tcp_socket of type hi_reserved_port_t"
JOURNAL = "denials-selinux-journal-linux6.1.txt"
AUDITD = "denials-selinux-auditd3.0.txt"
APPARMOR = "denials-apparmor-auditd3.0.txt"
KERNEL_LINE = "1795345984.015875 vm kernel: audit: type=1400 audit(1795345984.000:106): "


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text(encoding="utf-8")


def test_selinux_in_the_log_of_auditd() -> None:
    found = parse_denials(fixture(AUDITD))
    assert [(it.pid, it.enforced) for it in found] == [(288, False), (407, False), (416, True), (457, True)]
    assert found[2] == Denial(when=1795346202.98, pid=416, what=NAME_BIND, enforced=True, **NGINX)
    assert found[0].what == "capability 40 (checkpoint_restore)"


def test_selinux_in_the_journal_by_both_of_its_ways() -> None:
    found = [it for it in parse_denials(fixture(JOURNAL)) if it.comm == "nginx"]
    assert [(it.pid, it.when) for it in found] == [
        (407, 1795346200.692),
        (416, 1795346202.98),
        (429, 1795346207.792),
        (429, 1795346207.792),
        (457, 1795346224.984),
    ]
    assert {(it.subject, it.what, it.port) for it in found} == {(HTTPD, NAME_BIND, 666)}


def test_apparmor() -> None:
    found = [it for it in parse_denials(fixture(APPARMOR)) if "change_profile" not in it.what]
    assert [(it.module, it.subject, it.what, it.enforced) for it in found] == [
        ("AppArmor", "server", "capability net_bind_service", True),
        ("AppArmor", "complaining", "capability net_bind_service", False),
        ("AppArmor", "nonet", "create of a socket: network inet stream", True),
        ("AppArmor", "/opt/x*", "capability net_bind_service", True),
        ("AppArmor", "with blank", "capability net_bind_service", True),
    ]
    assert {it.comm for it in found} == {TRIAL_COMM}


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (
            'apparmor="DENIED" operation="capable" profile="server" pid=521 comm="x" capability=10  '
            'capname="net_bind_service"',
            "capability net_bind_service",
        ),
        (
            'apparmor="DENIED" operation="exec" profile="server" name="/usr/lib/authbind/helper" pid=9 '
            'comm=612062 requested_mask="x" denied_mask="x" fsuid=990 ouid=0',
            "exec /usr/lib/authbind/helper",
        ),
    ],
)
def test_apparmor_in_the_kernels_own_log(body: str, what: str) -> None:
    (found,) = parse_denials(KERNEL_LINE + body)
    assert (found.what, found.subject, found.when) == (what, "server", 1795345984.0)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (2, f"SELinux denied nginx (pid 416, {HTTPD}) {NAME_BIND} (port 666)"),
        (1, f"SELinux would deny nginx (pid 407, {HTTPD}) {NAME_BIND} (port 666)"),
    ],
)
def test_a_denial_as_a_sentence(index: int, text: str) -> None:
    assert str(parse_denials(fixture(AUDITD))[index]) == text


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1795346094.808554 vm systemd[1]: Successfully loaded SELinux policy in 871.741ms.",
        # Not the kernel's, whatever it says.
        '1795346094.8 vm server[9]: AVC avc:  denied  { name_bind } for  pid=1 comm="x"',
        '1795346094.8 vm server[9]: audit: type=1400 audit(1.2:3): apparmor="DENIED" pid=1',
        "type=USER_AVC msg=audit(1.2:3): pid=1 msg='avc:  denied  { start } for auid=0 comm=\"x\"'",
        KERNEL_LINE + 'apparmor="STATUS" operation="profile_load" profile="unconfined" name="server" pid=1 comm="x"',
        KERNEL_LINE + 'avc:  granted  { name_bind } for  pid=1 comm="x"',
    ],
)
def test_other_lines(line: str) -> None:
    assert parse_denials(line) == ()


@pytest.mark.parametrize(
    "body",
    [
        'avc:  denied  { name_bind } for  pid=1 comm="x"',
        'apparmor="DENIED" operation="capable" profile="x" comm="x"',
        'apparmor="DENIED" operation="capable" profile="x" pid=many comm="x"',
        'apparmor="DENIED" operation="capable" profile=xyz pid=1 comm="x"',
    ],
)
def test_a_denial_that_cannot_be_read_is_quoted(body: str) -> None:
    with pytest.raises(UnknownFormat, match="unlike those of the kernel: '1795345984"):
        parse_denials(KERNEL_LINE + body)


class Logs(FakeHost):
    def __init__(self, *, journal: str = "", rc: int = 0, **fields: Any) -> None:
        super().__init__(**fields)
        self.answer = Completed(argv=(), rc=rc, stdout=journal, stderr="")

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        self.ran.append(tuple(argv))
        return self.answer


def pids(host: FakeHost, **asked: Any) -> List[int]:
    return [it.pid for it in last_denials(host, **{"since": 0.0, **asked})]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, []),
        ({"pids": [416]}, [416]),
        ({"comms": ["nginx"]}, [416, 429, 457]),
        ({"subjects": [HTTPD]}, [416, 429, 457]),
        ({"subjects": ["system_u:system_r:init_t:s0"]}, []),
        ({"comms": ["nginx"], "since": 1795346207.0}, [429, 457]),
        pytest.param({"pids": [407], "comms": ["agetty"]}, [], id="what was not enforced"),
    ],
)
def test_the_last_denials(asked: Any, expected: Any) -> None:
    host = Logs(journal=fixture(JOURNAL), programs=("journalctl",))
    assert pids(host, **asked) == expected
    assert host.ran[0][-3:] == ("_TRANSPORT=kernel", "+", "_TRANSPORT=audit")


def test_both_logs_are_read_and_what_both_say_counts_once() -> None:
    host = Logs(journal=fixture(JOURNAL), programs=("journalctl",), files={AUDIT_LOG: fixture(AUDITD)})
    assert pids(host, comms=["nginx"]) == [416, 429, 457]


@pytest.mark.parametrize("fields", [{"programs": ("journalctl",), "rc": 1}, {"programs": ()}])
def test_without_a_journal_the_log_of_auditd_is_left(fields: Any) -> None:
    assert pids(Logs(files={AUDIT_LOG: fixture(AUDITD)}, **fields), comms=["nginx"]) == [416, 457]
    assert pids(Logs(**fields), comms=["nginx"]) == []


def test_the_collections_own_trials_are_left_out() -> None:
    host = Logs(files={AUDIT_LOG: fixture(APPARMOR)}, programs=())
    assert pids(host, comms=[TRIAL_COMM], subjects=["server"]) == []
