# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could not be found out closes no strategy and is no consent either, on every systemd."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Authbind, Unit
from ansible_collections.netbind.privport.tests.unit.core.cases import (
    AUTHBIND,
    PROPERTIES,
    ambient_process,
    codes,
    doubts,
    listener,
    process,
    socket_unit,
    started,
    unit,
)

HELPER_OF_UNKNOWN_MOUNT = Authbind(program=AUTHBIND, helper_setuid=True, helper_nosuid=None)
SYSTEMD = process(pid=1, unit="init.scope", executable="/usr/lib/systemd/systemd", uid=0)
IMPLIED = {"LockPersonality": "yes"}
UNREAD_CAPABILITY = {"unread": {"capability": "an unknown version"}}


def unit_without_sandbox() -> Unit:
    """What an old systemd shows, which does not know the settings."""
    kept = ("Id", "LoadState", "ActiveState", "SubState", "Result", "ExecStart", "User")
    return unit()._replace(properties={name: PROPERTIES[name] for name in kept})


def doubted(setcap: str, authbind: str, ambient: str, _id: str, **fields: Any) -> Any:
    """A row of what nobody knows: the doubts of each strategy, split by blanks."""
    return pytest.param(
        {
            name: tuple(codes.split())
            for name, codes in (("setcap", setcap), ("authbind", authbind), ("ambient", ambient))
        },
        fields,
        id=_id,
    )


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        doubted("", "", "", "all is known"),
        doubted("", "wrapped", "wrapped", "a shell's own words", **started("sh -c 'cd /a; ./b'")),
        doubted("", "", "", "a shell that starts one program", **started("sh -c 'exec /b'")),
        doubted("", "", "", "declared", **started("sh -c 'cd /a; ./b'"), description={"executable": "/a/b"}),
        doubted("loader_environment", "", "", "LD_LIBRARY_PATH", properties={"Environment": "LD_LIBRARY_PATH"}),
        doubted("", "", "", "LD_PRELOAD", properties={"Environment": "LD_PRELOAD"}),
        doubted("", "", "", "a systemd without these properties", unit=unit_without_sandbox()),
        doubted(
            "runs_as_root",
            "runs_as_root later_dropin",
            "runs_as_root later_dropin",
            "unit files",
            unread={"unit": "a line"},
        ),
        doubted("", "unread_program", "unread_program", "program", program=None, unread={"program": "closed"}),
        doubted("", "unread_program", "unread_program", "interpreter", unread={"interpreter": "closed"}),
        doubted("", "other_capability", "other_capability", "capability", **UNREAD_CAPABILITY),
        doubted(*["private_users"] * 3, "a later PrivateUsers", properties={"PrivateUsersEx": "sometimes"}),
        *(
            doubted(
                "implied_no_new_privs",
                "implied_no_new_privs",
                "",
                f"a systemd between those that were tried, {systemd}",
                properties=IMPLIED,
                host_fields={"systemd": systemd},
            )
            for systemd in (253, 254, 255, 256)
        ),
        doubted(
            "implied_no_new_privs",
            "implied_no_new_privs",
            "",
            "its process shows nothing",
            properties=IMPLIED,
            host_fields={"systemd": 254},
            unit_fields={"process": ambient_process(no_new_privs=False)},
        ),
        doubted(
            "",
            "",
            "",
            "its process shows that it is not so",
            properties=IMPLIED,
            host_fields={"systemd": 254},
            unit_fields={"process": process(no_new_privs=False)},
        ),
        doubted("", "authbind_helper", "", "the helper's mount", host_fields={"authbind": HELPER_OF_UNKNOWN_MOUNT}),
        doubted(*["socket_activation"] * 3, "a socket that is handed over", sockets=(socket_unit("80"),)),
        doubted(
            "",
            "",
            "",
            "a socket that was taken",
            sockets=(socket_unit("80"),),
            listeners=(listener(SYSTEMD, process()),),
        ),
        doubted("", "", "", "a socket to take", sockets=(socket_unit("80"),), description={"socket_activation": True}),
    ],
)
def test_unknown_is_not_no(expected: Dict[str, Tuple[str, ...]], fields: Dict[str, Any]) -> None:
    assert {name: doubts(name, **fields) for name in expected} == expected
    known = {name: codes(name, **fields) for name in ("authbind", "ambient")}
    assert known == {"authbind": (), "ambient": ()}


def test_what_the_process_of_an_unmeasured_systemd_shows() -> None:
    seen = {"unit_fields": {"process": process(no_new_privs=True)}, "host_fields": {"systemd": 254}}
    assert codes("setcap", properties=IMPLIED, **seen) == ("implied_no_new_privs",)
    assert codes("setcap", **seen) == ()


@pytest.mark.parametrize(
    ("unread", "code"), [({"capability": "an unknown version"}, "unchangeable"), ({"program": "closed"}, "no_program")]
)
def test_what_cannot_be_read_cannot_be_granted_a_file_capability(unread: Dict[str, str], code: str) -> None:
    program_fields = {"program": None} if "program" in unread else {}
    assert codes("setcap", unread=unread, **program_fields) == (code,)
