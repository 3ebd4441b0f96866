# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends no more to the host than the task needs: without units that keep the capabilities, a fourth."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

# The options of the file itself; what is no option at all is refused by the module that the user named.
OF_FILE = {"path", "capabilities", "capability", "state", "merge", "allow_interpreter"}


class ActionModule(ActionBase):
    """The action plugin of the module of the same name."""

    _supports_check_mode = True
    _supports_diff = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        options = {name: value for name, value in arguments.items() if name != "keep" or value is not None}
        alone = options.keys() <= OF_FILE and options.get("state", "present") == "present"
        done: dict[str, Any] = self._execute_module(
            module_name=f"netbind.privport.privport_setcap{'_once' if alone else ''}",
            module_args=options,
            task_vars=task_vars,
            wrap_async=self._task.async_val,
        )
        return {**result, **done}
