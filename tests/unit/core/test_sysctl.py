# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file decides over ip_unprivileged_port_start, and what becomes of ours."""

from __future__ import annotations

from typing import Dict, Optional, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from hypothesis import given
from hypothesis import strategies as st

ETC, RUN, LIB = "/etc/sysctl.d", "/run/sysctl.d", "/usr/lib/sysctl.d"
DOTS, SLASHES = "net.ipv4.ip_unprivileged_port_start", "net/ipv4/ip_unprivileged_port_start"
OURS = {sysctl.OWN_PATH: sysctl.render(80)}


# What systemd-sysctl makes of these files is tried for real by the integration target privport_sysctl.
@pytest.mark.parametrize(
    ("files", "value"),
    [
        ({}, None),
        ({f"{ETC}/a.conf": "kernel.pid_max = 1\n# comment\n; another\n\nno assignment\n"}, None),
        ({f"{ETC}/a.conf": f"{DOTS}=80"}, "80"),
        ({f"{ETC}/a.conf": f"  {SLASHES} = 80  "}, "80"),
        ({f"{ETC}/a.conf": "net.ipv4/ip_unprivileged_port_start = 80"}, None),
        ({f"{ETC}/a.conf": f"-{DOTS} = 80"}, "80"),
        ({f"{ETC}/a.conf": f"# {DOTS} = 80"}, None),
        ({f"{ETC}/a.conf": f"{DOTS} = 80\n{SLASHES} = 90"}, "90"),
        ({f"{ETC}/a.conf": f"{DOTS} = 80", f"{ETC}/b.conf": f"{DOTS} = 90"}, "90"),
        ({f"{ETC}/a.conf": f"{DOTS} = 80", f"{LIB}/b.conf": f"{DOTS} = 90"}, "90"),
        ({f"{LIB}/a.conf": f"{DOTS} = 80", f"{ETC}/a.conf": ""}, None),
        ({f"{LIB}/a.conf": f"{DOTS} = 80", f"{RUN}/a.conf": f"{DOTS} = 70"}, "70"),
        ({f"{ETC}/a.conf": f"{DOTS} = 80", f"{RUN}/a.conf": f"{DOTS} = 70"}, "80"),
        ({"/somewhere/else.conf": f"{DOTS} = 80"}, None),
        ({f"{ETC}/a.conf": "net.ipv4.ip_unprivileged_* = 80"}, "80"),
        ({f"{ETC}/a.conf": "net.*.ip_unprivileged_port_start = 80"}, "80"),
        ({f"{ETC}/a.conf": "net.* = 80"}, None),
        ({f"{ETC}/a.conf": f"{DOTS} = 90", f"{ETC}/b.conf": "net.ipv4.ip_unpriv* = 80"}, "90"),
        ({f"{ETC}/a.conf": f"-{DOTS}", f"{ETC}/b.conf": "net.ipv4.ip_unpriv* = 80"}, None),
        ({f"{ETC}/a.conf": f"{DOTS} = 90\n-{DOTS}"}, None),
        ({f"{ETC}/a.conf": f"-{DOTS}\n{DOTS} = 90"}, "90"),
    ],
)
def test_the_last_file_decides(files: Dict[str, str], value: Optional[str]) -> None:
    found = sysctl.configured(files)
    assert (found.value if found else None) == value


@pytest.mark.parametrize(
    ("value", "start"),
    [
        *[("80", 80), ("0", 0), ("80 # why", 80), ("80\t90", 80), ("0x50", 80), ("0120", 80), ("65535", 65535)],
        *[("65536", None), ("", None), ("nonsense", None), ("80#", None), ("-1", None), ("080", None), ("0x", None)],
    ],
)
def test_a_value_is_a_port_or_nothing(value: str, start: Optional[int]) -> None:
    assert sysctl.Setting(value=value, path="/etc/sysctl.d/a.conf").start == start


@given(st.dictionaries(st.sampled_from([f"{ETC}/a.conf", f"{RUN}/b.conf", f"{LIB}/a.conf"]), st.text()))
def test_every_text_is_read(files: Dict[str, str]) -> None:
    sysctl.configured(files)


