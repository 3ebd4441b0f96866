# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service whose unit is a template stands for a service for each instance, and they have one drop-in in common."""

from __future__ import annotations

from typing import Mapping, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.name import (
    instance_of,
    is_template,
    template_of,
)

# What systemd is asked of where a template has no instance: nothing is ever started by it.
_ANY_INSTANCE = "privport"


def open_templates(services: Sequence[Service]) -> tuple[str, ...]:
    """The templates of services that name no instances, so that those count which run."""
    found = (template_of(it.unit) for it in services if (is_template(it.unit) or it.template) and not it.instances)
    return tuple(sorted(set(found)))


def members(services: Sequence[Service], running: Mapping[str, Sequence[str]]) -> tuple[Service, ...]:
    """The services, with one for each instance in the place of one whose unit is a template.

    running has the instances of each of open_templates(). An instance that another service names as its unit is that
    one's. Raises InvalidInput where two services come to the same name or instance.
    """
    named = {it.system_unit: it.name for it in services if not is_template(it.unit)}
    found = [member for service in services for member in _members(service, running, named=named)]
    names = [it.name for it in found]
    twice = next((name for name in names if names.count(name) > 1), "") if len(found) > len(services) else ""
    if twice:
        raise InvalidInput(f"service {twice!r}: name is used by two services; give each its own")
    return tuple(found)


def _members(
    service: Service, running: Mapping[str, Sequence[str]], *, named: Mapping[str, str]
) -> tuple[Service, ...]:
    if not is_template(service.unit):
        return (service,)
    units = [instance_of(service.unit, instance) for instance in service.instances]
    taken = next((unit for unit in units if unit in named), "")
    if taken:
        raise InvalidInput(
            f"service {service.name!r}: instances names {taken}, which is the unit of service {named[taken]!r}; "
            "name it in one of them"
        )
    units = units or [unit for unit in running.get(service.unit, ()) if unit not in named]
    if not units:
        unit = instance_of(service.unit, _ANY_INSTANCE)
        return (service._replace(unit=unit, template=service.unit, declared=service.name),)
    return tuple(_member(service, unit) for unit in units)


def _member(service: Service, unit: str) -> Service:
    instance = unit.rpartition(".")[0].partition("@")[2]
    # A plan names each by its own name, and may be described so again.
    suffix = f"[{instance}]"
    name = service.name if service.name.endswith(suffix) else service.name + suffix
    return service._replace(
        name=name,
        unit=unit,
        template=service.unit,
        instance=instance,
        declared=service.name,
        instances=(instance,) if service.instances else (),
    )
