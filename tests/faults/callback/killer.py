# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the whole play, as the end of its machine would, at the first change that a host reports."""

from __future__ import annotations

DOCUMENTATION = """
name: killer
type: notification
short_description: Kill the play at its first change
description: Sends SIGKILL to the process group of the play when a host reports a change.
"""

import os
import signal

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "killer"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result):
        if result.is_changed():
            self._display.display(f"killed after {result.task_name} on {result._host.get_name()}")
            os.killpg(os.getpgid(0), signal.SIGKILL)
