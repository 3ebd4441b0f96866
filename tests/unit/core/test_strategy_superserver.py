# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategy by which a server starts a program for each connection: its description, what it leaves, its proof."""

from __future__ import annotations

from typing import Any, Dict, Optional

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installed
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Desired
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Account
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import FILE, Record
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.checks import PASS, Child, Probe
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import prove
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver import inetd
from ansible_collections.netbind.privport.plugins.module_utils._core.superserver.servers import SERVERS
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    CAP,
    SERVER,
    case,
    codes,
    listener,
    process,
    socket_unit,
)
from ansible_collections.netbind.privport.tests.unit.core.test_superserver import GROUND, request

SUPERSERVER = STRATEGIES["superserver"]
STARTED: Dict[str, Any] = {"unit": None, "superserver": "xinetd", "command": [SERVER], "user": "web"}
XINETD = process(pid=7, uid=0, uids=(0,) * 4, unit="xinetd.service", executable="/usr/sbin/xinetd")
SYSTEMD = process(pid=1, uid=0, uids=(0,) * 4, unit="init.scope", effective=(CAP,), permitted=(CAP,))
TCPSERVER = process(pid=8, unit="privport-superserver-web-80.service", executable="/usr/bin/tcpserver")
CHILD = Child(process(pid=90, unit="xinetd.service"), gids=(990,) * 4, groups=(990,))


def started(server: str = "xinetd", *, installed: bool = True, ground: Any = GROUND, **fields: Any) -> Case:
    """A service that this server starts, with what is right for it in place."""
    description = {**STARTED, "superserver": server, **fields.pop("description", {})}
    asked = request(server, Port(80), name="web", command=(SERVER,), gid=990)
    its = SERVERS[server]
    units = its.units(asked)
    found = Installed(files=its.files(asked, GROUND), active=units, units=units, paths=("/a",)) if installed else None
    there = {"superserver": found} if found else {}
    return case(description=description, unit=None, installed=there, superserver=ground, **fields)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"superserver": None}, "superserver is missing"),
        ({"superserver": None, "command": None, "strategy": "superserver"}, "superserver is missing"),
        ({"superserver": None, "command": None, "superserver_options": {"cps": 1}}, "superserver is missing"),
        ({"strategy": "setcap"}, "strategy is 'setcap'; leave strategy out"),
        ({"unit": "web.service"}, "unit is 'web.service', which listens by itself"),
        ({"command": []}, "command is missing"),
        ({"user": None}, "user is missing"),
        ({"executable": "/usr/bin/other"}, "executable is '/usr/bin/other'"),
        ({"addresses": ["::1"], "superserver_options": {"bind": ["127.0.0.1"]}}, "addresses and .* bind differ"),
        ({"ports": ["80/udp"], "superserver_options": {"wait": False}}, "wait is false, and UDP has no connections"),
        ({"command": "identd -x"}, "absolute path of the program"),
        ({"command": "/bin/x 'a"}, "No closing quotation; write a list of words"),
        ({"command": ["/bin/x", "a\nb"]}, "newline"),
        ({"superserver_options": {"only_from": "localhost"}}, "write addresses and networks"),
        ({"superserver_options": {"cps": 0}}, "at least 1"),
        ({"superserver_options": {"nice": 1}}, "unknown key 'nice'"),
    ],
    ids=str,
)
def test_descriptions_that_are_wrong(given: Dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        case(description={**STARTED, **given})


def test_a_description_names_the_strategy_the_program_and_the_addresses() -> None:
    found = case(description={**STARTED, "superserver_options": {"bind": ["::1"]}}).service
    assert (found.strategy, found.executable, found.addresses) == ("superserver", SERVER, ("::1",))
    absent = case(description={"unit": None, "superserver": "xinetd", "state": "absent"}).service
    assert (absent.strategy, absent.executable) == ("auto", "")


ROOT = Account(name="toor", uid=0, gid=0, groups=(0,))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ()),
        ({"description": {"user": "root"}}, ("runs_as_root",)),
        ({"account": ROOT}, ("runs_as_root",)),
        ({"not_executable": "it is gone"}, ("not_executable",)),
        ({"ground": GROUND._replace(programs={})}, ("no_server",)),
        ({"ground": None}, ("no_server",)),
    ],
    ids=str,
)
def test_hazards(fields: Dict[str, Any], expected: Any) -> None:
    assert tuple(it.code for it in SUPERSERVER.blockers(started(**fields))) == expected


def test_it_is_for_services_that_declare_it() -> None:
    assert codes("superserver") == ("only_when_declared",)


SERVED = (listener(XINETD),)


@pytest.mark.parametrize(
    ("judged", "pending"),
    [
        (started(listeners=SERVED), ()),
        (started(listeners=()), ("superserver",)),
        (started(listeners=(listener(known=False),)), ()),
        (started(installed=False), ("superserver",)),
        (started("systemd"), ()),
        (started("systemd", description={"superserver_options": {"cps": 5}}), ("superserver",)),
        (started("tcpserver"), ()),
    ],
    ids=["served", "not served", "hidden", "not there", "by systemd", "another option", "by a unit of its own"],
)
def test_what_is_left_to_do(judged: Case, pending: Any) -> None:
    assert SUPERSERVER.pending(judged) == pending


