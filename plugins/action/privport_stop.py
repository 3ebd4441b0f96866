# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a host without a failure; modules/privport_stop.py documents it."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _valid, arguments = self.validate_argument_spec(argument_spec={"msg": {"type": "str", "required": True}})
        return {"changed": False, "unreachable": True, "msg": arguments["msg"]}
