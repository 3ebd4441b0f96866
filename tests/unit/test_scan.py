# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan finds every grant, whoever made it, and nothing else."""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, Iterator, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl.setting import LIVE
from ansible_collections.netbind.privport.plugins.module_utils._observe.scan import Grant, scan
from ansible_collections.netbind.privport.plugins.modules import privport_info
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost, captured_unit

BINDS = bytes.fromhex("0100000200040000000000000000000000000000")
OTHER = bytes.fromhex("0100000200200000000000000000000000000000")
MOUNTS = "/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\nnas:/home /home nfs4 rw 0 0\n"


class Scanned(FakeHost):
    """A host with attributes of files, which looks where it is let."""

    def __init__(self, *, attributes: Dict[str, bytes] | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self.attributes = attributes or {}
        self.skipped: AbstractSet[str] = set()

    def regular_files(self, *, skipped: AbstractSet[str]) -> Iterator[str]:
        self.skipped = skipped
        yield from self.attributes

    def capability(self, path: str) -> bytes | None:
        return self.attributes[path]


PLAIN = {**captured_unit("plain.service"), "AmbientCapabilities": "cap_chown"}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        pytest.param({}, (), id="nothing"),
        pytest.param(
            {"attributes": {"/srv/a": BINDS, "/bin/ping": OTHER, "/srv/empty": b"", "/srv/odd": b"odd"}},
            (Grant("setcap", "/srv/a", "cap_net_bind_service=ep"),),
            id="a file, and files with something else",
        ),
        pytest.param(
            {"attributes": {"/srv/\udcff": BINDS}},
            (Grant("setcap", "/srv/\\udcff", "cap_net_bind_service=ep"),),
            id="a name that is no text",
        ),
        pytest.param(
            {"units": [PLAIN, {**PLAIN, "Id": "b.service", "AmbientCapabilities": "cap_net_bind_service cap_chown"}]},
            (Grant("ambient", "b.service", "cap_net_bind_service cap_chown"),),
            id="a unit",
        ),
        pytest.param(
            {"programs": (), "units": [{**PLAIN, "AmbientCapabilities": "cap_net_bind_service"}]}, (), id="no systemd"
        ),
        pytest.param(
            {"files": {"/etc/authbind/byport/80": "", "/etc/authbind/byuid/0": "127.0.0.1,80\n\n::1,80\n"}},
            (
                Grant("authbind", "/etc/authbind/byport/80", "root:root 0755"),
                Grant("authbind", "/etc/authbind/byuid/0", "root:root 0755 127.0.0.1,80 ::1,80"),
            ),
            id="rules",
        ),
        pytest.param(
            {"files": {LIVE: "80\n"}},
            (Grant("sysctl", "net.ipv4.ip_unprivileged_port_start", "80: open to every user from there"),),
            id="a setting",
        ),
    ],
)
def test_scan(fields: Dict[str, Any], found: Tuple[Grant, ...]) -> None:
    class Units(Scanned):
        def _show(self, names: Any) -> str:
            return super()._show(list(self.units) if "*.service" in names else names)

    host = Units(**fields)
    assert scan(host) == found
    done = privport_info.run({"services": [], "scan": True}, host=host, check_mode=False)
    assert done["privport"]["grants"] == [it._asdict() for it in found]


def test_networks_and_virtual_file_systems_are_left_out() -> None:
    host = Scanned(files={"/proc/mounts": MOUNTS})
    assert scan(host) == ()
    assert host.skipped == {"/proc", "/home"}
