# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that a service is declared to listen on, and which sockets serve them."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Optional

from ansible_collections.netbind.privport.plugins.module_utils._core.model import options
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

_EXAMPLE = "[192.0.2.10, '2001:db8::1']"
# An address of one link has its interface behind it (ip-address(8), scope link).
_SCOPED = re.compile(r"(?P<address>[^%]*)(?P<interface>%[A-Za-z0-9_.:-]{1,15})?")
_MAPPED = "::ffff:"


def parse_addresses(value: Any, *, where: str) -> tuple[str, ...]:
    """The addresses in their shortest form, each once. Raises InvalidInput."""
    found = options.words(value, where=where, example=_EXAMPLE)
    return tuple(dict.fromkeys(_parsed(word, where=where) for word in found))


def _parsed(word: str, *, where: str) -> str:
    match = _SCOPED.fullmatch(word)
    try:
        address = ipaddress.ip_address(match["address"] if match else word)
    except ValueError:
        raise InvalidInput(f"{where} holds {word!r}; write addresses, such as {_EXAMPLE}") from None
    if address.is_unspecified:
        way = "leave addresses out, which stands for all of them"
        raise InvalidInput(f"{where} holds {word!r}; {way}, and say families: where it is one family's")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    interface = (match["interface"] or "") if match else ""
    return f"{mapped or address}{interface}"


def family_of(address: str) -> str:
    """'ipv4' or 'ipv6'."""
    return "ipv6" if ":" in address else "ipv4"


def serves(listening: str, address: str, *, v6only: Optional[bool]) -> bool:
    """Whether a socket that is bound to one address, as ss(8) shows it, gets what is sent to the other one.

    v6only is None where that is not told; then it may. A socket of one interface may as well.
    """
    bound, _percent, interface = listening.partition("%")
    wanted, _percent, scope = address.partition("%")
    if bound.startswith(_MAPPED):
        bound = bound[len(_MAPPED) :]
    if interface and scope and interface != scope:
        return False
    if bound == "0.0.0.0":  # noqa: S104
        return family_of(wanted) == "ipv4"
    if bound == "::":
        return family_of(wanted) == "ipv6" or v6only is not True
    return bound == wanted
