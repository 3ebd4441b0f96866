# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trial in the sandbox of a unit: what it takes over of the unit, and what its program tells."""

from __future__ import annotations

import errno
import re
import socket
import subprocess
import sys
from typing import Any, Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.trial import (
    FIRST_STATUS,
    outcome_of,
    trial_unit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_unit_file
from ansible_collections.netbind.privport.tests.unit.core.cases import AUTHBIND, case

UNIT = """[Unit]
After=network.target
[Service]
Type=notify
User=web
StandardOutput=truncate:/var/log/web
RuntimeDirectory=web
ReadWritePaths=/run/web
ExecStartPre=/bin/rm -rf /srv/web
ExecStart=/opt/web
CapabilityBoundingSet=
"""
LATER = "[Service]\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"


def test_it_takes_over_what_decides_about_a_bind_and_nothing_else() -> None:
    text = trial_unit([UNIT, LATER], command=["/usr/bin/python3"], ports=["80"])
    *settings, kind, limit, start = [(it.key, it.value) for it in parse_unit_file(text) if it.section == "Service"]
    assert settings == [
        ("User", "web"),
        ("CapabilityBoundingSet", ""),
        ("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE"),
        ("AmbientCapabilities", "CAP_NET_BIND_SERVICE"),
    ]
    assert (kind, limit[0], start[0]) == (("Type", "oneshot"), "TimeoutStartSec", "ExecStart")
    assert start[1].startswith("/usr/bin/python3 -I -S -c ")


def script(ports: Tuple[str, ...]) -> int:
    """The exit status of the program, started as systemd starts it: quotes and escapes are Python's own."""
    text = trial_unit([], command=[sys.executable], ports=ports)
    match = re.search(r'ExecStart=.* -c "(.*)" (.*)', text)
    assert match is not None
    assert not set("%$") & set(match[0])
    source = match[1].replace("\\n", "\n")
    return subprocess.run([sys.executable, "-I", "-S", "-c", source, *match[2].split()], check=False).returncode


@pytest.mark.parametrize("protocol", ["", "/udp"])
def test_its_program_binds_a_range_and_minds_nobody_who_listens_there(protocol: str) -> None:
    with socket.socket(socket.AF_INET6) as held:
        held.bind(("::", 0))
        held.listen()
        port = held.getsockname()[1]
        assert script((f"{port}-{port}{protocol}",)) == 0


def test_its_program_tells_the_errno() -> None:
    # No kernel lets a port be bound that there is none of; Python refuses it in words of its own.
    assert script(("70000",)) not in (0, FIRST_STATUS + errno.EACCES)


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("ambient", {}, ()),
        ("sysctl", {}, ()),
        ("unneeded", {}, ()),
        ("authbind", {}, (AUTHBIND, "--deep")),
        ("authbind", {"host_fields": {"authbind": None}}, None),
        ("setcap", {}, None),
        ("socket", {}, None),
    ],
)
def test_what_another_program_can_show(name: str, fields: Dict[str, Any], expected: Any) -> None:
    assert STRATEGIES[name].starts(case(**fields)) == expected


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize(
    ("properties", "listens", "steps"),
    [
        ({"ActiveState": "inactive"}, "always", {"start"}),
        ({"ActiveState": "inactive"}, "on_demand", set()),
        ({"ActiveState": "inactive", "Type": "oneshot"}, "always", set()),
        ({"ActiveState": "inactive", "Type": "oneshot", "RemainAfterExit": "yes"}, "always", {"start"}),
        ({"ActiveState": "inactive", "TriggeredBy": "web.timer"}, "always", set()),
        ({"ActiveState": "inactive", "TriggeredBy": "web.socket"}, "always", {"start"}),
        ({"ActiveState": "activating", "Type": "oneshot"}, "always", set()),
    ],
)
def test_what_is_not_started(name: str, properties: Dict[str, str], listens: str, steps: Any) -> None:
    pending = STRATEGIES[name].pending(case(properties=properties, description={"listens": listens}))
    assert {"start", "restart"} & set(pending) == steps


@pytest.mark.parametrize(
    ("result", "status", "expected"),
    [
        ("success", 0, ""),
        ("exit-code", FIRST_STATUS + errno.EACCES, "EACCES"),
        ("exit-code", 1, "status 1"),
        ("exit-code", 127, "status 127"),
        ("exit-code", 226, "status 226"),
        ("core-dump", 31, "core-dump, status 31"),
        ("signal", 11, "signal, status 11"),
        ("timeout", 15, "timeout, status 15"),
    ],
)
def test_what_comes_of_a_trial(result: str, status: int, expected: str) -> None:
    assert outcome_of(result, status) == expected
