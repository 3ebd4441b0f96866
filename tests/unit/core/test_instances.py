# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service whose unit is a template: what it comes to, what its instances share, and what each has by itself."""

from __future__ import annotations

from typing import Any, Dict, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import cases_of, decide
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.desired import (
    grants,
    removals,
    sharing,
    together,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.plan import as_data
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.instances import members, open_templates
from ansible_collections.netbind.privport.plugins.module_utils._core.model.record import FILE, Record
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service, parse_services
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AMBIENT_DROPIN,
    CAP,
    ambient_process,
    case,
    codes,
    host,
    process,
)

TEMPLATE = "web@.service"
DROPIN = "/etc/systemd/system/web@.service.d/50-privport.conf"
RUNNING = {TEMPLATE: ("web@a.service", "web@b.service")}


def described(*more: Any, **fields: Any) -> Tuple[Service, ...]:
    return parse_services([{"name": "web", "ports": [80], "unit": "web@", **fields}, *more])


ALONE = {"name": "other", "ports": [80], "unit": "web@a.service"}


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        pytest.param(described(), [("web[a]", "web@a.service"), ("web[b]", "web@b.service")], id="those that run"),
        pytest.param(described(instances="c"), [("web[c]", "web@c.service")], id="those that are named"),
        pytest.param(
            described(ALONE), [("web[b]", "web@b.service"), ("other", "web@a.service")], id="one is another service's"
        ),
        pytest.param(described(unit="web"), [("web", "web.service")], id="no template"),
        pytest.param(described(unit="mail@"), [("web", "mail@privport.service")], id="none runs"),
        pytest.param(described(instances="privport"), [("web[privport]", "web@privport.service")], id="of our name"),
        pytest.param(
            described(name="web[c]", instances="c"), [("web[c]", "web@c.service")], id="as a plan describes it"
        ),
    ],
)
def test_what_a_service_stands_for(services: Any, expected: Any) -> None:
    found = members(services, RUNNING)
    assert [(it.name, it.unit) for it in found] == expected
    assert members(found, {}) == found
    assert open_templates(found) == open_templates(services)


@pytest.mark.parametrize(
    ("services", "sentence"),
    [
        (described(ALONE, instances="a"), "instances names web@a.service, which is the unit of service 'other'"),
        (described({"name": "web[a]", "ports": [81]}), "name is used by two services"),
    ],
)
def test_what_clashes(services: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        members(services, RUNNING)


def seen(services: Sequence[Service], fields: Sequence[Dict[str, Any]], **of_host: Any) -> Tuple[Case, ...]:
    """The cases of services in whose places these were found."""
    found = []
    for service, own in zip(services, fields):
        unit_fields = {"template": service.template, **own.get("unit_fields", {})}
        properties = {"Id": service.unit, **own.get("properties", {})}
        found.append(case(name=service.name, **{**own, "unit_fields": unit_fields, "properties": properties}).facts)
    return cases_of(host(*found, instances=RUNNING, **of_host), services)


def granted(unit: str) -> Dict[str, Any]:
    running = ambient_process(unit=unit)
    fields = {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN, "process": running}
    return {"properties": {"AmbientCapabilities": CAP}, "unit_fields": fields}


def bare(unit: str) -> Dict[str, Any]:
    return {"unit_fields": {"process": process(unit=unit)}}


def test_one_drop_in_and_a_restart_for_each() -> None:
    services = members(described(), RUNNING)
    cases = seen(services, [bare(it.unit) for it in services])
    decisions = decide(cases[0].host, described())
    assert [(it.name, it.unit, it.strategy, it.pending) for it in decisions] == [
        ("web[a]", "web@a.service", "ambient", ("dropin", "restart")),
        ("web[b]", "web@b.service", "ambient", ("dropin", "restart")),
    ]
    wanted = grants(cases, decisions)
    assert [it.path for it in together(wanted).entries] == [DROPIN]
    assert sharing(wanted, cases, {"web[a]"}) == {"web[a]", "web[b]"}
    again = as_data(decisions[0], services[0])["service"]
    assert (again["name"], again["unit"]) == ("web[a]", TEMPLATE)


def test_it_goes_for_all_or_stays_for_one() -> None:
    services = members(described(instances="a b"), {})
    fields = [granted(it.unit) for it in services]
    kept = (services[0]._replace(state="absent"), services[1])
    for asked, gone in ((kept, []), ([it._replace(state="absent") for it in services], [DROPIN])):
        cases = seen(asked, fields)
        decisions = decide(cases[0].host, asked)
        assert [it.path for it in together(removals(cases, decisions)).entries] == gone


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_template_of_which_nothing_runs(state: str) -> None:
    services = members(described(state=state), {})
    (only,) = seen(services, [{"properties": {"ActiveState": "inactive"}}])
    (decision,) = decide(only.host, services)
    told = "service 'web': unit 'web@.service' is a template of which no instance runs or is enabled; start"
    assert decision.error.startswith(told) is (state == "present")
    assert bool(decision.error) is (state == "present")


def test_an_instance_of_the_name_that_stands_for_none() -> None:
    services = members(described(instances="privport"), {})
    (only,) = seen(services, [{"properties": {"ActiveState": "inactive"}}])
    (decision,) = decide(only.host, services)
    assert (decision.error, as_data(decision, services[0])["service"]["instances"]) == ("", ["privport"])


def test_a_template_that_is_not_there() -> None:
    services = members(described(), {})
    (only,) = seen(services, [{"properties": {"LoadState": "not-found"}}])
    (decision,) = decide(only.host, services)
    assert decision.error == (
        "service 'web': unit 'web@.service' does not exist on this host; install it first or correct the name"
    )


@pytest.mark.parametrize(
    ("service", "stale"),
    [("web[gone]", True), ("web", True), ("web[b]", False), ("other", False), ("webs[a]", False)],
)
def test_what_was_granted_to_an_instance_that_is_no_more(service: str, stale: bool) -> None:
    path = "/etc/systemd/system/web@gone.service.d/50-privport.conf"
    record = Record(service, "ambient", FILE, path, None, AMBIENT_DROPIN, now=AMBIENT_DROPIN)
    services = members(described(), RUNNING)
    cases = seen(services, [granted(it.unit) for it in services], records=(record,))
    assert (path in decide(cases[0].host, services)[0].stale) is stale


@pytest.mark.parametrize("strategy", ["socket", "redirect", "forward"])
def test_what_instances_cannot_have_in_common(strategy: str) -> None:
    fields = {"unit_fields": {"template": TEMPLATE}, "properties": {"Id": "web@a.service"}}
    assert "template" in codes(strategy, description={"backend_ports": {80: 8080}}, **fields)


@pytest.mark.parametrize(
    ("files", "steps"),
    [
        pytest.param((DROPIN,), ("dropin",), id="by the template's drop-in, which may go without it"),
        pytest.param(("/etc/systemd/system/web@.service",), (), id="by its own file"),
    ],
)
def test_an_instance_of_another_service_has_a_drop_in_of_its_own(files: Any, steps: Any) -> None:
    (alone,) = parse_services([ALONE])
    fields = {"properties": {"AmbientCapabilities": CAP}, "unit_fields": {"capability_files": files}}
    (only,) = seen([alone], [fields])
    assert tuple(step for step in decide(only.host, [alone])[0].pending if step == "dropin") == steps
