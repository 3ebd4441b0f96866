# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints text as it stands, where ansible.builtin.debug prints JSON; modules/privport_print.py documents it."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _valid, arguments = self.validate_argument_spec(argument_spec={"text": {"type": "str", "required": True}})
        self._display.display(arguments["text"])
        # Who asks for more sees the result as well, where the text would stand again in quotes.
        return {"changed": False, **({"text": arguments["text"]} if self._display.verbosity else {})}
