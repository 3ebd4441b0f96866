# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finished audit looks like: its document, its text, its SARIF log. tests/browser looks at its page."""

from __future__ import annotations

import copy
import gzip
import json
import re
from pathlib import Path
from typing import Any, Callable
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
import yaml
from ansible_collections.netbind.privport.plugins.filter.privport_audit import privport_audit_wrong
from ansible_collections.netbind.privport.plugins.plugin_utils.audit import sarif as sarif_module
from ansible_collections.netbind.privport.plugins.plugin_utils.audit.groups import grouped
from ansible_collections.netbind.privport.plugins.plugin_utils.audit.sarif import MOST_RESULTS, sarif, uri
from ansible_collections.netbind.privport.plugins.plugin_utils.audit.summary import (
    CLASSES,
    counted_as,
    counts_text,
    number,
    readable,
    summary,
)
from ansible_collections.netbind.privport.plugins.plugin_utils.audit.text import audit_text
from ansible_collections.netbind.privport.tests.audit_example import HOSTILE, ODD_HOSTS, UNREACHABLE, example

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/audit.schema.json").read_text("utf-8"))
SARIF_SCHEMA = json.loads((ROOT / "tests/unit/fixtures/sarif-schema-2.1.0.json").read_text("utf-8"))
FINDING: dict[str, Any] = {
    "rule": "root-listener",
    "severity": "high",
    "security_severity": "7.5",
    "subject": "web.service",
    "mechanism": "listener",
    "text": "web listens as root",
    "evidence": "uid 0",
    "fix": "give it a user",
    "state": "new",
    "accepted": None,
    "key": "root-listener|web.service",
}
ACCEPTED = {"reason": "ticket 1", "until": "2027-01-31"}
SUPPRESSED = {"kind": "external", "status": "accepted"}


def of(*findings: dict[str, Any], host: str = "web-1", **others: Any) -> dict[str, Any]:
    """An audit of one host with these findings, each FINDING with what is said of it."""
    empty: dict[str, Any] = {"services": [], "grants": [], "listeners": [], "skipped": []}
    hosts = [
        {"name": host, "reachable": True, "message": "", **empty, "findings": [{**FINDING, **it} for it in findings]}
    ]
    hosts[0].update(others)
    return {**example(0), "accepted_problems": [], "hosts": hosts, "summary": summary(hosts)}


# The document


def invalid(document: Any, schema: Any = SCHEMA) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(document)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("hosts", [0, 1, 12, 60])
def test_an_audit_is_as_its_schema_says(hosts: int) -> None:
    assert invalid(example(hosts)) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda it: it.update(schema_version=2), "schema_version"),
        (lambda it: it.update(generated="yesterday"), "generated"),
        (lambda it: it.pop("rules"), "'rules' is a required property"),
        (lambda it: it["summary"]["findings"].pop("gone"), "'gone' is a required property"),
        (lambda it: it["rules"][0].update(security_severity=9.8), "9.8 is not of type 'string'"),
        (lambda it: it["rules"][0].update(security_severity="9.0"), "'9.0' does not match"),
        (lambda it: it["rules"][0].update(id="Root Listener"), "does not match"),
        (lambda it: it["hosts"][0].update(reachable=False, message=""), "hosts/0/message"),
        (lambda it: it["hosts"][0]["services"][0].update(verdict="maybe"), "'maybe' is not one of"),
        (lambda it: it["hosts"][0]["grants"][0].update(effective="yes"), "'yes' is not of type"),
        (lambda it: it["hosts"][0]["listeners"][0].update(port="80"), "'80' is not of type 'integer'"),
        (lambda it: it["hosts"][0]["findings"][0].update(state="old"), "'old' is not one of"),
        (lambda it: it["hosts"][0]["findings"][0].update(accepted={"reason": "x"}), "'until' is a required"),
        (lambda it: it["hosts"][0]["findings"][0].update(text=""), "hosts/0/findings/0/text"),
        (lambda it: it["hosts"][0]["findings"][0].pop("key"), "'key' is a required property"),
    ],
)
def test_what_is_no_audit_is_told(wrong: Callable[[Any], object], told: str) -> None:
    document = example(1)
    wrong(document)
    assert told in "\n".join(invalid(document))


