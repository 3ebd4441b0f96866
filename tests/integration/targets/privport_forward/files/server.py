# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers every connection with its name, on the address and port that it is given."""

from __future__ import annotations

import socket
import sys

name, address, port = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.create_server((address, int(port)), family=family) as server:
    while True:
        with server.accept()[0] as connection, connection.makefile("rb") as request:
            # What is closed before all of it was read is reset, and its answer lost.
            while request.readline().strip():
                pass
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name.encode()))
