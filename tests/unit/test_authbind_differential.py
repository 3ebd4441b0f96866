# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""judge() against the authbind that is installed: needs root, authbind and unshare, and fails without them."""

from __future__ import annotations

import base64
import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.plan import Grantee, applied, plan_rules
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import (
    BYADDR,
    BYPORT,
    BYUID,
    FOLDERS,
    HELPER,
    Principal,
    RuleFile,
    judge,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.acl import parse_acl
from ansible_collections.netbind.privport.tests.unit.acl import (
    GROUP_ENTRY,
    GROUP_OBJ_ENTRY,
    USER_ENTRY,
    Entry,
    acl_attribute,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

USER = Principal(uid=70001, gids=frozenset({70001, 70010}))
OTHER = Principal(uid=70002, gids=frozenset({70002}))
ROOT_GROUP = Principal(uid=70003, gids=frozenset({70003, 0}))
PRINCIPALS = (USER, OTHER, ROOT_GROUP)
# After authorisation the helper's own bind() may fail: that is not authbind's refusal.
PERMITTED = (0, errno.EADDRNOTAVAIL)


class Authbind:
    """The real one, behind the driver's pipe."""

    def __init__(self, driver: subprocess.Popen[str]) -> None:
        self._driver = driver

    def errno_name(self, rules: Tuple[RuleFile, ...], principal: Principal, port: int, address: str) -> str:
        case: Dict[str, Any] = {
            "rules": [
                [
                    *(file.path, file.uid, file.gid, file.mode),
                    None if file.path in FOLDERS else _encoded(file.content),
                    file.attribute.hex() if isinstance(file, Listed) else "",
                ]
                for file in rules
            ],
            "uid": principal.uid,
            "gids": [principal.uid, *sorted(principal.gids - {principal.uid})],
            "port": port,
            "address": address,
        }
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        self._driver.stdin.write(json.dumps(case) + "\n")
        self._driver.stdin.flush()
        answer = self._driver.stdout.readline()
        assert answer, "the driver ended; its standard error tells why"
        status = int(answer)
        return "" if status in PERMITTED else errno.errorcode.get(status, str(status))


def _encoded(content: str) -> str:
    return base64.b64encode(content.encode("utf-8", "surrogateescape")).decode()


@pytest.fixture(scope="module")
def authbind() -> Iterator[Authbind]:
    assert os.geteuid() == 0, "this test mounts over /etc/authbind in a namespace of its own: run it as root"
    helper = Path(HELPER)
    assert helper.exists(), "authbind is missing: apt-get install authbind"
    assert helper.stat().st_mode & stat.S_ISUID, f"{HELPER} has lost its set-user-ID bit"
    driver = subprocess.Popen(
        [
            *("unshare", "--mount", "--net", "--propagation", "private"),
            *(sys.executable, str(Path(__file__).with_name("authbind_driver.py"))),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Authbind(driver)
    finally:
        assert driver.stdin is not None
        driver.stdin.close()
        driver.wait(timeout=30)


class Listed(RuleFile):
    """With an access control list, and the attribute that holds it."""

    attribute = b""


def flag(
    name: str, *, uid: int = 0, gid: int = 0, mode: int = 0o500, entries: Optional[Sequence[Entry]] = None
) -> RuleFile:
    """entries are those of an access control list beyond the owner, the mask and others, which the mode has."""
    path = f"/etc/authbind/{name}"
    if entries is None:
        return RuleFile(path=path, uid=uid, gid=gid, mode=mode)
    attribute = acl_attribute(mode, *entries)
    listed = Listed(path=path, uid=uid, gid=gid, mode=mode, acl=parse_acl(attribute))
    listed.attribute = attribute
    return listed


def lines(content: str, *, name: str = "70001", mode: int = 0o644) -> RuleFile:
    return RuleFile(path=f"{BYUID}/{name}", uid=0, gid=0, mode=mode, content=content)


FLAG_FILES = {
    "own-500": {"uid": 70001, "mode": 0o500},
    "own-100": {"uid": 70001, "mode": 0o100},
    "own-400": {"uid": 70001, "mode": 0o400},
    "own-011": {"uid": 70001, "mode": 0o011},
    "own-group-710": {"uid": 70001, "gid": 70010, "mode": 0o710},
    "root-755": {"mode": 0o755},
    "root-644": {"mode": 0o644},
    "root-001": {"mode": 0o001},
    "root-000": {"mode": 0},
    "root-750": {"mode": 0o750},
    "group-710": {"gid": 70010, "mode": 0o710},
    "group-701": {"gid": 70010, "mode": 0o701},
    "group-010": {"gid": 70010, "mode": 0o010},
    "other-500": {"uid": 70002, "mode": 0o500},
    "other-755": {"uid": 70002, "mode": 0o755},
    "other-655": {"uid": 70002, "mode": 0o655},
    "acl-user": {"mode": 0o750, "entries": [(USER_ENTRY, 1, 70001)]},
    "acl-user-masked": {"mode": 0o740, "entries": [(USER_ENTRY, 1, 70001)]},
    "acl-user-denied": {"mode": 0o755, "entries": [(USER_ENTRY, 4, 70001)]},
    "acl-another-user": {"mode": 0o750, "entries": [(USER_ENTRY, 1, 70002)]},
    "acl-owner-first": {"uid": 70001, "mode": 0o450, "entries": [(USER_ENTRY, 7, 70001)]},
    "acl-user-before-group": {
        "mode": 0o770,
        "gid": 70010,
        "entries": [(USER_ENTRY, 6, 70001), (GROUP_OBJ_ENTRY, 7, 0), (GROUP_ENTRY, 7, 70010)],
    },
    "acl-group": {"mode": 0o750, "entries": [(GROUP_ENTRY, 1, 70010)]},
    "acl-group-masked": {"mode": 0o740, "entries": [(GROUP_ENTRY, 7, 70010)]},
    "acl-group-denied": {"mode": 0o755, "entries": [(GROUP_ENTRY, 4, 70010)]},
    "acl-own-group-cut": {"gid": 70010, "mode": 0o770, "entries": [(GROUP_OBJ_ENTRY, 6, 0), (USER_ENTRY, 7, 70002)]},
    "acl-one-group-is-enough": {
        "gid": 70010,
        "mode": 0o770,
        "entries": [(GROUP_OBJ_ENTRY, 6, 0), (GROUP_ENTRY, 1, 70001)],
    },
    "acl-minimal": {"gid": 70010, "mode": 0o710, "entries": []},
}
PLACES = {
    "byport": ("byport/{port}", "127.0.0.1"),
    "colon": ("byaddr/127.0.0.1:{port}", "127.0.0.1"),
    "comma": ("byaddr/127.0.0.1,{port}", "127.0.0.1"),
    "ipv6": ("byaddr/::1,{port}", "::1"),
    "ipv6-full": ("byaddr/0:0:0:0:0:0:0:1,{port}", "::1"),
    "wildcard": ("byaddr/::,{port}", "::"),
}


def compare(authbind: Authbind, rules: Tuple[RuleFile, ...], port: int, address: str) -> None:
    by_path = {file.path: file for file in rules}
    for principal in PRINCIPALS:
        verdict = judge(by_path, principal=principal, port=port, address=address)
        assert verdict.errno_name == authbind.errno_name(rules, principal, port, address), (principal, verdict)
        assert verdict.allowed == (verdict.errno_name == "")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", FLAG_FILES)
def test_who_may_execute_a_flag_file(authbind: Authbind, place: str, kind: str) -> None:
    name, address = PLACES[place]
    compare(authbind, (flag(name.format(port=80), **FLAG_FILES[kind]),), 80, address)


YES = {"uid": 70001, "mode": 0o500}
NO = {"uid": 70002, "mode": 0o500}
EVERYWHERE = lines("0.0.0.0/0,1-1023\n::/0,1-1023\n")
ORDER = {
    "nothing": ((), 80, "127.0.0.1"),
    "byport is final": ((flag("byport/80", **NO), flag("byaddr/127.0.0.1,80", **YES), EVERYWHERE), 80, "127.0.0.1"),
    "byport first": ((flag("byport/80", **YES), flag("byaddr/127.0.0.1,80", **NO)), 80, "127.0.0.1"),
    "byaddr is final": ((flag("byaddr/127.0.0.1,80", **NO), EVERYWHERE), 80, "127.0.0.1"),
    "colon before comma": (
        (flag("byaddr/127.0.0.1:80", **YES), flag("byaddr/127.0.0.1,80", **NO)),
        80,
        "127.0.0.1",
    ),
    "colon is final": ((flag("byaddr/127.0.0.1:80", **NO), flag("byaddr/127.0.0.1,80", **YES)), 80, "127.0.0.1"),
    "short before full": ((flag("byaddr/::1,80", **YES), flag("byaddr/0:0:0:0:0:0:0:1,80", **NO)), 80, "::1"),
    "short is final": ((flag("byaddr/::1,80", **NO), flag("byaddr/0:0:0:0:0:0:0:1,80", **YES)), 80, "::1"),
    "no colon for IPv6": ((flag("byaddr/::1:80", **YES),), 80, "::1"),
    "another address": ((flag("byaddr/127.0.0.2,80", **YES),), 80, "127.0.0.1"),
    "address does not serve the wildcard": ((flag("byaddr/127.0.0.1,80", **YES),), 80, "0.0.0.0"),
    "IPv4 wildcard does not serve dual-stack": ((flag("byaddr/0.0.0.0,80", **YES),), 80, "::"),
    "IPv6 wildcard does not serve IPv4": ((flag("byaddr/::,80", **YES),), 80, "0.0.0.0"),
    "511 without a mark": ((flag("byport/511", **YES),), 511, "127.0.0.1"),
    "511 with a mark": ((flag("byport/!511", **YES),), 511, "127.0.0.1"),
    "512 without a mark": ((flag("byport/512", **YES),), 512, "127.0.0.1"),
    "512 with a mark": ((flag("byport/!512", **YES),), 512, "127.0.0.1"),
    "byaddr from 512": ((flag("byaddr/!127.0.0.1,1023", **YES),), 1023, "127.0.0.1"),
    "byaddr colon from 512": ((flag("byaddr/!127.0.0.1:600", **YES),), 600, "127.0.0.1"),
    "byaddr from 512 without a mark": ((flag("byaddr/127.0.0.1,600", **YES),), 600, "127.0.0.1"),
    "byaddr IPv6 from 512": ((flag("byaddr/!::1,600", **YES),), 600, "::1"),
    "byuid below 512": ((EVERYWHERE,), 511, "127.0.0.1"),
    "byuid from 512 without a mark": ((EVERYWHERE,), 600, "127.0.0.1"),
    "byuid from 512": ((lines("0.0.0.0/0,600\n", name="!70001"),), 600, "127.0.0.1"),
    "marked byuid below 512": ((lines("0.0.0.0/0,1-1023\n", name="!70001"),), 80, "127.0.0.1"),
    "byuid that only root can read": ((lines("0.0.0.0/0,80\n", mode=0),), 80, "127.0.0.1"),
    "byuid without a match": ((lines("0.0.0.0/0,81\n"),), 80, "127.0.0.1"),
    "empty byuid": ((lines(""),), 80, "127.0.0.1"),
    "byuid of another": ((lines("0.0.0.0/0,80\n", name="70009"),), 80, "127.0.0.1"),
    "mapped address": ((flag("byaddr/::ffff:127.0.0.1,80", **YES),), 80, "::ffff:127.0.0.1"),
    "mapped address, full": ((flag("byaddr/0:0:0:0:0:ffff:7f00:1,80", **YES),), 80, "::ffff:127.0.0.1"),
    "compatible address": ((flag("byaddr/::0.1.0.2,80", **YES),), 80, "::1:2"),
    "compatible address ending in zeros": ((flag("byaddr/::0.2.0.0,80", **YES),), 80, "::2:0"),
    "longest run of zeros": ((flag("byaddr/2001:0:0:1::1,80", **YES),), 80, "2001:0:0:1:0:0:0:1"),
    "one zero is not shortened": ((flag("byaddr/2001:db8:0:1:1:1:1:1,80", **YES),), 80, "2001:db8:0:1:1:1:1:1"),
    "closed byport folder": ((RuleFile(BYPORT, 0, 0, 0o700), EVERYWHERE), 80, "127.0.0.1"),
    "closed byaddr folder": ((RuleFile(BYADDR, 0, 0, 0o700), EVERYWHERE), 80, "127.0.0.1"),
    "closed byaddr folder behind byport": (
        (RuleFile(BYADDR, 0, 0, 0o700), flag("byport/80", **YES)),
        80,
        "127.0.0.1",
    ),
    "folder of a group": ((RuleFile(BYPORT, 0, 70010, 0o710), flag("byport/80", **YES)), 80, "127.0.0.1"),
    "closed root": ((RuleFile("/etc/authbind", 0, 0, 0o700), flag("byport/80", **YES)), 80, "127.0.0.1"),
}


@pytest.mark.parametrize("name", ORDER)
def test_order_and_names(authbind: Authbind, name: str) -> None:
    rules, port, address = ORDER[name]
    compare(authbind, rules, port, address)


LINES = (
    "0.0.0.0/0,80",
    "0.0.0.0/0,80\r\n",
    "0.0.0.0/0,80 \t\n",
    " 0.0.0.0/0,80",
    "0.0.0.0/0 ,80",
    "0.0.0.0/ 0, 80",
    "0.0.0.0/0,80,",
    "0.0.0.0/0,80-90",
    "0.0.0.0/0,70-79",
    "0.0.0.0/0,80- 90",
    "0.0.0.0/0,80 -90",
    "0.0.0.0/0,90-80",
    "0.0.0.0/0,80--1",
    "0.0.0.0/0,+80",
    "0.0.0.0/0,080",
    "0.0.0.0/0,0x50",
    "0.0.0.0/0,4294967376",
    "0.0.0.0/0,99999999999999999999999",
    "0.0.0.0/0,0-99999999999999999999999",
    "0.0.0.0/0:80,90",
    " 0.0.0.0/0: 80,90 ",
    "0.0.0.0/0 :80,90",
    "0. 0.0.0/0:80,90",
    "0.0.0.0/0:80",
    "0.0.0.0/0:80-90",
    "0.0.0.0/0:0,65535",
    "0.0.0.0/0:0,65536",
    "256.0.0.0/0:0,90",
    "127.0.0.0/8,80",
    "127.0.0.1/8,80",
    "127.0.0.1/32,80",
    "127.0.0.1/33,80",
    "127.0.0.0/8:80,80",
    "127.0.0.1/8:80,80",
    "127.0.0.1/33:80,80",
    "127.0.0.1,80",
    "127.0.0.01,80",
    "127.1,80",
    "127.0.0.1 ,80",
    "127.0.0.0-127.0.0.9,80",
    "127.0.0.9-127.0.0.0,80",
    "127.0.0.0 - 127.0.0.9,80",
    "127.0.0.0-127.0.0.9/8,80",
    "127.0.0.0-::1,80",
    "::/0,80",
    "::1,80",
    "::1/128,80",
    "::1/129,80",
    "::1/64,80",
    "::/64,80-90",
    "::/0:80,90",
    "0::1,80",
    "::0.0.0.1,80",
    "::0.0.0.01,80",
    "00000::1,80",
    "::-::ff,80",
    "::1%lo,80",
    "1:2:3:4::5:6:7:8,80",
    ":::1,80",
    "[::1],80",
    "*,80",
    ",80",
    "80",
    "",
    "#0.0.0.0/0,80",
    "0.0.0.0/0,80 # web",
    "0.0.0.0/0,80\0 # web",
    "\0" + "0.0.0.0/0,80",
    "0.0.0.0/,80",
    "0.0.0.0/0/0,80",
    "0.0.0.0/0,http",
    "x" * 298 + "0.0.0.0/0,80",
    "x" * 297 + "0.0.0.0/0,80",
    "0.0.0.0/0,80" + " " * 400 + "x",
    "0.0.0.0/0,80" + " " * 200 + "x",
    "\udcff0.0.0.0/0,80",
    "0.0.0.0/0,\xa080",
    "0.0.0.0/0,\udca080",
    "0.0.0.0/0,\x1c80",
)


@pytest.mark.parametrize("line", LINES)
def test_byuid_lines(authbind: Authbind, line: str) -> None:
    for content in (line, f"junk\n{line}\njunk\n"):
        for address in ("127.0.0.1", "0.0.0.0", "::1", "::"):
            rules = (lines(content),)
            verdict = judge({file.path: file for file in rules}, principal=USER, port=80, address=address)
            assert verdict.errno_name == authbind.errno_name(rules, USER, 80, address), (address, verdict)


@pytest.mark.parametrize("port", [80, 511, 512, 600])
@pytest.mark.parametrize(
    ("kind", "method", "addresses"),
    [
        ("user", "byport", ()),
        ("user", "byuid", ()),
        ("user", "byuid", ("127.0.0.1", "::1")),
        ("user", "byaddr", ("127.0.0.1", "::1", "::2:0")),
        ("group", "byport", ()),
        ("group", "byaddr", ("127.0.0.1", "::1", "::2:0")),
    ],
)
def test_planned_rules_admit_just_the_grantee(
    authbind: Authbind, kind: str, method: str, addresses: Tuple[str, ...], port: int
) -> None:
    user = Grantee(kind="user", name="web", number=70001, gids=USER.gids)
    grantee = user if kind == "user" else Grantee(kind="group", name="webs", number=70010, gids=frozenset({70010}))
    changes = plan_rules({}, grantee=grantee, ports=[port], addresses=addresses, method=method).changes
    rules = tuple(applied({}, changes).values())
    for address in addresses or ("127.0.0.1", "0.0.0.0", "::1", "::", "::2:0"):
        assert authbind.errno_name(rules, USER, port, address) == ""
        for stranger in (OTHER, ROOT_GROUP):
            assert authbind.errno_name(rules, stranger, port, address) in ("EPERM", "EACCES")
    if addresses:
        assert authbind.errno_name(rules, USER, port, "0.0.0.0") != ""
    assert authbind.errno_name(rules, USER, port - 1, "127.0.0.1") != ""


ADDRESS_TEXTS = st.sampled_from(
    [
        "0.0.0.0",
        "127.0.0.1",
        "127.0.0.0",
        "10.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "fe80::",
        "1.2.3",
    ]
)
NUMBERS = st.one_of(st.integers(0, 130).map(str), st.sampled_from(["79", "80", "81", "65536", "-1", "+8", "08", ""]))
PIECES = st.one_of(ADDRESS_TEXTS, NUMBERS, st.sampled_from(list(",,,///--: \t.\n#")))
SHAPED = st.builds(
    "{}{}{}{}{}{}{}".format,
    ADDRESS_TEXTS,
    st.sampled_from(["/", "-", "", " /", "/ "]),
    st.one_of(NUMBERS, ADDRESS_TEXTS),
    st.sampled_from([",", ":", ", ", " ,"]),
    NUMBERS,
    st.sampled_from(["-", ",", "", " - "]),
    NUMBERS,
)


@settings(
    max_examples=600,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    content=st.one_of(SHAPED, st.lists(PIECES, max_size=9).map("".join), st.lists(SHAPED, max_size=4).map("\n".join)),
    address=st.sampled_from(["127.0.0.1", "10.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"]),
)
def test_random_byuid_files(authbind: Authbind, content: str, address: str) -> None:
    rules = (lines(content),)
    verdict = judge({file.path: file for file in rules}, principal=USER, port=80, address=address)
    assert verdict.errno_name == authbind.errno_name(rules, USER, 80, address), verdict
