# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves HTTP behind the PROXY protocol, version 2 (proxy-protocol.txt), and tells each client its address."""

from __future__ import annotations

import json
import socket
import sys

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FAMILIES = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}


def answer(connection):
    with connection, connection.makefile("rb") as stream:
        head = stream.read(16)
        # Without the header, and for the PROXY protocol's own health checks, there is nobody to answer.
        if head[:12] != SIGNATURE or head[12] != 0x21:
            return
        addresses = stream.read(int.from_bytes(head[14:], "big"))
        family, length = FAMILIES[head[13]]
        while stream.readline().strip():
            pass
        told = json.dumps({"client": socket.inet_ntop(family, addresses[:length])}).encode()
        lines = [b"HTTP/1.0 200 OK", b"Content-Type: application/json", b"", told]
        connection.sendall(b"\r\n".join(lines))


with socket.create_server((sys.argv[1], int(sys.argv[2]))) as server:
    while True:
        answer(server.accept()[0])
