# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a service description, in the words of Ansible's argument_spec.

The types let everything pass that service.parse_services() takes. Hence lists of choices have none here: Ansible
splits a text at its commas and leaves the blanks.
"""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import KINDS

STRATEGY_NAMES = ("unneeded", "socket", "ambient", "setcap", "authbind", "superserver", "redirect", "forward", "sysctl")
# What starts a program for each connection.
SUPERSERVERS = ("systemd", "xinetd", "inetd", "tcpserver", "tcpsvd", "s6", "nosh")
FORWARDERS = ("proxyd", "socat", "haproxy", "nginx")
STATES = ("present", "absent")
SCOPES = ("system", "user")
LISTENS = ("always", "on_demand")
WIDENS = ("bounding_set", "private_users")

SOCKET_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "backlog": {"type": "int"},
    "no_delay": {"type": "bool"},
    "reuse_port": {"type": "bool"},
    "address_allow": {"type": "list", "elements": "str"},
    "address_deny": {"type": "list", "elements": "str"},
}
MANAGER_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "kind": {"type": "str", "choices": list(KINDS), "required": True},
    "name": {"type": "str"},
}
SUPERSERVER_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "bind": {"type": "list", "elements": "str"},
    "only_from": {"type": "list", "elements": "str"},
    "instances": {"type": "int"},
    "per_source": {"type": "int"},
    "cps": {"type": "int"},
    "wait": {"type": "bool"},
    "log": {"type": "bool"},
}
SERVICE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "name": {"type": "str", "required": True},
    "ports": {"type": "list", "elements": "str", "required": True},
    "addresses": {"type": "list", "elements": "str"},
    "unit": {"type": "str"},
    "scope": {"type": "str", "choices": list(SCOPES), "default": "system"},
    "manager": {"type": "dict", "options": MANAGER_OPTIONS},
    "executable": {"type": "str"},
    "user": {"type": "str"},
    "strategy": {"type": "str", "choices": ["auto", *STRATEGY_NAMES], "default": "auto"},
    "instances": {"type": "list", "elements": "str"},
    "listens": {"type": "str", "choices": list(LISTENS), "default": "always"},
    "widen": {"type": "list", "elements": "str"},
    "timeout": {"type": "int"},
    "socket_activation": {"type": "bool", "default": False},
    "socket": {"type": "dict", "options": SOCKET_OPTIONS},
    "backend_ports": {"type": "dict"},
    "forward_with": {"type": "str", "choices": list(FORWARDERS)},
    "families": {"type": "list", "elements": "str"},
    "superserver": {"type": "str", "choices": list(SUPERSERVERS)},
    "superserver_options": {"type": "dict", "options": SUPERSERVER_OPTIONS},
    # A list of words, or a text that is split as a shell does: Ansible's list would split it at its commas.
    "command": {"type": "raw"},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
}
# The option of a module that takes descriptions.
SERVICES: Mapping[str, Any] = {"type": "list", "elements": "dict", "default": [], "options": SERVICE_OPTIONS}