def decided(judged: Case) -> Any:
    return decide(judged.host, [judged.service])[0]


def test_its_own_server_is_not_in_its_way() -> None:
    assert decided(started(listeners=SERVED)).error == ""
    assert "held by pid 7" in decided(started(listeners=SERVED, installed=False)).error


def test_two_inetds_are_told() -> None:
    assert any("inetd.service runs beside xinetd" in it for it in decided(started(listeners=SERVED)).warnings)
    alone = GROUND._replace(daemons={"xinetd": GROUND.daemons["xinetd"]})
    assert decided(started(listeners=SERVED, ground=alone)).warnings == ()


def test_another_strategy_takes_it_away_first() -> None:
    was = started(listeners=SERVED)
    now = case(
        description={"unit": None, "executable": SERVER, "user": "web", "strategy": "setcap"},
        unit=None,
        installed=was.facts.installed,
        superserver=GROUND,
        listeners=SERVED,
    )
    found = decided(now)
    assert (found.error, found.surplus, found.voiding) == ("", ("superserver",), ("superserver",))


def test_the_lines_in_the_file_of_others_are_no_stale_file() -> None:
    record = Record("web", "superserver", FILE, inetd.PATH, "before", "after", 990, now="after")
    judged = started(listeners=SERVED, host_fields={"records": (record,)})
    assert SUPERSERVER.stale(judged) == ()
    assert SUPERSERVER.reclaim(record, judged, Desired()) == Desired()


def verdicts(judged: Case, child: Optional[Child], **tried: Any) -> Dict[str, str]:
    """The checks that do not pass, and the worst verdict."""
    probe = Probe(connect={"0.0.0.0": ""}, stranger={"ipv4": "EACCES"}, child=child, **tried)
    (evidence,) = prove(judged, probes={Port(80): probe})
    return {check.code: check.verdict for check in evidence.checks if check.verdict != PASS}


OTHER = process(pid=9, unit="other.service")
BY_SOCKET = {"sockets": (socket_unit("80", name="privport-superserver-web.socket", accept=True, triggers=()),)}


@pytest.mark.parametrize(
    ("judged", "child", "failing"),
    [
        (started(listeners=SERVED), CHILD, {}),
        (started("systemd", listeners=(listener(SYSTEMD),), **BY_SOCKET), CHILD, {}),
        (started("tcpserver", listeners=(listener(TCPSERVER),)), CHILD, {}),
        (started(listeners=SERVED), None, {"user": "unknown"}),
        (started(listeners=(listener(OTHER),)), CHILD, {"grant": "fail", "owner": "fail"}),
        (started(listeners=(listener(known=False),)), CHILD, {"owner": "unknown"}),
        (started(listeners=()), None, {"grant": "fail", "listening": "fail"}),
        (started(listeners=SERVED), CHILD._replace(process=process(uid=8)), {"user": "fail"}),
        (started(listeners=SERVED), CHILD._replace(process=process(uid=0, uids=(0,) * 4)), {"user": "fail"}),
        (
            started(listeners=SERVED),
            CHILD._replace(process=process(effective=(CAP,), permitted=(CAP,))),
            {"held": "fail"},
        ),
        (started(listeners=SERVED), CHILD._replace(groups=(0, 990)), {"groups": "fail"}),
        (started(listeners=SERVED), CHILD._replace(gids=(0,) * 4), {"groups": "fail"}),
        (started(listeners=SERVED), CHILD._replace(groups=()), {}),
    ],
    ids=[
        *("xinetd", "systemd", "tcpserver", "nothing seen", "another's socket", "hidden", "nobody listens"),
        *("another user", "root", "a capability", "a group of root's", "root's primary group", "fewer groups"),
    ],
)
def test_a_proof(judged: Case, child: Optional[Child], failing: Dict[str, str]) -> None:
    assert verdicts(judged, child) == failing


def test_what_lets_this_host_not_in_says_how_it_can_be_tried() -> None:
    judged = started(listeners=SERVED, description={"superserver_options": {"only_from": ["10.0.0.0/8"]}})
    (evidence,) = prove(judged, probes={Port(80): Probe()})
    assert any("have only_from hold 127.0.0.1" in it.text for it in evidence.checks)


def test_groups_that_its_server_takes_are_told() -> None:
    more = Account(name="web", uid=990, gid=990, groups=(990, 991))
    (evidence,) = prove(started(listeners=SERVED, account=more), probes={Port(80): Probe(child=CHILD)})
    assert any("and lacks 991" in it.text for it in evidence.checks)


def test_who_serves_is_the_process_of_the_evidence() -> None:
    (evidence,) = prove(started(listeners=SERVED), probes={Port(80): Probe(child=CHILD)})
    assert (evidence.process, evidence.notes) == (CHILD.process, ())
