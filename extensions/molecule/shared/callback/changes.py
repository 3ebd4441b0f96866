# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down every change that a run of converge.yml reports, so that a prediction can be compared with it."""

from __future__ import annotations

DOCUMENTATION = """
name: changes
type: notification
short_description: Write down what changed
description: Writes the changed tasks of each host and their diffs to a JSON file, named after check mode or not.
"""

import json
import os
from pathlib import Path

from ansible import context
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "changes"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._file = None
        self._changes = {}

    def v2_playbook_on_start(self, playbook):
        if Path(playbook._file_name).name == "converge.yml":
            kind = "predicted" if context.CLIARGS["check"] else "real"
            self._file = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / f"{kind}.json"

    def v2_runner_on_ok(self, result):
        if result.is_changed():
            change = {"task": result.task_name, "diff": result._result.get("diff")}
            self._changes.setdefault(result._host.get_name(), []).append(change)

    def v2_playbook_on_stats(self, stats):
        # The idempotence step runs converge.yml once more: the first run is the one that was predicted.
        if self._file and not self._file.exists():
            self._file.write_text(json.dumps(self._changes, indent=1, sort_keys=True))