# How findings are counted


@pytest.mark.parametrize(
    ("finding", "counted"),
    [
        ({}, "high"),
        ({"unknown": True}, "unknown"),
        ({"unknown": False}, "high"),
        ({"accepted": ACCEPTED}, "accepted"),
        ({"accepted": ACCEPTED, "unknown": True}, "accepted"),
        ({"accepted": ACCEPTED, "state": "gone"}, "gone"),
        ({"state": "unchanged"}, "high"),
    ],
)
def test_a_finding_is_counted_once(finding: dict[str, Any], counted: str) -> None:
    assert counted_as({**FINDING, **finding}) == counted
    counts = of(finding)["summary"]["findings"]
    assert counts == {name: int(name == counted) for name in CLASSES}


def test_numbers_as_text() -> None:
    assert number(1, "host") == "1 host"
    assert number(0, "host") == "0 hosts"
    assert number(41, "capability") == "41 capabilities"
    counts = {"critical": 0, "high": 2, "medium": 0, "low": 1, "unknown": 0, "accepted": 3, "gone": 0}
    assert counts_text(counts) == "0 critical, 2 high, 0 medium, 1 low, 3 accepted"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("prüfstand", "prüfstand"),
        ("one\n\ttwo", "one\n\ttwo"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("file\udcff", "file\\udcff"),
        ("user\u202ecod.exe", "user\\u202ecod.exe"),
        ("a\x00b\r", "a\\x00b\\r"),
    ],
)
def test_a_text_plays_no_tricks(text: str, shown: str) -> None:
    assert readable({text: [text, (text,), None, 7, True]}) == {shown: [shown, [shown], None, 7, True]}


def test_what_hosts_have_in_common_is_together() -> None:
    records = [("a", {"x": 1, "seen": "p"}), ("b", {"x": 2, "seen": "p"}), ("c", {"seen": "q", "x": 1})]
    together = [
        (group.hosts, [case.record["seen"] for case in group.cases]) for group in grouped(records, apart=["seen"])
    ]
    assert together == [(["a", "c"], ["p", "q"]), (["b"], ["p"])]
    assert [group.hosts for group in grouped(records)] == [["a"], ["b"], ["c"]]
    (twice,) = grouped([records[0], records[0], ("a", records[2][1])], apart=["seen"])
    assert (twice.hosts, [case.hosts for case in twice.cases]) == (["a"], [["a"], ["a"]])


# SARIF


