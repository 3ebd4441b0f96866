# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What privport_sysctl does to a machine in memory, and how it takes back what fails."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    PrivportError,
    UnknownFormat,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl import setting as sysctl
from ansible_collections.netbind.privport.plugins.module_utils._host import atomic
from ansible_collections.netbind.privport.plugins.modules import privport_sysctl
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost

RANGE = "/proc/sys/net/ipv4/ip_local_port_range"


def machine(**files: str) -> FakeHost:
    return FakeHost(files={RANGE: "32768\t60999\n", **files})


def run(host: FakeHost, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    params = {"ports": [80], "allow_raise": False, "state": "present", **options}
    return privport_sysctl.run(params, host=host, check_mode=check_mode)


def test_there_and_back() -> None:
    host = machine()
    files = dict(host.files)
    foreseen = run(host, check_mode=True)
    assert host.files == files
    assert run(host) == foreseen
    assert [(it["before_header"], it["before"], it["after"]) for it in foreseen["diff"]] == [
        (sysctl.OWN_PATH, "", sysctl.render(80)),
        (sysctl.LIVE, "1024\n", "80\n"),
    ]
    assert (host.files[sysctl.LIVE], host.files[sysctl.OWN_PATH]) == ("80\n", sysctl.render(80))
    assert run(host)["changed"] is False
    assert run(host, state="absent", ports=[])["changed"] is True
    assert host.files == files


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_a_killed_run_left_goes(state: str) -> None:
    host = machine(**({sysctl.OWN_PATH: sysctl.render(80), sysctl.LIVE: "80\n"} if state == "present" else {}))
    left = atomic.temporaries(sysctl.OWN_PATH)[0]
    host.files[left] = "half"
    foreseen = run(host, check_mode=True, state=state)
    assert left in host.files
    done = run(host, state=state)
    assert (done["changed"], left in host.files, done) == (True, False, foreseen)
    assert run(host, state=state)["changed"] is False


class StubbornHost(FakeHost):
    """Its live value is what it was."""

    def set_kernel(self, path: str, value: str) -> None:
        if value != self.files[path].strip():
            raise HostError(f"{path} cannot be set to {value}: Read-only file system")


class ForgetfulHost(FakeHost):
    """Takes every value and keeps none."""

    def set_kernel(self, path: str, value: str) -> None:
        pass


@pytest.mark.parametrize(("kind", "said"), [(StubbornHost, "Read-only file system"), (ForgetfulHost, "is 1024 after")])
def test_what_fails_leaves_no_file(kind: type[FakeHost], said: str) -> None:
    host = kind(files={RANGE: "32768\t60999\n"})
    with pytest.raises(HostError, match=said):
        run(host)
    assert sysctl.OWN_PATH not in host.files


@pytest.mark.parametrize(
    ("files", "options", "error", "said"),
    [
        ({RANGE: "nonsense"}, {}, UnknownFormat, "holds 'nonsense'"),
        ({}, {"ports": []}, InvalidInput, "ports is empty"),
        ({}, {"ports": [0]}, InvalidInput, "ports holds '0'"),
        ({}, {"ports": ["http"]}, InvalidInput, "ports holds 'http'"),
        ({sysctl.LIVE: ""}, {}, UnknownFormat, "is no port"),
    ],
)
def test_an_error_is_one_sentence(
    files: dict[str, str], options: dict[str, Any], error: type[PrivportError], said: str
) -> None:
    with pytest.raises(error, match=said):
        run(machine(**files), **options)


def test_an_old_kernel_is_named() -> None:
    host = machine()
    del host.files[sysctl.LIVE]
    with pytest.raises(HostError, match=r"needs Linux 4\.11"):
        run(host)
