# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is worth a finding, beside what is declared; what changed since an earlier audit; what somebody accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence, Tuple

import pytest
import yaml
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.counting import counted_as
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.drift import (
    Accepted,
    parse_accepted,
    parse_baseline,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.findings import (
    Declared,
    declared_by,
    findings_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import (
    Grant,
    LowListener,
    Remark,
    Scan,
    Skipped,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.report import (
    Given,
    Looked,
    report_of,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.rules import RULES, SEVERITIES
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.services import description_of
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.without_root import (
    services_of,
    with_strategies,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide_cases
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.tests.audit import rules_page
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    CAP,
    SERVER,
    ambient_process,
    authbind_port,
    case,
    listener,
)

AMBIENT = Grant("ambient", "web.service", ("user web",), units=("web.service",), evidence="AmbientCapabilities=")
FILE = Grant("setcap", "/opt/a", ("every user",), evidence=f"{CAP}=ep")
SOCKET = Grant("socket", "web.socket", ("user web",), ports=("80",), units=("web.service",))
LISTENER = LowListener("tcp", "0.0.0.0", 80, "", "web.service", SERVER, "web", 990, (CAP,), root=False)
SSHD = LISTENER._replace(port=22, unit="ssh.service", user="root", uid=0, root=True, strategy="ambient", why="so")


def web(**fields: Any) -> Declared:
    """The service of the cases, which has its grant unless the fields say otherwise."""
    process = ambient_process()
    there = {"properties": {"AmbientCapabilities": CAP}, "listeners": (listener(process),)}
    (decision,) = decide_cases([case(**{**there, **fields})])
    return Declared(case(**{**there, **fields}), decision)


WEB = web()


def rules(scan: Scan, declared: Sequence[Declared] = ()) -> Tuple[Tuple[str, str], ...]:
    return tuple((it.rule, it.subject) for it in findings_of(scan, declared))


def seen(*grants: Grant, listeners: Sequence[LowListener] = ()) -> Scan:
    return Scan(grants, tuple(listeners), ())


@pytest.mark.parametrize(
    ("scan", "declared", "expected"),
    [
        pytest.param(seen(AMBIENT, listeners=[LISTENER]), [WEB], (), id="all is declared"),
        pytest.param(seen(AMBIENT, FILE, listeners=[LISTENER]), [], (), id="nothing is declared"),
        pytest.param(seen(AMBIENT, FILE), [WEB], (("undeclared-grant", "/opt/a"),), id="a grant"),
        pytest.param(
            seen(FILE._replace(remarks=(Remark("setcap-makes-root", "it makes root"),))),
            [WEB],
            (("setcap-makes-root", "/opt/a"),),
            id="what binds no port is no grant of one",
        ),
        pytest.param(seen(FILE._replace(effective=False, why_not="so")), [WEB], (), id="without effect"),
        pytest.param(
            seen(FILE._replace(effective=None, why_not="so")),
            [],
            (("effect-unknown", "/opt/a"),),
            id="nobody knows whether it works",
        ),
        pytest.param(
            seen(Grant("ambient", "systemd-networkd.service", units=("systemd-networkd.service",), package="systemd")),
            [WEB],
            (),
            id="a package brings it",
        ),
        pytest.param(
            seen(FILE._replace(package="tool")), [WEB], (("undeclared-grant", "/opt/a"),), id="no package sets an xattr"
        ),
        pytest.param(seen(AMBIENT, SOCKET), [WEB], (("two-grants", "web.service"),), id="two"),
        pytest.param(seen(AMBIENT, SOCKET._replace(effective=False)), [WEB], (), id="two, one without effect"),
        pytest.param(seen(SOCKET._replace(persistent=False)), [], (("not-persistent", "web.socket"),), id="volatile"),
        pytest.param(seen(SOCKET._replace(persistent=False, live=False)), [], (), id="neither now nor later"),
        pytest.param(
            seen(listeners=[SSHD, SSHD._replace(address="::")]),
            [WEB],
            (
                ("root-listener", "ssh.service on port 22"),
                ("undeclared-listener", "ssh.service on port 22"),
            ),
            id="a root listener",
        ),
        pytest.param(
            seen(listeners=[SSHD._replace(protocol="udp", network="blue", root=None)]),
            [],
            (("owner-unknown", "port 22/udp in network namespace blue"),),
            id="nobody knows who listens",
        ),
        pytest.param(
            seen(listeners=[LISTENER._replace(set_user_id=True)]),
            [],
            (("setuid-listener", "web.service on port 80"),),
            id="a set-user-ID program",
        ),
        pytest.param(
            seen(),
            [web(properties={"AmbientCapabilities": ""})],
            (("missing-grant", "web"),),
            id="a declared one lacks it",
        ),
        pytest.param(
            seen(),
            [web(description={"strategy": "authbind"}, host_fields={"authbind": None})],
            (("missing-grant", "web"),),
            id="a declared one cannot get it",
        ),
        pytest.param(
            seen(AMBIENT), [web(description={"state": "absent"})], (("undeclared-grant", "web.service"),), id="gone"
        ),
    ],
)
def test_findings(scan: Scan, declared: Sequence[Declared], expected: Tuple[Tuple[str, str], ...]) -> None:
    assert tuple(dict.fromkeys(rules(scan, declared))) == expected


@pytest.mark.parametrize(
    ("grant", "declared", "name"),
    [
        pytest.param(AMBIENT, WEB, "web", id="by its unit"),
        pytest.param(FILE._replace(file=SERVER), WEB, "web", id="by its program"),
        pytest.param(Grant("redirect", "a rule", ports=("80",)), WEB, "web", id="by its port"),
        pytest.param(Grant("redirect", "a rule", ports=("81",)), WEB, "", id="by another port"),
        pytest.param(Grant("sysctl", "all", ports=("80-1023",)), WEB, "", id="what is open to all"),
        pytest.param(
            Grant("authbind", "a rule", ports=("81",), file="/etc/authbind/byport/80"),
            web(authbind_ports=(authbind_port(own_rules=("/etc/authbind/byport/80",)),)),
            "web",
            id="by its rule",
        ),
    ],
)
def test_whose_a_grant_is(grant: Grant, declared: Declared, name: str) -> None:
    assert declared_by(grant, [declared]) == name


GIVEN = Given({}, (), "2026-11-28", "2026-11-28T01:02:03Z", "0.1.0")


def test_a_report_counts_and_compares() -> None:
    hosts = [
        Looked(
            "a",
            Scan((FILE._replace(effective=None, why_not="so"),), (SSHD,), (Skipped("/srv", "far"),)),
            (WEB,),
            {"web": ("pass", "")},
        ),
        Looked("b", message="no route to host"),
    ]
    report = report_of(hosts, GIVEN)
    assert report["summary"] == {
        "hosts": 2,
        "unreachable": 1,
        "findings": {"critical": 0, "high": 0, "medium": 3, "low": 0, "unknown": 1, "accepted": 0, "gone": 0},
    }
    assert [it["id"] for it in report["rules"]] == list(RULES)
    first, away = report["hosts"]
    assert (away["reachable"], away["message"], away["findings"]) == (False, "no route to host", [])
    assert first["services"] == [{"name": "web", "strategy": "ambient", "verdict": "pass", "why": WEB.decision.why}]
    assert {it["state"] for it in first["findings"]} == {"new"}

    baseline = parse_baseline(report, where="baseline", version=1)
    accepted = (
        Accepted("root-*", "a", "ssh*", "it needs root", "2026-12-31"),
        Accepted("undeclared-listener", "*", "*", "so", "2026-11-27"),
        Accepted("two-grants", "*", "*", "so", ""),
    )
    # Another address is the same finding; a grant that is gone is told once.
    changed = Looked("a", Scan((), (SSHD._replace(address="192.0.2.1"),), ()), (WEB,))
    again = report_of([changed], GIVEN._replace(baseline=baseline, accepted=accepted))
    states = {(it["rule"], it["state"]) for it in again["hosts"][0]["findings"]}
    assert states == {
        ("root-listener", "unchanged"),
        ("undeclared-listener", "unchanged"),
        ("effect-unknown", "gone"),
        ("undeclared-grant", "gone"),
    }
    assert [it["rule"] for it in again["hosts"][0]["findings"] if counted_as(it) in SEVERITIES] == [
        "undeclared-listener"
    ]
    assert again["summary"]["findings"]["accepted"] == 1
    assert len(again["accepted_problems"]) == 2
    last = report_of([changed], GIVEN._replace(baseline=parse_baseline(again, where="baseline", version=1)))
    assert "gone" not in {it["state"] for it in last["hosts"][0]["findings"]}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([{"rule": "root-listener"}], "reason is missing"),
        ([{"rule": "root-listner", "reason": "so"}], "rule is 'root-listner'"),
        ([{"rule": "root-listener", "reason": "so", "until": "31.1.2027"}], "until is '31.1.2027'"),
        ([{"rule": "root-listener", "reason": "so", "hosts": "a"}], "unknown key 'hosts'"),
        ("root-listener", "accepted"),
    ],
)
def test_wrong_accepted_risks(given: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        parse_accepted(given, where="accepted")


@pytest.mark.parametrize(
    "given", [{"schema_version": 7, "hosts": []}, {"hosts": []}, [1], {"schema_version": 1, "hosts": [{"name": "a"}]}]
)
def test_wrong_baselines(given: Any) -> None:
    with pytest.raises(InvalidInput, match="baseline"):
        parse_baseline(given, where="baseline", version=1)


def test_every_rule_has_its_texts() -> None:
    for rule in RULES.values():
        assert rule.why.endswith(".")
        assert rule.fix
        assert 0 < rule.score <= 10
        # A scanner reads 9.0 as high, and people as critical.
        assert rule.score != 9.0


def test_a_description_to_begin_from() -> None:
    instance = LISTENER._replace(port=22, unit="b@x.service")
    alone = LISTENER._replace(port=53, unit="", executable="/opt/dns")
    redirect = Grant("redirect", "chain a, IPv4 port 81 to 8081", ports=("81",), units=())
    scans = {"a": seen(redirect, listeners=[LISTENER, instance, SSHD, alone]), "b": seen()}
    text = description_of(scans)
    assert '    - {"name": "web", "ports": ["80"], "unit": "web.service"}\n' in text
    assert '    - {"name": "b@x", "ports": ["22"], "unit": "b@.service", "instances": ["x"]}\n' in text
    assert "    # ssh.service is root: give it a user of its own (User=), and ambient would do: {" in text
    assert "    # port 53: /opt/dns is started by no unit" in text
    assert "    # chain a, IPv4 port 81 to 8081: describe the service behind it" in text
    named = yaml.safe_load(text)["privport_services_of"]
    assert ([it["name"] for it in named["a"]], named["b"]) == (["b@x", "web"], [])


def test_the_page_of_the_rules() -> None:
    page = Path(__file__).parents[3] / "docs/audit-rules.md"
    assert page.read_text(encoding="utf-8") == rules_page.text(), "run python -m audit.rules_page"


@pytest.mark.parametrize(
    ("rules", "strategy"),
    [
        pytest.param((), "ambient", id="the role's choice"),
        pytest.param((Rule("forbid", "ambient", "`true`", "we say so"),), "setcap", id="what the site allows"),
    ],
)
def test_by_which_strategy_a_listener_need_not_be_root(rules: Tuple[Rule, ...], strategy: str) -> None:
    root = LISTENER._replace(root=True)
    (service,) = services_of([root, root._replace(address="::"), LISTENER, root._replace(network="other")])
    assert (service.name, service.ports, service.user) == ("web.service", (Port(80, "tcp"),), "nobody")
    observed = case(name="web.service").host
    found = with_strategies(Scan((), (root, LISTENER), (), observed), {"web.service": rules}).listeners
    assert [it.strategy for it in found] == [strategy, ""]
