# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way from a module's options to its result: no traceback reaches a user."""

from __future__ import annotations

from typing import Any, Callable, ContextManager, Dict, Mapping, Protocol

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError

Run = Callable[..., Dict[str, Any]]


class Locked(Protocol):
    """A host with its lock on grants."""

    def locked(self, *, needed: bool) -> ContextManager[None]:
        """Hold it, where that is needed."""


def run_module(
    run: Run, *, argument_spec: Mapping[str, Any], host: Locked, locks: bool = False, **options: Any
) -> None:
    """Run a module: run(params, host=, check_mode=) gives its result, in which 'failed' and 'warnings' may stand.

    locks: outside check mode it holds the host's lock on grants.
    PrivportError, and an OSError that nobody foresaw, end it with one sentence.
    """
    module = AnsibleModule(argument_spec=dict(argument_spec), supports_check_mode=True, **options)
    try:
        with host.locked(needed=locks and not module.check_mode):
            result = run(module.params, host=host, check_mode=module.check_mode)
    except PrivportError as error:
        result = {"failed": True, "msg": str(error)}
    except OSError as error:
        result = {"failed": True, "msg": _unforeseen(error)}
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def _unforeseen(error: OSError) -> str:
    where = "" if error.filename is None else f"{error.filename}: "
    return f"{where}{error.strerror or error}, which this collection did not foresee; see dmesg, and report it"
