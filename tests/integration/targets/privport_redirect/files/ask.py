# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what is answered on TCP ports 80 and 81 and UDP port 80 of each address, or the error's name."""

import errno
import socket
import sys

for address in sys.argv[1:]:
    for kind, port in ((socket.SOCK_STREAM, 80), (socket.SOCK_STREAM, 81), (socket.SOCK_DGRAM, 80)):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, kind) as client:
            client.settimeout(2)
            try:
                client.connect((address, port))
                client.send(b"?")
                print(client.recv(16).decode())
            except OSError as failure:
                print(errno.errorcode.get(failure.errno, failure))
