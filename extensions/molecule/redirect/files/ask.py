# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what the servers at these addresses answer on a port. Usage: ask.py SECONDS PORT ADDRESS…"""

from __future__ import annotations

import http.client
import sys

_program, seconds, port, *addresses = sys.argv
for address in addresses:
    asked = http.client.HTTPConnection(address, int(port), timeout=float(seconds))
    asked.request("GET", "/")
    print(asked.getresponse().read().decode().strip())
