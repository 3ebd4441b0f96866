# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategy that opens ports to everybody: what it asks for, what it leaves to do, and who else rests on it."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import Record
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    CAP,
    ambient_process,
    case,
    codes,
    listener,
    network,
    process,
    together,
)

ROOT_TEXT = {"User": ""}
TAKEN = (listener(process()),)


SYSCTL = {"strategy": "sysctl"}
OUR_SYSCTL = {sysctl.OWN_PATH: sysctl.render(80)}
LATER_SYSCTL = {"/etc/sysctl.d/z.conf": "net.ipv4.ip_unprivileged_port_start = 512"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"description": SYSCTL}, ()),
        ({}, ("only_when_named",)),
        ({"description": SYSCTL, "network": network(is_host=False, path="/run/netns/a")}, ("other_network",)),
        ({"description": SYSCTL, "host_fields": {"sysctl_files": LATER_SYSCTL}}, ("refused",)),
        ({"description": SYSCTL, "host_fields": {"local_port_range": (70, 90)}}, ("refused",)),
        ({"description": SYSCTL, "host_fields": {"local_port_range": None}}, ("no_setting",)),
        ({"description": SYSCTL, "properties": ROOT_TEXT}, ("runs_as_root",)),
        ({"description": SYSCTL, "account": None}, ("no_account",)),
        ({"description": SYSCTL, "not_executable": "it is gone"}, ("not_executable",)),
        ({"description": SYSCTL, "program_fields": {"mode": 0o4755}}, ("setuid_program",)),
        # None of these matters to a port that is free for all.
        ({"description": SYSCTL, "properties": {"NoNewPrivileges": "yes", "PrivateUsers": "yes"}}, ()),
        ({"description": SYSCTL, "properties": {"CapabilityBoundingSet": ""}, "program": None}, ()),
    ],
)
def test_sysctl_asks_for_the_hosts_network_and_to_be_named(fields: Dict[str, Any], expected: Tuple[str, ...]) -> None:
    assert codes("sysctl", **fields) == expected


@pytest.mark.parametrize(
    ("files", "start", "listeners", "pending"),
    [
        ({}, 1024, (), ("sysctl", "restart")),
        # It holds the port by an older grant, which goes with the process.
        ({}, 1024, TAKEN, ("sysctl",)),
        (OUR_SYSCTL, 80, TAKEN, ()),
        # Set by a run that was ended before the restart.
        (OUR_SYSCTL, 80, (), ("restart",)),
        (OUR_SYSCTL, 1024, TAKEN, ("sysctl",)),
        ({}, 80, TAKEN, ("sysctl",)),
    ],
)
def test_sysctl_leaves_to_do(files: Dict[str, str], start: int, listeners: Any, pending: Tuple[str, ...]) -> None:
    fields: Dict[str, Any] = {"description": SYSCTL, "listeners": listeners, "unit_fields": {"process": process()}}
    found = case(**fields, host_fields={"sysctl_files": files, "unprivileged_port_start": start})
    assert STRATEGIES["sysctl"].pending(found) == pending


@pytest.mark.parametrize(("ports", "granted"), [([80], True), ([443, 80], True), ([443], False), ([70, 80], False)])
def test_sysctl_is_the_grant_of_the_service_that_it_was_set_for(ports: Any, granted: bool) -> None:
    found = case(description={"ports": ports}, host_fields={"sysctl_files": OUR_SYSCTL})
    assert STRATEGIES["sysctl"].granted(found) is granted


LEFT = ("/etc/sysctl.d/.privport-0",)


@pytest.mark.parametrize(("files", "granted"), [({}, True), (OUR_SYSCTL, False)])
def test_what_a_killed_run_left_goes_with_any_service(files: Dict[str, str], granted: bool) -> None:
    found = case(description={"ports": [443]}, host_fields={"sysctl_files": files, "sysctl_leftovers": LEFT})
    assert STRATEGIES["sysctl"].granted(found) is granted


def test_sysctl_tells_what_it_opens() -> None:
    found = case(description=SYSCTL)
    assert STRATEGIES["sysctl"].warnings(found) == ("every user of the host may bind ports 80-1023",)
    assert "from 80 on" in STRATEGIES["sysctl"].why(found)


OPENED = {"sysctl_files": OUR_SYSCTL, "unprivileged_port_start": 80}
CONVERGED = {
    "properties": {"AmbientCapabilities": CAP},
    "unit_fields": {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN, "process": ambient_process()},
}


@pytest.mark.parametrize(
    ("description", "strategy", "surplus"),
    [
        (SYSCTL, "sysctl", ("ambient",)),
        # Nothing rests on a file that is about to go.
        ({}, "ambient", ("sysctl",)),
        ({"strategy": "setcap"}, "setcap", ("ambient", "sysctl")),
        ({"state": "absent"}, "", ("ambient", "sysctl")),
        # It was set for another service, of another play.
        ({"ports": [443]}, "ambient", ()),
    ],
)
def test_the_setting_goes_with_the_last_service_that_has_it(
    description: Dict[str, Any], strategy: str, surplus: Tuple[str, ...]
) -> None:
    judged = case(description=description, host_fields=OPENED, **CONVERGED)
    decision = decide(judged.host, [judged.service])[0]
    assert (decision.error, decision.strategy, decision.surplus) == ("", strategy, surplus)


def test_a_setting_that_is_there_is_not_taken_for_one_of_before() -> None:
    text = sysctl.render(80)
    record = Record("web", "sysctl", "file", sysctl.OWN_PATH, before=None, after=text, now=text)
    judged = case(description=SYSCTL, host_fields={**OPENED, "records": (record,)}, listeners=TAKEN)
    (decision,) = decide(judged.host, [judged.service])
    assert (judged.records, decision.strategy, decision.stale) == ((record,), "sysctl", ())


def test_the_setting_stays_for_a_service_that_has_it() -> None:
    first = case(description={"state": "absent"}, host_fields=OPENED)
    second = case(name="other", description={"name": "other", "ports": [90], **SYSCTL}, unit=None, host_fields=OPENED)
    observation, services = together([first, second], **OPENED)
    assert decide(observation, services)[0].surplus == ()
    # And what everyone may bind meanwhile needs no other grant.
    third = case(name="third", description={"name": "third", "ports": [443]}, host_fields=OPENED)
    observation, services = together([third, second], **OPENED)
    assert decide(observation, services)[0].strategy == "unneeded"