def run_of(audit: dict[str, Any]) -> dict[str, Any]:
    """The one run of its log, which is as the schema says: so many results are alike that few show it."""
    log = json.loads(json.dumps(sarif(audit)))
    (run,) = log["runs"]
    few = {**run, "results": run["results"][:: max(1, len(run["results"]) // 100)]}
    assert invalid({**log, "runs": [few]}, SARIF_SCHEMA) == []
    found: dict[str, Any] = run
    return found


def result_of(finding: dict[str, Any], host: str = "web-1") -> dict[str, Any]:
    (result,) = run_of(of(finding, host=host))["results"]
    found: dict[str, Any] = result
    return found


def test_a_log_is_as_the_schema_of_sarif_says() -> None:
    assert len(run_of(example(60))["results"]) > 100
    assert run_of(example(0))["results"] == []


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        ({"severity": "critical"}, {"level": "error", "kind": "fail"}),
        ({"severity": "high"}, {"level": "error"}),
        ({"severity": "medium"}, {"level": "warning"}),
        ({"severity": "low"}, {"level": "note"}),
        ({"severity": "critical", "unknown": True}, {"level": "note", "kind": "open"}),
        ({"state": "new"}, {"baselineState": "new", "suppressions": []}),
        ({"state": "unchanged"}, {"baselineState": "unchanged"}),
        ({"state": "gone"}, {"baselineState": "absent"}),
        ({"security_severity": "7.5"}, {"rank": 75.0, "ruleId": "root-listener"}),
        (
            {"accepted": ACCEPTED},
            {
                "suppressions": [
                    {"kind": "external", "status": "accepted", "justification": "ticket 1 (until 2027-01-31)"}
                ]
            },
        ),
        (
            {"accepted": {"reason": "for ever", "until": ""}},
            {"suppressions": [{**SUPPRESSED, "justification": "for ever"}]},
        ),
    ],
)
def test_a_finding_as_a_result(finding: dict[str, Any], expected: dict[str, Any]) -> None:
    result = result_of(finding)
    assert {key: result[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("host", "subject", "expected"),
    [
        ("web-1", "/etc/authbind/byport/80", "hosts/web-1/etc/authbind/byport/80"),
        ("web-1", "/usr/local/bin/my server", "hosts/web-1/usr/local/bin/my%20server"),
        ("web-1", "//srv/../etc/x", "hosts/web-1/etc/x"),
        ("web-1", "web@a.service", "hosts/web-1/web%40a.service"),
        ("web-1", "80/tcp", "hosts/web-1/80%2Ftcp"),
        ("web-1", "http://x/y", "hosts/web-1/http%3A%2F%2Fx%2Fy"),
        ("web-1", "", "hosts/web-1/host"),
        ("web-1", "/", "hosts/web-1"),
        ("prüfstand", "/x", "hosts/pr%C3%BCfstand/x"),
        ("old printer", "/x", "hosts/old%20printer/x"),
        ("rack:7", "/x", "hosts/rack%3A7/x"),
        ("[2001:db8::7]", "/x", "hosts/%5B2001%3Adb8%3A%3A7%5D/x"),
        ("a/b?c#d%e", "/x", "hosts/a%2Fb%3Fc%23d%25e/x"),
        ("..", "..", "hosts/..~/..~"),
    ],
)
def test_where_a_finding_is(host: str, subject: str, expected: str) -> None:
    assert uri(host, subject) == expected


def test_a_result_has_what_code_scanners_read() -> None:
    result = result_of({"text": "web listens as root"})
    assert result["message"]["text"] == "web listens as root. Host: web-1.\nEvidence: uid 0\nFix: give it a user"
    (location,) = result["locations"]
    assert location["physicalLocation"]["region"] == {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1}
    assert location["logicalLocations"] == [
        {"name": "web.service", "fullyQualifiedName": "web-1::listener::web.service", "kind": "resource"}
    ]
    assert result["properties"] == {"host": "web-1", "mechanism": "listener", "severity": "high"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("It is so.", "It is so. Host: web-1."),
        ("backend_ports: {80}", "backend_ports: {{80}}. Host: web-1."),
        ("{80: 8080}", "{80: 8080}. Host: web-1."),
        ("[here](evil)", "\\[here\\](evil). Host: web-1."),
        ("[a] (b)", "[a] (b). Host: web-1."),
    ],
)
def test_a_message_holds_neither_placeholders_nor_links(text: str, message: str) -> None:
    assert result_of({"text": text, "evidence": "", "fix": ""})["message"]["text"] == message


def test_the_catalogue_as_rules() -> None:
    audit = example(1)
    audit["rules"][0].update(why="w" * 2_000, fix="say `{x}` * twice")
    rule, *others = run_of(audit)["tool"]["driver"]["rules"]
    assert len(others) + 1 == len(audit["rules"])
    assert (rule["id"], rule["name"]) == ("setcap-all-capabilities", "SetcapAllCapabilities")
    assert rule["shortDescription"]["text"] == "A file has all capabilities"
    assert rule["fullDescription"]["text"] == "w" * 1_023 + "…"
    assert rule["help"]["markdown"].endswith("**Fix:** `` say `{x}` * twice ``")
    assert rule["properties"] == {
        "security-severity": "9.8",
        "precision": "high",
        "tags": ["security", "privileged-ports"],
    }
    assert rule["defaultConfiguration"] == {"level": "error"}
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))
    assert rule["helpUri"] == f"{galaxy['documentation']}/audit-rules#setcap-all-capabilities"


def test_a_rule_that_the_catalogue_lacks_is_named_all_the_same() -> None:
    result = result_of({"rule": "of-tomorrow"})
    assert result["ruleId"] == "of-tomorrow"
    assert "ruleIndex" not in result


