# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on another host: asks a daemon in its own protocol until it answers, or says what it got instead.

Usage: ask.py HOST PORT tcp|udp|tls HEXADECIMAL REGULAR-EXPRESSION. Only the standard library of Python 3.9.
"""

import re
import socket
import ssl
import sys
import time

# From its start on until it answers: what listens at once may still load what it serves.
SECONDS = 30
PATIENCE = 3


def main():
    host, port, how, hexadecimal, expected = sys.argv[1:]
    deadline = time.monotonic() + SECONDS
    while True:
        got = attempt(host, int(port), how, bytes.fromhex(hexadecimal), expected)
        if re.search(expected, got):
            return
        if time.monotonic() > deadline:
            sys.exit(f"got {got!r}")
        time.sleep(0.3)


def attempt(host, port, how, question, expected):
    """What is answered, as Latin-1, or the error."""
    try:
        if how == "udp":
            return by_udp(host, port, question)
        with socket.create_connection((host, port), timeout=PATIENCE) as client:
            return handshake(client) if how == "tls" else by_tcp(client, question, expected)
    except OSError as error:
        return str(error)


def by_udp(host, port, question):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        # Not connected: TFTP answers from another port.
        client.sendto(question, (host, port))
        return client.recv(4096).decode("latin-1")


def handshake(client):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(client) as secure:
        return str(secure.version())


def by_tcp(client, question, expected):
    client.sendall(question)
    got = ""
    while not re.search(expected, got):
        part = client.recv(4096)
        if not part:
            break
        got += part.decode("latin-1")
    return got


if __name__ == "__main__":
    main()
