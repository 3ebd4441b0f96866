# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row of the table is made of: a daemon as Debian packages it, and what its clients ask it.

Only the standard library, and Python 3.8: the builder of the images reads the packages here.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Tuple

SUITES = ("trixie", "forky")
# Between a service's privileged port and the one that it listens on instead.
BEHIND = 20000
# What each refusal of a unit that starts as root says.
ROOT = "root"
UDP, BOTH = ("udp",), ("tcp", "udp")


class Question(NamedTuple):
    """What a client of the protocol sends, after it has read a greeting where there is one, and what it must get.

    how is tcp, udp or tls. answer is a regular expression, found in the bytes as Latin-1.
    """

    protocol: str
    answer: str
    send: bytes = b""
    how: str = "tcp"


class Way(NamedTuple):
    """How a service that is refused as it is gets its port all the same: what is said more, and the strategy.

    behind: its own configuration names a port above 1023, and backend_ports says which.
    """

    name: str = ""
    strategy: str = ""
    said: Mapping[str, Any] = {}
    behind: bool = False


def widened(*settings: str) -> Way:
    """What the unit's own sandbox does not have is added to it."""
    return Way("widen", "ambient", {"widen": list(settings)})


class Daemon(NamedTuple):
    """A unit as its package has it. configure is a shell script that has the daemon itself use the port $PORT."""

    name: str
    packages: str
    unit: str
    # What it is made of, and what is special of its unit.
    kind: str
    configure: str
    question: Question
    # What auto chooses; where it refuses, the regular expression of what it says, and the way out.
    transports: Tuple[str, ...] = ("tcp",)
    strategy: str = ""
    refused: str = ""
    way: Way = Way()
    # What is said of the service beside its unit and ports.
    said: Mapping[str, Any] = {}
    # Below which path of /etc it writes by itself.
    writes: str = ""
    suites: Tuple[str, ...] = SUITES
    # Tried in every run of the tests.
    always: bool = False


REDIRECTED = Way("backend_ports", "redirect", behind=True)
# It has its port without anybody's help.
ITSELF = Way("none is needed")

HTTP = Question("HTTP", r"^HTTP/1\.[01] [0-9]{3} ", b"GET / HTTP/1.0\r\nHost: field\r\n\r\n")
XMPP = Question(
    "XMPP",
    "<stream:features|<stream:stream",
    b"<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' version='1.0' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>",
)
# RFC 1035, section 4.1: the address of localhost.
_LOCALHOST = b"\x124\x01\x00\x00\x01" + bytes(6) + b"\x09localhost\x00\x00\x01\x00\x01"
DNS = Question("DNS", r"^\x124[\x80-\xff]", _LOCALHOST, "udp")
IRC = Question("IRC", "NOTICE|PING|001", b"NICK field\r\nUSER field 0 * :field\r\n")
REDIS = Question("Redis", r"\+PONG", b"PING\r\n")
TLS = Question("TLS", "^TLSv1", how="tls")