def test_a_fingerprint_is_that_of_the_finding_on_its_host() -> None:
    def fingerprints(audit: dict[str, Any]) -> list[str]:
        return [it["partialFingerprints"]["primaryLocationLineHash"] for it in run_of(audit)["results"]]

    before, other_text = fingerprints(of({})), fingerprints(of({"text": "pid 7 listens", "state": "unchanged"}))
    assert before == other_text
    assert fingerprints(of({}, host="web-2")) != before
    assert fingerprints(of({"key": "another"})) != before
    twice = fingerprints(of({}, {}))
    assert len(set(twice)) == 2
    assert twice[0] == before[0]


def test_what_could_not_be_looked_at_is_told() -> None:
    audit = of(host="old printer", reachable=False, message=UNREACHABLE, skipped=[{"what": "/srv", "why": "nfs4"}])
    audit["accepted_problems"] = ["a risk has expired"]
    (invocation,) = run_of(audit)["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["endTimeUtc"] == audit["generated"]
    told = invocation["toolExecutionNotifications"]
    assert [(it["descriptor"]["id"], it["level"], it["message"]["text"]) for it in told] == [
        ("unreachable-host", "error", f"old printer could not be looked at: {UNREACHABLE}"),
        ("left-out", "note", "old printer: /srv was not looked at: nfs4"),
    ]
    where = told[0]["locations"][0]["physicalLocation"]
    assert where == {"artifactLocation": {"uri": "hosts/old%20printer/host"}}
    (problem,) = invocation["toolConfigurationNotifications"]
    assert (problem["level"], problem["message"]["text"]) == ("warning", "a risk has expired")
    assert run_of(of())["invocations"][0]["executionSuccessful"]


def test_a_fleet_with_5001_results_keeps_the_limits() -> None:
    audit = example(12)
    names = [*ODD_HOSTS, *(f"web-{number}" for number in range(1_000))]
    audit["hosts"] = [of({}, host=name)["hosts"][0] for name in names]
    audit["hosts"][0]["findings"] = [{**FINDING, "key": f"{number}"} for number in range(5_001 - len(names) + 1)]
    run = run_of(audit)
    assert len(run["results"]) == 5_001
    hashes = [it["partialFingerprints"]["primaryLocationLineHash"] for it in run["results"]]
    assert len(set(hashes)) == 5_001
    assert len(gzip.compress(json.dumps(run).encode())) < 10_000_000
    for result in run["results"]:
        assert result["message"]["text"]
        (location,) = result["locations"]
        address = location["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"hosts(/[A-Za-z0-9._~%-]+)+", address)
        assert urlsplit(address).scheme == ""
        assert unquote(address).split("/")[1] == result["properties"]["host"]
    for rule in run["tool"]["driver"]["rules"]:
        assert isinstance(rule["properties"]["security-severity"], str)
        assert rule["properties"]["security-severity"] != "9.0"
        assert len(rule["fullDescription"]["text"]) <= 1_024
        assert len(rule["properties"]["tags"]) <= 20
    assert len(run["tool"]["driver"]["rules"]) <= MOST_RESULTS


def test_of_too_many_results_the_least_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif_module, "MOST_RESULTS", 2)
    run = run_of(of({"severity": "low"}, {"state": "gone"}, {"severity": "critical"}))
    assert [it["level"] for it in run["results"]] == ["error", "note"]
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"] == "1 finding of the least severity left out; audit.json has everything"


# Text


def test_the_text_of_an_audit() -> None:
    audit = of(
        {"severity": "low", "text": "a file is empty", "fix": "", "evidence": ""},
        {"severity": "critical", "text": "everybody is root"},
        {"unknown": True, "text": "the grant could not be read"},
        {"accepted": ACCEPTED, "text": "an accepted risk"},
        {"state": "gone", "text": "it is gone"},
        skipped=[{"what": "/srv", "why": "nfs4"}],
    )
    other = copy.deepcopy(audit["hosts"][0])
    other.update(name="web-2", skipped=[], findings=[{**FINDING, "severity": "critical", "text": "everybody is root"}])
    other["findings"][0].update(state="unchanged", evidence="uid 0 as well")
    audit["hosts"] += [other, {**other, "name": "web-3", "reachable": False, "message": UNREACHABLE, "findings": []}]
    audit["accepted_problems"] = ["a risk has expired"]
    assert audit_text(audit).split("\n") == [
        "HOST   CRITICAL  HIGH  MEDIUM  LOW  UNKNOWN",
        "-----  --------  ----  ------  ---  -------",
        "web-1  1                       1    1",
        "web-2  1",
        "",
        "CRITICAL",
        "  everybody is root [root-listener]",
        "    on:   web-1, web-2 (new on 1)",
        "    seen: uid 0 (web-1)",
        "    seen: uid 0 as well (web-2)",
        "    fix:  give it a user",
        "",
        "LOW",
        "  a file is empty [root-listener]",
        "    on:   web-1 (new)",
        "",
        "UNKNOWN",
        "  the grant could not be read [root-listener]",
        "    on:   web-1 (new)",
        "    seen: uid 0",
        "    fix:  give it a user",
        "",
        f"not looked at: web-3: {UNREACHABLE}",
        "left out: /srv, nfs4, on web-1",
        "accepted: a risk has expired",
        "",
        "3 hosts, 1 of them not looked at: 2 critical, 0 high, 0 medium, 1 low, 1 unknown, 1 accepted, 1 gone",
    ]


def test_where_nothing_was_found_one_line_is_enough() -> None:
    assert audit_text(of()) == "1 host: 0 critical, 0 high, 0 medium, 0 low"


def test_the_text_of_a_fleet_is_short_and_fits() -> None:
    text = audit_text(example(500))
    assert max(map(len, text.split("\n")[:-1])) <= 100
    assert text.count("\n") < 150
    assert "more hosts with findings" in text
    assert re.search(r"mail-005\.example\.net and \d+ more hosts", " ".join(text.split()))
    assert HOSTILE in text


def test_a_word_is_never_broken() -> None:
    path = "/srv/" + "x" * 120
    assert f"  {path} is open [root-listener]"[:100] in audit_text(of({"text": f"{path} is open"}))
    assert path in audit_text(of({"fix": f"setcap -r {path}"}))


def test_a_terminal_is_told_nothing_by_a_process() -> None:
    assert "\x1b" not in audit_text(of({"text": "\x1b]0;owned\x07 listens"}))


RIGHT = {"policy": [], "accepted": [], "baseline": "", "baseline_text": "", "query": ""}
BASELINE = "privport_audit_baseline is 'old.json', which "


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, []),
        ({"query": "hosts[].name", "policy": [{"forbid": "sysctl", "when": "`true`", "why": "we do not"}]}, []),
        ({"baseline": "old.json", "baseline_text": '{"schema_version": 1, "hosts": []}'}, []),
        ({"query": "hosts["}, ["privport_audit_query 'hosts[': its expression cannot be evaluated: "]),
        ({"policy": [{"forbid": "magic"}]}, ["policy"]),
        ({"accepted": [{"rule": "none-such", "reason": "x"}]}, ["privport_audit_accepted[0]: rule is 'none-such'"]),
        (
            {"accepted": [{"rule": "root-listener", "reason": "x", "until": "soon"}], "query": "["},
            ["privport_audit_accepted[0]: until is 'soon'; write a date", "privport_audit_query '['"],
        ),
        ({"baseline": "old.json"}, [f"{BASELINE}cannot be read as JSON; give the path"]),
        ({"baseline": "old.json", "baseline_text": "[]"}, [f"{BASELINE}is no audit.json of an earlier audit"]),
        ({"baseline": "old.json", "baseline_text": '{"schema_version": 9}'}, [f"{BASELINE}has schema_version 9"]),
    ],
)
def test_what_is_wrong_with_the_options_is_told_before_a_look(given: Any, told: Any) -> None:
    found = privport_audit_wrong({**RIGHT, **given})
    assert len(found) == len(told)
    assert all(sentence.startswith(beginning) for sentence, beginning in zip(found, told))
