# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a test has a module do: what comes of it is what the module's RETURN says."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any, Callable, Dict

import yaml

PACKAGE = "ansible_collections.netbind.privport.plugins.modules"
# What every result may hold (docs.ansible.com, Common return values).
_COMMON = {"changed", "failed", "msg", "diff", "warnings"}
# The function of a module that makes its result of its options.
_RUNS = ("carry_out_options", "carry_out", "run")


def documented(run: Callable[..., Dict[str, Any]], returned: Dict[str, Any]) -> Callable[..., Dict[str, Any]]:
    """The function, which fails where its result and the documentation differ."""
    always = {key for key, value in returned.items() if value["returned"] == "always"}
    success = {key for key, value in returned.items() if value["returned"] in ("always", "success")}

    @functools.wraps(run)
    def checked(*arguments: Any, **named: Any) -> Dict[str, Any]:
        result = run(*arguments, **named)
        assert set(result) - _COMMON <= set(returned), "RETURN lacks a key of this result"
        assert set(result) >= (always if result.get("failed") else success), "RETURN has a key that is not there"
        return result

    return checked


def pytest_configure() -> None:
    for path in Path(__file__).parents[2].joinpath("plugins/modules").glob("privport*.py"):
        module = importlib.import_module(f"{PACKAGE}.{path.stem}")
        name = next((it for it in _RUNS if hasattr(module, it)), None)
        if name is not None:
            setattr(module, name, documented(getattr(module, name), yaml.safe_load(module.RETURN)))
