# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observations travel as JSON and come back as they were."""

from __future__ import annotations

import json
from typing import Any, Callable

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import Decision, decide
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump, load
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._core.proof.verdict import Evidence, Probe, prove
from ansible_collections.netbind.privport.tests.unit.core.cases import case, listener, process
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FULL = case(
    unit_fields={"process": process()}, listeners=(listener(process()),), program_fields={"interpreter": ("/bin/sh",)}
)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Observation, FULL.host),
        (Observation, case(unit=None, program=None, account=None).host),
        (Service, FULL.service),
        (Decision, decide(FULL.host, [FULL.service])[0]),
        (Evidence, prove(FULL, probes={})[0]),
        (Probe, Probe()),
    ],
)
def test_there_and_back(kind: Any, value: Any) -> None:
    assert load(kind, json.loads(json.dumps(dump(value)))) == value


@pytest.mark.parametrize("kind", [Observation, Decision, Evidence, Service])
@given(data=st.data())
@settings(deadline=None, derandomize=True, max_examples=10, suppress_health_check=list(HealthCheck))
def test_anything_there_and_back(kind: Any, data: Any) -> None:
    value = data.draw(st.from_type(kind))
    assert load(kind, dump(value)) == value
    assert load(kind, json.loads(json.dumps(dump(value)))) == value


def broken(change: Callable[[Any], Any]) -> Any:
    document = json.loads(json.dumps(dump(FULL.host)))
    change(document)
    return document


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (None, "observation is "),
        ([], "observation is "),
        ({}, "observation is "),
        (broken(lambda it: it.pop("kernel")), "observation is "),
        (broken(lambda it: it.update({"extra": 1})), "observation is "),
        (broken(lambda it: it.update({5: 1})), "observation is "),
        (broken(lambda it: it.update(kernel=6)), "observation.kernel is '6'"),
        (broken(lambda it: it.update(effective_uid=True)), "observation.effective_uid is 'True'"),
        (broken(lambda it: it.update(effective_uid=1.5)), "observation.effective_uid is '1.5'"),
        (broken(lambda it: it.update(services="web")), "observation.services is 'web'"),
        (broken(lambda it: it["services"].append(None)), "observation.services[1] is 'None'"),
        (broken(lambda it: it["services"][0]["unit"].update(properties=[])), "services[0].unit.properties is "),
        (broken(lambda it: it["services"][0]["unit"]["properties"].update(User=0)), "unit.properties.User is '0'"),
        (broken(lambda it: it["services"][0]["listeners"][0].update(v6only=0)), "listeners[0].v6only is '0'"),
    ],
)
def test_the_first_wrong_place_is_named(data: Any, place: str) -> None:
    with pytest.raises(InvalidInput) as told:
        load(Observation, data)
    assert place in str(told.value)
    assert "observe the host again" in str(told.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
)
FIELDS = st.sampled_from(sorted(dump(FULL.host)))


@given(name=FIELDS, value=JSON, whole=JSON)
@settings(deadline=None, derandomize=True)
def test_total(name: str, value: Any, whole: Any) -> None:
    for data in (whole, broken(lambda it: it.update({name: value}))):
        try:
            load(Observation, data)
        except InvalidInput:
            continue
