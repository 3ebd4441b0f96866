# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packets systemd lets reach a unit (systemd.resource-control(5))."""

from __future__ import annotations

import ipaddress
from typing import Mapping

_LOOPBACK_INTERFACE = "lo"


def passes_loopback(properties: Mapping[str, str]) -> bool:
    """Whether packets of the host to itself get through RestrictNetworkInterfaces=: they all come by lo."""
    # systemctl show begins a list of those that are shut out with a tilde.
    shown = properties.get("RestrictNetworkInterfaces", "")
    names = shown.lstrip("~ ").split()
    return not names or (_LOOPBACK_INTERFACE in names) is not shown.startswith("~")


def passes(properties: Mapping[str, str], address: str) -> bool:
    """Whether packets from and to an address get through IPAddressAllow= and IPAddressDeny= of the unit itself."""
    if _matches(properties.get("IPAddressAllow", ""), address):
        return True
    return not _matches(properties.get("IPAddressDeny", ""), address)


def _matches(prefixes: str, address: str) -> bool:
    """Whether one of these networks, as systemctl show prints them, holds the address."""
    return any(_holds(prefix, address.partition("%")[0]) for prefix in prefixes.split())


def _holds(prefix: str, address: str) -> bool:
    try:
        network, asked = ipaddress.ip_network(prefix, strict=False), ipaddress.ip_address(address)
    except ValueError:
        return False
    return asked in network if asked.version == network.version else False
