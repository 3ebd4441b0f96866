# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc/PID as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import name_of
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.process.status import (
    ProcessStatus,
    parse_cgroup,
    parse_status,
    parse_user_cgroup,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FIXTURES = Path(__file__).parents[1] / "fixtures"
STATUS = (FIXTURES / "proc-status-linux6.18.txt").read_text(encoding="utf-8")
CAP = ("cap_net_bind_service",)
CAP_SYS_RESOURCE = 24  # Which the host of the fixture lacks.


def test_a_server_with_an_ambient_capability() -> None:
    assert parse_status(STATUS) == ProcessStatus(
        name='x",pid=1,fd=3))',
        parent=1,
        uid=990,
        uids=(990,) * 4,
        effective=CAP,
        permitted=CAP,
        ambient=CAP,
        bounding=tuple(name_of(number) for number in range(41) if number != CAP_SYS_RESOURCE),
        no_new_privs=False,
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("NoNewPrivs:\t0", "NoNewPrivs:\t1", "no_new_privs", True),
        ("Uid:\t990\t990", "Uid:\t0\t991", "uid", 991),
        ("Uid:\t990\t990\t990", "Uid:\t990\t990\t0", "is_root", True),
        ("PPid:\t1", "PPid:\t104", "parent", 104),
        ("CapEff:\t0000000000000400", "CapEff:\t0000000000000000", "effective", ()),
        ("CapPrm:\t0000000000000400", "CapPrm:\t0000000000000401", "permitted", ("cap_chown", *CAP)),
        ("CapAmb:\t0000000000000400", "CapAmb:\t0000000000000000", "ambient", ()),
        pytest.param("Name:\tx", "Name:\tx\x0cCapEff:\t1 ", "effective", CAP, id="a name that imitates a field"),
    ],
)
def test_status(old: str, new: str, field: str, value: Any) -> None:
    assert old in STATUS
    assert getattr(parse_status(STATUS.replace(old, new, 1)), field) == value


@pytest.mark.parametrize(
    ("old", "new"),
    [("Uid:", "Xid:"), ("Uid:\t990\t990", "Uid:\tweb\tweb"), ("CapEff:\t0", "CapEff:\tx"), ("NoNewPrivs", "NNP")],
)
def test_an_unlike_status(old: str, new: str) -> None:
    assert old in STATUS
    with pytest.raises(UnknownFormat):
        parse_status(STATUS.replace(old, new, 1))


def test_the_cgroup_of_a_unit_where_both_versions_are_mounted() -> None:
    assert parse_cgroup((FIXTURES / "proc-cgroup-v2-linux6.18.txt").read_text(encoding="utf-8")) == "plain.service"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/caddy.service\n", "caddy.service"),
        ("0::/system.slice/system-web.slice/web@1.service\n", "web@1.service"),
        ("0::/system.slice/caddy.service/worker\n", "caddy.service"),
        ("0::/system.slice/caddy.socket\n", "caddy.socket"),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", "session-2.scope"),
        ("0::/system.slice/_cpu.service\n", "cpu.service"),
        ("0::/system.slice/__web.service\n", "_web.service"),
        ("0::/system.slice/_io.latency.service/worker\n", "io.latency.service"),
        ("0::/\n", ""),
        ("", ""),
        ("2:cpu:/x.service\n", ""),
        ("1:name=systemd:/system.slice/caddy.service\n", "caddy.service"),
        ("1:name=systemd:/a.service\n0::/\n", "a.service"),
        pytest.param(
            "0::/user.slice/user-1000.slice/user@1000.service/caddy.service\n",
            "user@1000.service",
            id="a user's folder",
        ),
        pytest.param(
            "0::/user.slice/session-2.scope/x\x0c0::/system.slice/caddy.service\n", "session-2.scope", id="a form feed"
        ),
        pytest.param("0::/session-2.scope/a:b:/c.service\n", "session-2.scope", id="colons"),
    ],
)
def test_cgroup(text: str, unit: str) -> None:
    assert parse_cgroup(text) == unit


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/user.slice/user-7.slice/user@7.service/app.slice/caddy.service", "caddy.service"),
        ("/user.slice/user-7.slice/user@7.service/app.slice/app-web.slice/web@1.service/worker", "web@1.service"),
        ("/user.slice/user-7.slice/user@7.service/init.scope", "init.scope"),
        ("/user.slice/user-7.slice/user@7.service", ""),
        ("/user.slice/user-7.slice/session-2.scope", ""),
        ("/system.slice/caddy.service", ""),
    ],
)
def test_the_unit_of_a_users_systemd(path: str, unit: str) -> None:
    assert parse_user_cgroup(f"0::{path}\n") == unit
    assert parse_user_cgroup(f"0::/docker/x{path}\n", init="0::/docker/x/init.scope\n") == unit


ENGINES = "/system.slice/docker-0f.scope"


@pytest.mark.parametrize(
    ("init", "path", "unit"),
    [
        ("/init.scope", "/system.slice/web.service", "web.service"),
        ("/", "/system.slice/web.service", "web.service"),
        ("", "/system.slice/web.service", "web.service"),
        (f"{ENGINES}/init.scope", f"{ENGINES}/system.slice/web.service", "web.service"),
        (ENGINES, f"{ENGINES}/system.slice/web.service", "web.service"),
        (f"{ENGINES}/init.scope", f"{ENGINES}/init.scope", "init.scope"),
        (f"{ENGINES}/init.scope", "/system.slice/ssh.service", "ssh.service"),
        (f"{ENGINES}/init.scope", f"{ENGINES}x/a.service", "a.service"),
    ],
)
@pytest.mark.parametrize("hierarchy", ["0:", "1:name=systemd"])
def test_cgroup_below_that_of_an_engine(init: str, path: str, unit: str, hierarchy: str) -> None:
    assert parse_cgroup(f"{hierarchy}:{path}\n", init=f"{hierarchy}:{init}\n" if init else "") == unit


FIELDS = st.sampled_from(STATUS.splitlines()) | st.text(max_size=10) | st.from_regex(r"(Uid|Cap\w+):\t[0-9a-g\t]{0,9}")
LIKE_STATUS = st.lists(FIELDS).map("\n".join)


@given(st.text() | LIKE_STATUS | LIKE_STATUS.map((STATUS + "{}").format))
@settings(deadline=None, derandomize=True)
def test_status_is_total(text: str) -> None:
    try:
        parse_status(text)
    except UnknownFormat:
        return


@given(st.text(alphabet="0:/=.aname\n") | st.text())
@settings(deadline=None, derandomize=True)
def test_cgroup_is_total(text: str) -> None:
    assert isinstance(parse_cgroup(text), str)
