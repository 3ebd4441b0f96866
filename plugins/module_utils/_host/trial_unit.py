# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a unit once that tells by its exit status what it may do; a part of the seam to the machine."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Callable, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._host.commands import Completed

_FOLDER = "/run/systemd/system"
# Before the number of the process that made it.
_NAME = "privport-trial-"


def start_once(run: Callable[[Sequence[str]], Completed], text: str, *, instance: str) -> Tuple[str, int] | None:
    """Result= and ExecMainStatus= (systemd.service(5)) of a unit with this text; None where it could not be started.

    instance: what %i is to stand for in the text, '' for nothing.
    """
    name = f"{_NAME}{os.getpid()}{'@' if instance else ''}{instance}.service"
    path = f"{_FOLDER}/{name}"
    _discard_left()
    try:
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except OSError:
        return None
    try:
        started = run(["systemctl", "start", "--", name])
        shown = run(["systemctl", "show", "--property=LoadState,Result,ExecMainStatus", "--", name]).checked().stdout
    except HostError:
        return None
    finally:
        with contextlib.suppress(HostError):
            run(["systemctl", "reset-failed", "--", name])
        os.unlink(path)
    found = dict(re.findall(r"(?m)^(\w+)=(.*)$", shown))
    if found.get("LoadState") != "loaded" or (started.rc != 0 and found["Result"] == "success"):
        # Where systemd refused the job, nothing was started.
        return None
    return found["Result"], int(found["ExecMainStatus"])


def _discard_left() -> None:
    """Remove what killed processes left behind."""
    with contextlib.suppress(OSError):
        for name in os.listdir(_FOLDER):
            made = re.match(re.escape(_NAME) + "([0-9]+)", name)
            if made and not os.path.exists(f"/proc/{made[1]}"):
                os.unlink(f"{_FOLDER}/{name}")
