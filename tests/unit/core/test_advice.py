# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person is told to do about a proof that failed."""

from __future__ import annotations

from typing import Any, Dict, Sequence

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.advice import advise, errno_in, message
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import Probe
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import Evidence, prove
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    CAP,
    ambient_process,
    case,
    listener,
    process,
    socket_unit,
)

GRANTED: Dict[str, Any] = {
    "properties": {"AmbientCapabilities": CAP},
    "unit_fields": {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN, "process": ambient_process()},
}
SAYS = "2026-11-22T11:34:12+0000 host python3[188]: "
SYSTEMD = "2026-11-22T11:34:12+0000 host systemd[1]: "


def advised(*, probe: Any = None, journal: Sequence[str] = (), **fields: Any) -> Evidence:
    judged = case(**{**GRANTED, **fields})
    probes = dict.fromkeys(judged.service.ports, probe or Probe(connect={"0.0.0.0": ""}, stranger={"ipv4": "EACCES"}))
    return advise(judged, prove(judged, probes=probes)[0], journal=journal)


def silent(**properties: str) -> Dict[str, Any]:
    return {"properties": {**GRANTED["properties"], **properties}}


def open_to(*owners: Any, **fields: Any) -> Dict[str, Any]:
    return {"listeners": (listener(*(owners or (ambient_process(),))),), **fields}


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        pytest.param(silent(ActiveState="failed", ExecMainStatus="203"), "status 203/EXEC", id="203"),
        pytest.param(silent(ExecMainStatus="217"), "status 217/USER", id="217"),
        pytest.param(silent(Result="start-limit-hit"), "systemctl reset-failed", id="too often"),
        pytest.param(silent(ActiveState="inactive"), "systemctl start web.service", id="not started"),
        pytest.param(silent(), "it runs without the port", id="runs"),
        pytest.param({"journal": [f"{SAYS}bind: Address already in use"]}, "ss -lntup", id="in use"),
        pytest.param(
            open_to(ambient_process(permitted=(CAP, "cap_net_raw"))), "restart web.service", id="more than granted"
        ),
        pytest.param(open_to(ambient_process(uid=0)), "set User= in web.service", id="root"),
        pytest.param(open_to(process(unit="a.service")), "stop the other one", id="another's"),
        pytest.param(
            open_to(
                process(pid=1, unit="init.scope"),
                sockets=(socket_unit("80"),),
                installed={"socket": Installed(units=("web.socket",))},
            ),
            "have web.service take what web.socket hands to it",
            id="systemd's",
        ),
        pytest.param(
            open_to(probe=Probe(connect={"0.0.0.0": "ECONNREFUSED"}, stranger={"ipv4": "EACCES"})),
            "no longer accepts",
            id="full",
        ),
        pytest.param(
            open_to(probe=Probe(connect={"0.0.0.0": ""}, stranger={"ipv4": ""})), "port_start is 1024", id="open to all"
        ),
        pytest.param(open_to(description={"families": ["ipv6"]}), "listen on that family", id="family"),
        pytest.param(
            {"listeners": (listener(process(unit="resolved.service"), address="127.0.0.53"),)},
            "port 80 is held by pid 42 (server, uid 990 of resolved.service) on 127.0.0.53; a program that binds it",
            id="beside another",
        ),
        pytest.param(
            open_to(description={"addresses": "10.0.0.1 ::1"}), "have web.service listen there too", id="address"
        ),
        pytest.param(
            {"description": {"listens": "on_demand"}, "probe": Probe(trial="EACCES")},
            "look what web.service sets that forbids it",
            id="a trial",
        ),
        pytest.param(open_to(properties={}), "netbind.privport.rollout", id="no grant"),
        pytest.param(
            open_to(process(pid=9, uid=0), process(parent=9)), "User= and Group= by a drop-in", id="a root parent"
        ),
        pytest.param({"unit": None, "unit_fields": None, "properties": None}, "netbind.privport.rollout", id="no unit"),
    ],
)
def test_advice(fields: Dict[str, Any], part: str) -> None:
    assert part in "; ".join(advised(**fields).advice)


def test_a_refusal_by_a_security_module_is_told_where_something_fails() -> None:
    denial = "AppArmor denied server (pid 7, web) capability net_bind_service"
    for fields, told in ((silent(), True), (open_to(), False)):
        judged = case(**{**GRANTED, **fields})
        probes = dict.fromkeys(judged.service.ports, Probe(connect={"0.0.0.0": ""}, stranger={"ipv4": "EACCES"}))
        found = advise(judged, prove(judged, probes=probes)[0], journal=(), denials=[denial])
        assert (f"{denial}: no grant helps against that; allow it in the policy" in found.advice) is told


def test_what_passes_needs_no_advice() -> None:
    found = advised(**open_to())
    assert (found.verdict, found.advice, message([found], journal={})) == ("pass", (), "")


@pytest.mark.parametrize(
    ("lines", "strategy", "begins"),
    [
        ([f"{SAYS}PermissionError: [Errno 13] Permission denied"], "ambient", "EACCES: the kernel"),
        (
            [f"{SAYS}nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)"],
            "ambient",
            "EACCES: the kernel",
        ),
        ([f"{SAYS}listen tcp :80: bind: permission denied"], "setcap", "EACCES: the kernel"),
        ([f"{SAYS}PermissionError: [Errno 13] Permission denied"], "authbind", "EACCES: an authbind rule"),
        ([f"{SAYS}bind: Operation not permitted"], "authbind", "EPERM: no authbind rule"),
        ([f"{SAYS}bind: Operation not permitted"], "ambient", "EPERM: a filter"),
        ([f"{SAYS}bind: No such file or directory"], "authbind", "ENOENT: the user's byuid"),
        ([f"{SAYS}bind: No such file or directory"], "ambient", ""),
        ([f"{SAYS}OSError: [Errno 99] Cannot assign requested address"], "ambient", "EADDRNOTAVAIL"),
        ([f"{SAYS}socket: Address family not supported by protocol"], "ambient", "EAFNOSUPPORT"),
        ([f"{SAYS}bind: Permission denied", f"{SAYS}bind: Address already in use"], "ambient", "EADDRINUSE"),
        ([f'{SAYS}open() "/var/log/x" failed (13: Permission denied)'], "ambient", ""),
        ([f"{SAYS}PermissionError: [Errno 13] Permission denied: '/etc/x'"], "ambient", ""),
        ([], "ambient", ""),
    ],
)
def test_errno_in_a_journal(lines: Any, strategy: str, begins: str) -> None:
    found = errno_in(lines, strategy=strategy)
    assert len(found) == bool(begins)
    assert "".join(found).startswith(begins)


def test_the_message_tells_what_failed_what_to_do_and_what_the_program_said() -> None:
    journal = [f"{SYSTEMD}Started.", *(f"{SAYS}line {number}" for number in range(9)), f"{SYSTEMD}Failed."]
    found = advised(**silent(ActiveState="failed", NRestarts="4"), journal=journal)
    assert message([found, found], journal={"web.service": journal}).splitlines() == [
        "web: nothing listens on port 80; web.service is failed (running, result success, restarted 4 times); "
        "see journalctl -u web.service",
        "the last lines of web.service:",
        *(f"  {SAYS}line {number}" for number in range(4, 9)),
    ]


def test_where_systemd_alone_has_logged_its_lines_are_told() -> None:
    journal = [f"{SYSTEMD}Started."]
    told = message([advised(journal=journal)], journal={"web.service": journal})
    assert told.endswith(f"\n  {SYSTEMD}Started.")
