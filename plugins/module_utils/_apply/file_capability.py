# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a program's file its capabilities, or take them, as the options of privport_setcap ask for."""

from __future__ import annotations

import posixpath
from typing import Any, Dict, NamedTuple, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import (
    DEFAULT_TEXT,
    OF_INTERPRETER,
    check_request,
    judge,
    obstacle,
    outcome_absent,
    outcome_present,
    shown,
    side_effects,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    FileCapabilities,
    describe,
    format_xattr,
    parse_text,
    same,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    InvalidInput,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.files import OpenFile
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import Processes
from ansible_collections.netbind.privport.plugins.module_utils._observe.program import (
    observe_capability,
    observe_ground,
    observe_program,
    why_failed,
)

UNREADABLE = "unreadable"
# The options of the file itself.
OF_FILE: Dict[str, Dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "capabilities": {"type": "str", "aliases": ["capability"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "merge": {"type": "bool", "default": False},
    "allow_interpreter": {"type": "bool", "default": False},
}


class Request(NamedTuple):
    """The options, understood; capabilities is None where all shall go."""

    path: str
    text: str
    capabilities: FileCapabilities | None
    present: bool
    merge: bool
    allow_interpreter: bool
    keep: Optional[bool] = None


class Outcome(NamedTuple):
    """What was done to the file, or would be."""

    real_path: str
    before: str
    after: str
    changed: bool
    warnings: tuple[str, ...] = ()
    # What became of the units that keep the capabilities, as diff mode shows it.
    units: Tuple[Dict[str, str], ...] = ()


def understand(*, params: dict[str, Any]) -> Request:
    """The request that the options make; raises InvalidInput or Refused for those that no file can meet."""
    path, present, text = params["path"], params["state"] == "present", params["capabilities"]
    if not posixpath.isabs(path) or "\0" in path:
        raise InvalidInput(f"path {path!r} is not an absolute path; write for example /usr/bin/caddy")
    if present and text is None:
        text = DEFAULT_TEXT
    capabilities = None if text is None else parse_text(text)
    if present and capabilities is not None:
        check_request(capabilities, text=text)
    return Request(
        path=path,
        text=text or "",
        capabilities=capabilities,
        present=present,
        merge=params["merge"],
        allow_interpreter=params["allow_interpreter"],
        keep=params.get("keep"),
    )


def carry_out(*, request: Request, host: Processes, check_mode: bool) -> Outcome:
    """Bring the file to what is requested, in check mode only tell; raises PrivportError."""
    real_path = host.resolve(request.path)
    try:
        with host.open_regular(real_path) as file:
            if request.present and request.capabilities is not None:
                wanted = request.capabilities
                return _present(request=request, wanted=wanted, file=file, host=host, check_mode=check_mode)
            return _absent(request=request, file=file, host=host, check_mode=check_mode)
    except HostError as failure:
        if not isinstance(failure.__cause__, (FileNotFoundError, NotADirectoryError)):
            raise
        if not request.present:
            return Outcome(real_path=real_path, before="", after="", changed=False)
        raise HostError(_missing(path=request.path, real_path=real_path)) from failure


def _missing(*, path: str, real_path: str) -> str:
    leads = "" if path == real_path else f" leads to {shown(real_path)}, which"
    return f"path {shown(path)}{leads} does not exist; install the program first, or correct the path"


def _present(
    *, request: Request, wanted: FileCapabilities, file: OpenFile, host: Processes, check_mode: bool
) -> Outcome:
    before, existing = _observe(file=file, strict=request.merge)
    outcome = outcome_present(existing, wanted=wanted, keep_others=request.merge)
    judgement = judge(observe_program(file, host=host), allow_interpreter=request.allow_interpreter)
    warnings = judgement.warnings + side_effects(existing, outcome)
    if same(existing, outcome):
        return Outcome(file.path, before, before, changed=False, warnings=judgement.refusals + warnings)
    if judgement.refusals:
        allowed = ", or say allow_interpreter: true" if judgement.refusals[-1].endswith(OF_INTERPRETER) else ""
        raise Refused(f"path {shown(request.path)} gets no capability: {'; '.join(judgement.refusals)}{allowed}")
    _change(file=file, host=host, outcome=outcome, check_mode=check_mode)
    return Outcome(file.path, before, describe(outcome), changed=True, warnings=warnings)


def _absent(*, request: Request, file: OpenFile, host: Processes, check_mode: bool) -> Outcome:
    before, existing = _observe(file=file, strict=request.capabilities is not None)
    outcome = outcome_absent(existing, unwanted=request.capabilities, text=request.text)
    if same(existing, outcome) and before != UNREADABLE:
        return Outcome(file.path, before, before, changed=False)
    _change(file=file, host=host, outcome=outcome, check_mode=check_mode)
    return Outcome(file.path, before, "" if outcome is None else describe(outcome), changed=True)


def _observe(*, file: OpenFile, strict: bool) -> tuple[str, FileCapabilities | None]:
    """The capabilities as text and as meaning; unless strict, what cannot be read is in no one's way."""
    try:
        existing = observe_capability(file)
    except HostError:
        if strict:
            raise
        return UNREADABLE, None
    return ("" if existing is None else describe(existing)), existing


def _change(*, file: OpenFile, host: Processes, outcome: FileCapabilities | None, check_mode: bool) -> None:
    hindrance = obstacle(observe_ground(file, host=host), path=file.path)
    if hindrance:
        raise HostError(hindrance)
    if check_mode:
        return
    try:
        if outcome is None:
            file.remove_capability()
        else:
            file.set_capability(format_xattr(outcome))
    except OSError as failure:
        raise HostError(why_failed(failure, path=file.path)) from failure
    found = observe_capability(file)
    if not same(found, outcome):
        raise HostError(
            f"the capabilities of {shown(file.path)} were changed, but read back as "
            f"{'none' if found is None else describe(found)}; another program or the file system interferes"
        )


def result_of(request: Request, outcome: Outcome) -> Dict[str, Any]:
    """The module's result."""
    diff = {
        "before_header": outcome.real_path,
        "after_header": outcome.real_path,
        "before": outcome.before and f"{outcome.before}\n",
        "after": outcome.after and f"{outcome.after}\n",
    }
    return {
        "changed": outcome.changed,
        "path": request.path,
        "real_path": outcome.real_path,
        "before": outcome.before,
        "after": outcome.after,
        "diff": [diff, *outcome.units] if outcome.units else diff,
        "warnings": list(outcome.warnings),
    }
