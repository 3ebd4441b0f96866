# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan looks at everything, and what it cannot look at it says."""

from __future__ import annotations

from pathlib import Path
from typing import AbstractSet, Any, Dict, Sequence, Tuple

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.netbind.privport.plugins.filter import privport_audit as filters
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import Skipped
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl.setting import LIVE
from ansible_collections.netbind.privport.plugins.module_utils._host.capable_files import CapableFiles, capable_files
from ansible_collections.netbind.privport.plugins.module_utils._observe.audit.scan import scan
from ansible_collections.netbind.privport.plugins.modules import privport_info
from ansible_collections.netbind.privport.plugins.plugin_utils.version import VERSION
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost, captured_unit, fixture
from ansible_collections.netbind.privport.tests.unit.observed import machine

BINDS = bytes.fromhex("0100000200040000000000000000000000000000")
CAP = "cap_net_bind_service"
PLAIN = {**captured_unit("plain.service"), "AmbientCapabilities": "cap_chown"}
MOUNTS = {
    "/proc/self/mountinfo": fixture("mountinfo-podman5.txt"),
    "/proc/filesystems": fixture("filesystems-linux6.18.txt"),
}


class Scanned(FakeHost):
    """A host with attributes of files, which lists its units."""

    def __init__(self, *, attributes: Dict[str, bytes] | None = None, **fields: Any) -> None:
        super().__init__(**{**fields, "files": {**MOUNTS, **fields.get("files", {})}})
        self.attributes = attributes or {}

    def capable_files(self, tops: Sequence[str], *, ends: AbstractSet[str], seconds: float) -> CapableFiles:
        assert "/" in tops
        return CapableFiles(tuple(self.attributes.items()), 10, (), ())


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"attributes": {"/srv/a": BINDS}}, [("setcap", "/srv/a")], id="a file"),
        pytest.param(
            {"attributes": {"/srv/\udcff": BINDS}}, [("setcap", "'/srv/\\udcff'")], id="a name that is no text"
        ),
        pytest.param(
            {"units": [PLAIN, {**PLAIN, "Id": "b.service", "AmbientCapabilities": CAP}]},
            [("ambient", "b.service")],
            id="a unit",
        ),
        pytest.param({"programs": (), "units": [{**PLAIN, "AmbientCapabilities": CAP}]}, [], id="no systemd"),
        pytest.param(
            {"files": {"/etc/authbind/byport/80": ""}},
            [("authbind", "/etc/authbind/byport/80")],
            id="a rule of authbind",
        ),
        pytest.param({"files": {LIVE: "80\n"}}, [("sysctl", "net.ipv4.ip_unprivileged_port_start")], id="a setting"),
        pytest.param(
            {"files": {"/etc/conf.d/web": f'capabilities="^{CAP}"\n'}}, [("openrc", "/etc/conf.d/web")], id="OpenRC"
        ),
    ],
)
def test_grants(fields: Dict[str, Any], found: Sequence[Tuple[str, str]]) -> None:
    host = Scanned(**fields)
    grants = scan(host, seconds=1).grants
    assert [(it.mechanism, it.subject) for it in grants] == found
    done = privport_info.run({"services": [], "scan": True, "scan_seconds": 1}, host=host, check_mode=False)
    assert [it["subject"] for it in done["privport"]["grants"]] == [it.subject for it in grants]
    assert host.wrote == []


def test_what_fails_is_said_and_hides_nothing_else() -> None:
    class Broken(Scanned):
        def show_units(self, names: Any, properties: Any) -> Any:
            raise HostError("systemctl show does not answer")

    found = scan(Broken(units=[PLAIN], files={LIVE: "80\n"}), seconds=1)
    assert [it.mechanism for it in found.grants] == ["sysctl"]
    assert Skipped("the units of systemd", "systemctl show does not answer") in found.skipped


def test_who_is_not_root_is_told_so() -> None:
    assert any("become" in it.why for it in scan(Scanned(uid=990), seconds=1).skipped)


def test_the_search_of_files(tmp_path: Any) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "other").mkdir()
    for name in ("a", "sub/b", "other/c"):
        (tmp_path / name).touch()
    top = str(tmp_path)
    found = capable_files([top, f"{top}/none"], ends={f"{top}/other"}, seconds=5)
    assert found == CapableFiles((), 2, (), (f"{top}/none",))
    assert capable_files([top], ends=set(), seconds=-1).late == (top,)
    # A file can be mounted alone.
    assert capable_files([f"{top}/a"], ends=set(), seconds=5) == CapableFiles((), 0, (), ())


def observed(**fields: Any) -> Dict[str, Any]:
    host = machine(**fields)
    host.capable_files = lambda *_tops, **_more: CapableFiles((), 0, (), ())  # type: ignore[method-assign]
    services = [{"name": "web", "ports": [80], "unit": "plain.service"}]
    return privport_info.run({"services": services, "scan": True, "scan_seconds": 1}, host=host, check_mode=False)


SERVICES = [{"name": "web", "ports": [80], "unit": "plain.service"}]


def test_the_filter_takes_what_the_module_gives() -> None:
    results = {"a": observed(), "b": {"unreachable": True, "msg": "no route to host"}, "c": {}}
    proofs = {
        "a": {"evidence": [{"service": "web", "verdict": it, "reasons": [f"{it}, so"]} for it in ("pass", "unknown")]}
    }
    report = filters.privport_audit(results, {"a": SERVICES}, proofs=proofs, now="2026-11-28T01:02:03Z")
    assert report["generated"] == "2026-11-28T01:02:03Z"
    hosts = {it["name"]: it for it in report["hosts"]}
    assert [(it["verdict"], it["why"]) for it in hosts["a"]["services"]] == [("unknown", "unknown, so")]
    assert [hosts[name]["message"] for name in "abc"] == ["", "no route to host", "it was not looked at"]
    assert hosts["a"]["listeners"]
    assert filters.privport_audit_query(report, "hosts[?!reachable].name") == ["b", "c"]
    assert '"unit": "plain.service"' in filters.privport_audit_services(results)
    lines = filters.privport_audit_counted(report, "low")
    assert lines == [it for it in lines if it.startswith("a: ")]
    assert filters.privport_audit_counted(report, "never") == []
    assert len(filters.privport_audit_counted(report, "critical")) <= len(lines)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: filters.privport_audit({}, accepted=[{"rule": "x", "reason": "y"}]), "rule is 'x'"),
        (lambda: filters.privport_audit({}, baseline={"a": 1}), "baseline is no audit.json"),
        (lambda: filters.privport_audit({"a": observed()}, {"a": [{"name": "web"}]}), "ports is empty"),
        (lambda: filters.privport_audit_query({}, "hosts["), "privport_audit_query 'hosts\\['"),
        (lambda: filters.privport_audit_counted({"hosts": []}, "worst"), "privport_audit_fail_on is 'worst'"),
    ],
)
def test_wrong_input(call: Any, told: str) -> None:
    with pytest.raises(AnsibleFilterError, match=told):
        call()


def test_the_version_is_that_of_galaxy() -> None:
    galaxy = Path(__file__).parents[2] / "galaxy.yml"
    assert f"\nversion: {VERSION}\n" in galaxy.read_text(encoding="utf-8")
