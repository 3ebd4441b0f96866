# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restart and a boot leave of a grant, and what is told beside."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import (
    FAIL,
    PASS,
    UNKNOWN,
    Probe,
    Seen,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.persistence import (
    boot_check,
    notes,
    restart_check,
)
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    BINDS,
    case,
    listener,
    network,
    process,
    sets_at_boot,
    socket_unit,
)

OPENED: Dict[str, Any] = {"network": network(unprivileged_port_start=80)}
RUNTIME = "/run/systemd/system/web.service.d/a.conf"
ON_DISK = "/etc/systemd/system/web.service"
GENERATED = "/run/systemd/generator/web.service"


@pytest.mark.parametrize(
    ("name", "fields", "verdict"),
    [
        pytest.param("ambient", {}, PASS, id="nothing came in its way"),
        pytest.param("ambient", {"unit": None}, FAIL, id="the unit is gone"),
        pytest.param("setcap", {"unit": None, "program_fields": BINDS}, PASS, id="nothing starts it"),
        pytest.param("setcap", {"program_fields": BINDS}, PASS, id="a file"),
        pytest.param(
            "setcap",
            {"program_fields": {**BINDS, "refusals": ("no",)}},
            PASS,
            id="a file to which nobody should give it",
        ),
        pytest.param("setcap", {"program_fields": {"refusals": ("no",)}}, FAIL, id="and which has lost it"),
        pytest.param(
            "setcap",
            {"program_fields": BINDS, "properties": {"NoNewPrivileges": "yes"}},
            FAIL,
            id="no new privileges since",
        ),
        pytest.param("setcap", {"unread": {"unit": "x"}, "program_fields": BINDS}, PASS, id="the running one shows it"),
        pytest.param("ambient", {"properties": {"PrivateUsers": "yes"}}, FAIL, id="users of its own since"),
        pytest.param("ambient", {"properties": {"NeedDaemonReload": "yes"}}, UNKNOWN, id="files that were not read"),
    ],
)
def test_restart(name: str, fields: Dict[str, Any], verdict: str) -> None:
    assert restart_check(case(**fields), STRATEGIES[name]).verdict == verdict


@pytest.mark.parametrize(
    ("name", "fields", "verdict"),
    [
        pytest.param("ambient", {}, PASS, id="no file named"),
        pytest.param("ambient", {"unit_fields": {"capability_files": (ON_DISK,)}}, PASS, id="on disk"),
        pytest.param("ambient", {"unit_fields": {"capability_files": (RUNTIME,)}}, FAIL, id="in /run"),
        pytest.param("ambient", {"unit_fields": {"capability_files": (ON_DISK, RUNTIME)}}, PASS, id="in both"),
        pytest.param(
            "ambient",
            {"unit_fields": {"capability_files": ("/run/systemd/generator/web.service",)}},
            PASS,
            id="generated",
        ),
        pytest.param("authbind", {"unit_fields": {"capability_files": (RUNTIME,)}}, PASS, id="authbind needs none"),
        pytest.param("setcap", {"program_fields": {**BINDS, "path": "/run/server"}}, FAIL, id="a program in memory"),
        pytest.param("setcap", {"program_fields": BINDS}, PASS, id="a program on disk"),
        pytest.param("setcap", {"program": None}, PASS, id="no program"),
        pytest.param("unneeded", OPENED, FAIL, id="open now"),
        pytest.param("unneeded", {**OPENED, "host_fields": sets_at_boot(80)}, PASS, id="and after a boot"),
        pytest.param("unneeded", {**OPENED, "host_fields": sets_at_boot(443)}, FAIL, id="or not"),
        pytest.param("sysctl", {**OPENED, "host_fields": sets_at_boot(80)}, PASS, id="set by us"),
        pytest.param("sysctl", OPENED, FAIL, id="set by us, and not kept"),
        pytest.param("unneeded", {**OPENED, "host_fields": {"container": True}}, PASS, id="by the container's engine"),
        pytest.param(
            "unneeded",
            {"network": network(unprivileged_port_start=80, is_host=False)},
            PASS,
            id="in a network of its own",
        ),
        pytest.param("unneeded", {"sockets": (socket_unit("80"),)}, PASS, id="handed by a socket"),
        pytest.param("unneeded", {"description": {"ports": [8080]}}, PASS, id="never privileged"),
        pytest.param(
            "unneeded",
            {"description": {"ports": [1500]}, "host_fields": sets_at_boot(2048)},
            FAIL,
            id="later so",
        ),
    ],
)
def test_boot(name: str, fields: Dict[str, Any], verdict: str) -> None:
    assert boot_check(case(**fields), STRATEGIES[name]).verdict == verdict


def told(**fields: Any) -> str:
    judged = case(**fields)
    seen = Seen(case=judged, port=Port(80), strategy=STRATEGIES["ambient"], error="", probe=Probe())
    return "; ".join(notes(seen))


@pytest.mark.parametrize(
    ("properties", "sockets", "part"),
    [
        ({}, (), ""),
        ({"UnitFileState": "generated"}, (), ""),
        ({"UnitFileState": "static", "WantedBy": "multi-user.target"}, (), ""),
        ({"UnitFileState": "disabled", "RequiredBy": "other.service"}, (), ""),
        ({"UnitFileState": "disabled"}, (socket_unit("80"),), ""),
        (
            {"UnitFileState": "disabled"},
            (socket_unit("80", enabled=False),),
            "does not start web.service: it is disabled",
        ),
        ({"UnitFileState": "static"}, (), "it is static"),
        ({"UnitFileState": ""}, (), "it is not enabled"),
        ({"UnitFileState": "", "LoadState": "not-found"}, (), ""),
        ({"UnitFileState": "enabled-runtime", "WantedBy": "multi-user.target"}, (), "until the next boot only"),
        ({"FragmentPath": "/run/systemd/transient/web.service"}, (), "a boot forgets web.service"),
    ],
)
def test_whether_a_boot_starts_it(properties: Dict[str, str], sockets: Any, part: str) -> None:
    found = told(properties=properties, sockets=sockets)
    assert part in found
    assert bool(part) is bool(found)


OURS = process()
OTHER = process(pid=7, unit="other.service")


@pytest.mark.parametrize(
    ("listeners", "part"),
    [
        ((listener(OURS),), ""),
        ((listener(OURS, address="127.0.0.1"), listener(OURS, address="::1")), "from this host alone"),
        ((listener(OURS, address="127.0.0.1"), listener(OURS, address="10.0.0.1")), ""),
        ((listener(OURS, address="::", v6only=True),), "over IPv6 alone"),
        ((listener(OURS, address="::", v6only=None),), ""),
        ((listener(process(replaced=True)),), "pid 42 executes what is no longer /usr/sbin/server"),
        ((listener(process(replaced=None)),), ""),
        ((listener(OURS, OTHER),), "held also by pid 7 (server, uid 990 of other.service)"),
        ((listener(OURS), listener(OTHER, address="10.0.0.1")), "of other.service) on another address"),
        ((listener(OURS, process(pid=1, uid=0, unit="init.scope")),), ""),
        ((listener(OTHER),), ""),
    ],
)
def test_what_is_told_of_the_sockets(listeners: Any, part: str) -> None:
    found = told(listeners=listeners)
    assert part in found
    assert bool(part) is bool(found)


def test_without_a_unit_nothing_is_told_of_boots() -> None:
    assert told(unit=None) == ""
