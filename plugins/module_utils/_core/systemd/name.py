# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of systemd units."""

from __future__ import annotations

import re

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput

# systemd.unit(5), DESCRIPTION: the valid characters, and at most 255 of them.
_UNIT_NAME = re.compile(r"[A-Za-z0-9:_.\\-]+(?:@[A-Za-z0-9:_.\\@-]*)?\.service")
# systemd.unit(5), DESCRIPTION: a name that ends otherwise is a service's, written short.
_OTHER_TYPES = (".socket", ".device", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".slice", ".scope")

_LOGIN = re.compile(r"session-(.+)\.scope|user@[0-9]+\.service")


def unit_name(name: str, *, where: str, template: bool = False) -> str:
    """The full name of a service unit, '.service' added where it is missing.

    Raises InvalidInput for paths, newlines, other unit types and, unless template says so, one without an instance.
    """
    full = name if name.endswith((".service", *_OTHER_TYPES)) else f"{name}.service"
    if not _UNIT_NAME.fullmatch(full) or len(full) > 255:
        raise InvalidInput(f"{where} is {name!r}; write the name of a service unit, such as 'caddy.service'")
    if is_template(full) and not template:
        raise InvalidInput(f"{where} is {name!r}, a template; name one of its instances, such as 'web@1.service'")
    return full


def is_template(unit: str) -> bool:
    """Whether a unit is a template, of which only instances run (systemd.unit(5), "Unit Templates")."""
    return unit.endswith("@.service")


def instance_of(template: str, instance: str) -> str:
    """The unit that is this instance of a template."""
    return template.replace("@.", f"@{instance}.")


def template_of(unit: str) -> str:
    """The template that a unit is an instance of, or that it is itself; '' for other units (systemd.unit(5))."""
    stem, at, _instance = unit.rpartition(".")[0].partition("@")
    return f"{stem}@.service" if at else ""


def session_of(unit: str) -> str | None:
    """The session of a process that a login started, '' where its user's manager did; None for no login.

    unit: the one that its control group names (pam_systemd(8), user@.service(5)).
    """
    found = _LOGIN.fullmatch(unit)
    return (found[1] or "") if found else None
