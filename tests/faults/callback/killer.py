# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the whole play, as the end of its machine would."""

from __future__ import annotations

DOCUMENTATION = """
name: killer
type: notification
short_description: Kill the play at its first change, or in the middle of one host
description:
  - Sends SIGKILL to the play and all that it started when a host reports a change. With PRIVPORT_KILL_HOST in the
    environment it does so PRIVPORT_KILL_AFTER seconds after that host was told to give its services their ports.
"""

import os
import threading

from ansible.plugins.callback import CallbackBase
from faults import machine


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "killer"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_start(self, host, task):
        if task.action.endswith(".privport") and host.get_name() == os.environ.get("PRIVPORT_KILL_HOST"):
            threading.Timer(float(os.environ["PRIVPORT_KILL_AFTER"]), machine.end).start()

    def v2_runner_on_ok(self, result):
        if "PRIVPORT_KILL_HOST" not in os.environ and result.is_changed():
            self._display.display(f"killed after {result.task_name} on {result._host.get_name()}")
            machine.end()
