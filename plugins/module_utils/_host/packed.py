# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data as one string that travels between host and controller: nothing that Ansible would look into."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

# A look at hundreds of services is a few of them.
_MOST_BYTES = 1 << 28


def pack(data: Any) -> str:
    """JSON data as a string, equal for equal data."""
    return base64.b64encode(zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 1)).decode()


def unpack(text: str) -> Any:
    """The data that pack() made the string of. Raises ValueError for another string."""
    try:
        return json.loads(zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _MOST_BYTES).decode())
    except zlib.error as failure:
        raise ValueError(str(failure)) from failure
