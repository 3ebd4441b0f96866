# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packets systemd lets reach a unit."""

from __future__ import annotations

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.network_filter import (
    passes,
    passes_loopback,
)


@pytest.mark.parametrize(
    ("allow", "deny", "address", "expected"),
    [
        ("", "", "10.0.0.1", True),
        ("", "0.0.0.0/0 ::/0", "10.0.0.1", False),
        ("", "0.0.0.0/0 ::/0", "fe80::1%eth0", False),
        ("10.0.0.0/8", "0.0.0.0/0 ::/0", "10.0.0.1", True),
        ("10.0.0.0/8", "0.0.0.0/0 ::/0", "127.0.0.1", False),
        ("10.0.0.0/8", "0.0.0.0/0", "::1", True),
        ("10.0.0.0/8", "", "127.0.0.1", True),
        ("nonsense", "nonsense", "127.0.0.1", True),
    ],
)
def test_addresses(allow: str, deny: str, address: str, expected: bool) -> None:
    assert passes({"IPAddressAllow": allow, "IPAddressDeny": deny}, address) is expected


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("", True), ("eth0", False), ("eth0 lo", True), ("~eth0", True), ("~lo eth0", False), ("~ lo", False)],
)
def test_interfaces(shown: str, expected: bool) -> None:
    assert passes_loopback({"RestrictNetworkInterfaces": shown}) is expected