EARLY = f"{ETC}/10-site.conf"
LOW, HIGH, LATE = {EARLY: f"{DOTS}=70"}, {EARLY: f"{DOTS}=512"}, {f"{ETC}/z.conf": f"{DOTS}=512"}


@pytest.mark.parametrize(
    ("files", "live", "allow_raise", "own", "after"),
    [
        ({}, 1024, False, True, 80),
        ({}, 2048, False, True, 80),
        # Lower already, but only until the next boot.
        ({}, 0, False, True, 0),
        ({}, 0, True, True, 80),
        (OURS, 80, False, True, 80),
        (OURS, 1024, False, True, 80),
        # Another file opens them already, at boot too.
        (LOW, 70, False, False, 70),
        (LOW, 1024, False, False, 80),
        (LOW, 70, True, True, 80),
        ({**LOW, **OURS}, 70, False, False, 70),
        (HIGH, 512, False, True, 80),
        ({EARLY: f"{DOTS}=nonsense"}, 1024, False, True, 80),
        ({f"{LIB}/z.conf": "net.ipv4.ip_unpriv* = 512"}, 512, False, True, 80),
    ],
)
def test_present(files: Dict[str, str], live: int, allow_raise: bool, own: bool, after: int) -> None:
    plan = sysctl.plan_present(
        sysctl.State(files=files, live=live, local_first=32768), start=80, allow_raise=allow_raise
    )
    assert (plan.own_after, plan.live_after) == (sysctl.render(80) if own else "", after)
    assert plan.changed == ((files.get(sysctl.OWN_PATH, ""), live) != (plan.own_after, after))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (LATE, r"/etc/sysctl\.d/z\.conf, which is read after"),
        ({f"{ETC}/z.conf": f"-{DOTS}"}, "a file that is read later says otherwise"),
        ({sysctl.OWN_PATH: f"{DOTS}=80"}, "was not written by this collection"),
    ],
)
def test_what_others_say_is_never_overruled_in_silence(files: Dict[str, str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        sysctl.plan_present(sysctl.State(files=files, live=1024, local_first=32768), start=80, allow_raise=False)


@pytest.mark.parametrize(
    ("files", "live", "after"),
    [
        ({}, 1024, 1024),
        # Not ours: it stays.
        ({}, 0, 0),
        ({sysctl.OWN_PATH: f"{DOTS}=80"}, 80, 80),
        (OURS, 80, 1024),
        (OURS, 0, 1024),
        ({**OURS, **LOW}, 80, 70),
        ({**OURS, f"{ETC}/a.conf": f"{DOTS}=nonsense"}, 80, 1024),
    ],
)
def test_absent(files: Dict[str, str], live: int, after: int) -> None:
    state = sysctl.State(files=files, live=live, local_first=32768)
    plan = sysctl.plan_absent(state)
    assert (plan.own_before, plan.own_after, plan.live_after) == (state.own, "", after)


@pytest.mark.parametrize(("start", "opened"), [(80, "80-1023"), (1023, "1023-1023"), (1024, ""), (2048, "")])
def test_what_is_opened(start: int, opened: str) -> None:
    assert sysctl.opened(start) == opened


@pytest.mark.parametrize(("ports", "first"), [((Port(443), Port(80, "udp")), 80), ((Port(1),), 1)])
def test_the_lowest_port_decides(ports: Tuple[Port, ...], first: int) -> None:
    assert sysctl.first_port(ports) == first


@pytest.mark.parametrize(("start", "refused"), [(1, False), (100, False), (101, True), (65535, True)])
def test_the_kernel_keeps_the_ports_of_connections_unprivileged(start: int, refused: bool) -> None:
    state = sysctl.State(files={}, live=1024, local_first=100)
    if refused:
        with pytest.raises(Refused, match="ip_local_port_range begins at 100"):
            sysctl.plan_present(state, start=start, allow_raise=True)
    else:
        assert sysctl.plan_present(state, start=start, allow_raise=True).live_after == start
