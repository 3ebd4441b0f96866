# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""server.py PORT [--udp] [--delay SECONDS] [--name NAME]: listens, after a while, under a name of its choice."""

from __future__ import annotations

import argparse
import socket
import time

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--udp", action="store_true")
parser.add_argument("--delay", type=float, default=0)
parser.add_argument("--name")
options = parser.parse_args()

if options.name:
    with open("/proc/self/comm", "w") as comm:
        comm.write(options.name)
time.sleep(options.delay)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if options.udp else socket.SOCK_STREAM) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("0.0.0.0", options.port))
    if options.udp:
        while True:
            server.recv(1)
    server.listen()
    while True:
        server.accept()[0].close()
