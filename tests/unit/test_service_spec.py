# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service description is declared once: the parser, the modules, the roles and the documentation say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Mapping

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible_collections.netbind.privport.plugins.doc_fragments._services import ModuleDocFragment
from ansible_collections.netbind.privport.plugins.module_utils import _module
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import (
    Service,
    SocketOptions,
    parse_services,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import (
    MANAGER_OPTIONS,
    SERVICE_OPTIONS,
    SERVICES,
    SOCKET_OPTIONS,
    SUPERSERVER_OPTIONS,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.superserver_options import (
    SuperserverOptions,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import Manager
from ansible_collections.netbind.privport.plugins.modules import (
    privport,
    privport_info,
    privport_superserver,
    privport_verify,
)

ROOT = Path(__file__).parents[2]
FRAGMENT = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["services"]
WEB = {"name": "web", "ports": [80]}


def without_words(documented: Mapping[str, Any]) -> dict[str, Any]:
    """A documented option as an argument_spec has it."""
    plain = {key: value for key, value in documented.items() if key not in ("description", "options", "suboptions")}
    inner = documented.get("options", documented.get("suboptions"))
    return plain if inner is None else {**plain, "options": {key: without_words(it) for key, it in inner.items()}}


def renamed(documented: Any, *, option: str) -> Any:
    """The documentation of the option services in the words of a role's option of another name."""
    if isinstance(documented, dict):
        items = documented.items()
        return {"options" if key == "suboptions" else key: renamed(value, option=option) for key, value in items}
    if isinstance(documented, list):
        return [renamed(value, option=option) for value in documented]
    # The role's option takes a text as well, so that it is no list to Ansible.
    return documented.replace("O(services[]", f"O({option}") if isinstance(documented, str) else documented


def test_the_documentation_of_the_modules_says_what_is_declared() -> None:
    assert without_words(FRAGMENT) == SERVICES


def test_what_a_superserver_heeds_is_documented_alike() -> None:
    documented = yaml.safe_load(privport_superserver.DOCUMENTATION)["options"]["options"]
    assert documented["suboptions"] == FRAGMENT["suboptions"]["superserver_options"]["suboptions"]


@pytest.mark.parametrize("module", [privport, privport_info, privport_verify])
def test_a_module_declares_it(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Declared(Exception):
        pass

    def declare(*, argument_spec: Mapping[str, Any], **_others: Any) -> None:
        raise Declared(argument_spec["services"])

    monkeypatch.setattr(_module, "AnsibleModule", declare)
    with pytest.raises(Declared) as declared:
        module.main()
    assert declared.value.args == (SERVICES,)


@pytest.mark.parametrize(
    ("role", "entry", "option"),
    [
        ("privport", "main", "privport_services"),
        ("privport_verify", "main", "privport_verify_services"),
    ],
)
def test_a_role_documents_the_same(role: str, entry: str, option: str) -> None:
    path = ROOT / "roles" / role / "meta/argument_specs.yml"
    documented = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"][entry]["options"][option]
    assert documented["options"] == renamed(FRAGMENT["suboptions"], option=option)
    # Ansible's list refuses a text that holds one.
    assert (documented["type"], documented["default"]) == ("raw", [])


def test_the_parser_makes_a_field_of_each_key() -> None:
    # keep is the role's, not the description's, and the others are made of it.
    assert (*SERVICE_OPTIONS, "keep", "template", "instance", "declared") == Service._fields
    assert set(SOCKET_OPTIONS) == set(SocketOptions._fields)
    assert set(MANAGER_OPTIONS) == set(Manager._fields)
    assert set(SUPERSERVER_OPTIONS) == set(SuperserverOptions._fields)


OPTIONS = [
    *[("", key, option) for key, option in SERVICE_OPTIONS.items()],
    *[("socket", key, option) for key, option in SOCKET_OPTIONS.items()],
    *[("manager", key, option) for key, option in MANAGER_OPTIONS.items()],
    *[("superserver_options", key, option) for key, option in SUPERSERVER_OPTIONS.items()],
]
# One value for each key that is not its default, and what the parser makes of it.
READ = {
    "name": ("mail", "mail"),
    "ports": (["25"], ((25, "tcp"),)),
    "addresses": (["::1"], ("::1",)),
    "unit": ("mail", "mail.service"),
    "manager": ({"kind": "s6"}, Manager("s6", "web")),
    "executable": ("/opt/mail", "/opt/mail"),
    "user": ("mail", "mail"),
    "instances": (["a", 1], ("a", "1")),
    "widen": (["private_users"], ("private_users",)),
    "timeout": ("9", 9),
    "socket_activation": ("yes", True),
    "socket": ({"backlog": 5}, SocketOptions(backlog=5)),
    "backend_ports": ({80: 8080}, {"80": 8080}),
    "families": (["ipv6"], ("ipv6",)),
    "backlog": ("9", 9),
    "no_delay": ("no", False),
    "reuse_port": ("on", True),
    "address_allow": (["any"], ("any",)),
    "address_deny": (["any"], ("any",)),
    "superserver_options": ({"cps": 5}, SuperserverOptions(cps=5)),
    "command": ("/opt/mail 'a b'", ("/opt/mail", "a b")),
    "bind": (["::1"], ("::1",)),
    "only_from": (["10.1.2.3", "10.0.0.1/8"], ("10.1.2.3/32", "10.0.0.0/8")),
    **dict.fromkeys(("superserver_options.instances", "per_source", "cps"), ("9", 9)),
    "wait": ("yes", True),
    "log": ("no", False),
}
# Without which a key, or a value of it, means nothing.
STARTED = {"superserver": "systemd", "command": ["/opt/mail"], "user": "mail"}
BESIDE = {
    "instances": {"unit": "web@"},
    "name": {"kind": "runit"},
    "scope": {"unit": "a", "user": "a"},
    **dict.fromkeys(("superserver", "superserver_options", "command"), STARTED),
}


@pytest.mark.parametrize(("outer", "key", "option"), OPTIONS, ids=[f"{outer}.{key}" for outer, key, _ in OPTIONS])
def test_the_parser_reads_each_key_as_it_is_declared(outer: str, key: str, option: Mapping[str, Any]) -> None:
    def read(value: Any) -> Any:
        beside = BESIDE.get(key, {})
        if outer:
            inner = {**(beside if outer == "manager" else {}), key: value}
            more = STARTED if outer == "superserver_options" else {}
            return getattr(getattr(parse_services([{**WEB, **more, outer: inner}])[0], outer), key)
        more = STARTED if value == "superserver" else {}
        beside = beside if key != "name" else {}
        return getattr(parse_services([{**WEB, **more, **beside, key: value}])[0], key)

    for value, meant in (
        [(it, it) for it in option["choices"]] if "choices" in option else [READ.get(f"{outer}.{key}") or READ[key]]
    ):
        assert read(value) == meant
    if "choices" in option:
        with pytest.raises(InvalidInput, match=re.escape(f"choose one of {', '.join(option['choices'])}")):
            read("magic")
    if "default" in option:
        assert read(None) == option["default"]
    if option.get("required"):
        with pytest.raises(InvalidInput, match=key):
            read(None)


LEGAL = [
    WEB,
    {"name": "web", "ports": 80},
    {"name": "web", "ports": "80,443/udp, 8000-8010"},
    {"name": "web", "ports": "80 443"},
    {"name": 389, "ports": [80, "443/udp"]},
    {**WEB, "unit": "web", "executable": "/opt/web", "user": 990, "strategy": "setcap", "state": "absent"},
    *[{**WEB, "socket_activation": value} for value in (True, "yes", "On", "0", 1, "f")],
    *[{**WEB, "backend_ports": value} for value in ({80: 8080}, {"80": "8080"}, '{"80": "8080"}', "{80: 8080}")],
    *[{**WEB, "families": value} for value in ("ipv4", ["ipv4", "ipv6"], "ipv6, ipv4", "ipv6 ipv4", [])],
    {**WEB, "forward_with": "socat"},
    *[{**WEB, "manager": it} for it in ({"kind": "s6"}, '{"kind": "runit", "name": "web"}', "{'kind': 'sysv'}")],
    *[{**WEB, "widen": it} for it in ("bounding_set", "bounding_set, private_users", ["private_users"], [])],
    *[{**WEB, "unit": "web@", "instances": it} for it in ("a", "a,b", "a b", ["a", 1], [])],
    *[{**WEB, "addresses": it} for it in ("192.0.2.1", "192.0.2.1, ::1", ["fe80::1%eth0"], ["::1 192.0.2.1"], [])],
    *[{**WEB, "timeout": value} for value in (0, 90, "90")],
    {**WEB, "socket": {"backlog": "9", "no_delay": "yes", "reuse_port": False, "address_deny": "any"}},
    {**WEB, "socket": '{"backlog": 9, "address_allow": ["10.0.0.0/8", "::1"]}'},
    {**WEB, "socket": {"address_allow": "10.0.0.0/8, ::1"}},
    *[{**WEB, **STARTED, "command": it} for it in ("/opt/mail -x 'a, b'", ["/opt/mail", "-x", "a, b"], ["/opt/mail"])],
    {
        **WEB,
        **STARTED,
        "superserver_options": {"only_from": "::1, 10.0.0.0/8", "bind": "::1", "cps": "5", "wait": "no"},
    },
    {**WEB, **STARTED, "superserver_options": '{"instances": 5, "log": true}'},
]


@pytest.mark.parametrize("description", LEGAL, ids=str)
def test_what_the_parser_takes_passes_ansible_and_means_the_same(description: dict[str, Any]) -> None:
    checked = ArgumentSpecValidator({"services": SERVICES}).validate({"services": [description]})
    assert checked.error_messages == []
    assert parse_services(checked.validated_parameters["services"]) == parse_services([description])


def test_the_tags_that_ansible_puts_on_values_are_left_behind() -> None:
    (service,) = parse_services(DataLoader().load(json.dumps([{**WEB, "unit": "web.service", "user": 990}])))
    values = (service.name, service.unit, service.user, service.strategy, service.ports[0].number)
    assert [type(value) for value in values] == [str, str, str, str, int]


TABLE = (ROOT / "docs/services.md").read_text(encoding="utf-8").split("\n## The keys\n\n")[1].split("\n\n")[0]
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines()[2:]]


def test_the_table_of_the_readme_has_each_key_in_its_order() -> None:
    assert [key for key, _, _ in ROWS] == [f"`{key}`" for key in SERVICE_OPTIONS]


@pytest.mark.parametrize(("key", "meaning", "default"), ROWS)
def test_a_row_of_the_readme_says_what_is_declared(key: str, meaning: str, default: str) -> None:
    option = SERVICE_OPTIONS[key.strip("`")]
    assert (default == "required") is option.get("required", False)
    if "default" in option:
        assert default == f"`{json.dumps(option['default'])}`".replace('"', "")
    assert {f"`{it}`" for it in (*option.get("choices", ()), *option.get("options", ()))} <= set(
        re.findall("`[^`]+`", meaning)
    )
