# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a machine with SELinux or AppArmor. ./run test-vm asks real ones."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.policy import Confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import HostError
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._host import trial
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Completed, Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import apparmor
from ansible_collections.netbind.privport.plugins.module_utils._observe.confinement import Confinements
from ansible_collections.netbind.privport.tests.unit.core import cases
from ansible_collections.netbind.privport.tests.unit.fake_host import FakeHost, fixture

INIT, DOMAIN, RC = ("system_u:system_r:" + name for name in ("init_t:s0", "httpd_t:s0", "initrc_t:s0"))
EXEC, BIN, LIB = ("system_u:object_r:" + name for name in ("httpd_exec_t:s0", "bin_t:s0", "lib_t:s0"))
AUTHBIND = "/usr/bin/authbind"
LABELS = {cases.SERVER: EXEC, AUTHBIND: BIN, "/usr/lib/authbind/helper": LIB}
KINDS = ("process", "capability", "tcp_socket", "udp_socket", "file")
PERMISSIONS = ("net_bind_service", "node_bind", "name_bind", "execute", "execute_no_trans", "noatsecure")
PORTS = fixture("semanage-port-policycoreutils3.4.txt")
ALLOWED = ((DOMAIN, "http_port_t", "name_bind"), (DOMAIN, "http_cache_port_t", "name_bind"))


def kernel_files(*, enforce: str = "1") -> Dict[str, str]:
    """/sys/fs/selinux: each kind has its place in KINDS as its number, each permission its place in PERMISSIONS."""
    files = {f"class/{kind}/index": str(number) for number, kind in enumerate(KINDS, start=1)}
    for kind in KINDS:
        files.update({f"class/{kind}/perms/{name}": str(bit) for bit, name in enumerate(PERMISSIONS, start=1)})
    files.update({"enforce": enforce, "initial_contexts/node": "system_u:object_r:node_t:s0\0"})
    return {**{f"/sys/fs/selinux/{name}": text for name, text in files.items()}, "/proc/1/attr/current": f"{INIT}\0"}


class SELinuxHost(FakeHost):
    """Everything is allowed but names of ports that ALLOWED does not name, and what denied names."""

    def __init__(
        self,
        *,
        denied: Sequence[Tuple[str, str, str]] = (),
        permissive: bool = False,
        ports: str = PORTS,
        local: str = "",
        **fields: Any,
    ) -> None:
        fields.setdefault("files", kernel_files())
        fields.setdefault("programs", ("semanage",))
        super().__init__(**fields)
        self.denied, self.permissive, self.ports, self.local = denied, permissive, ports, local

    def run(self, argv: Sequence[str], *, seconds: float = 0) -> Completed:
        self.ran.append(tuple(argv))
        stdout = self.local if "--locallist" in argv else self.ports
        return Completed(argv=tuple(argv), rc=0 if stdout or self.local else 1, stdout=stdout, stderr="")

    def security_label(self, path: str) -> str:
        return LABELS.get(path, "")

    def ask(self, path: str, question: str) -> str:
        source, target, _kind = question.split()
        if path.endswith("create"):
            return {(INIT, EXEC): DOMAIN, (INIT, BIN): RC, (RC, EXEC): DOMAIN}.get((source, target), source) + "\0"
        mask = sum(1 << bit for bit, name in enumerate(PERMISSIONS) if self._allows(source, target, name))
        return f"{mask:x} ffffffff 0 ffffffff 1 {int(self.permissive)}"

    def _allows(self, source: str, target: str, permission: str) -> bool:
        kind = target.split(":")[2]
        if permission == "name_bind" and kind != "node_t":
            return (source, kind, permission) in ALLOWED
        return (source, kind, permission) not in self.denied


def observed(
    host: Host, *ports: Port, authbind: str = AUTHBIND, label: Optional[str] = None, **fields: Any
) -> Optional[Confinement]:
    return Confinements(host, authbind=authbind).of(cases.facts(**fields), ports=ports or (Port(80),), label=label)


def codes(found: Optional[Confinement]) -> Tuple[List[str], List[str]]:
    assert found is not None
    return [it.code for it in found.refusals], [it.code for it in found.authbind]


@pytest.mark.parametrize(
    ("ports", "denied", "own", "through"),
    [
        ([Port(80)], [], [], []),
        ([Port(81)], [], ["selinux_port"], ["selinux_port"]),
        ([Port(80), Port(666)], [], ["selinux_port"], ["selinux_port"]),
        (
            [Port(80)],
            [(DOMAIN, "httpd_t", "net_bind_service")],
            ["selinux_capability"],
            ["selinux_capability"],
        ),
        ([Port(80)], [(DOMAIN, "node_t", "node_bind")], ["selinux_node"], ["selinux_node"]),
        ([Port(80)], [(DOMAIN, "lib_t", "execute")], [], ["selinux_authbind"]),
        ([Port(80)], [(DOMAIN, "lib_t", "execute_no_trans")], [], ["selinux_authbind"]),
        ([Port(80)], [(RC, "httpd_t", "noatsecure")], [], ["selinux_authbind"]),
    ],
)
def test_selinux(ports: Any, denied: Any, own: List[str], through: List[str]) -> None:
    found = observed(SELinuxHost(denied=denied), *ports)
    assert found is not None
    assert (found.module, found.subject, found.enforced, found.unknown) == ("SELinux", DOMAIN, True, ())
    assert codes(found) == (own, through)


def test_semanage_is_asked_once_for_all_services_and_ports() -> None:
    host = SELinuxHost()
    confinements = Confinements(host, authbind=AUTHBIND)
    for port in (80, 81, 443):
        confinements.of(cases.facts(), ports=[Port(port), Port(port + 1)], label=None)
    assert host.ran == [("semanage", "port", "--list", "--noheading")]


def test_a_local_definition_is_in_force() -> None:
    ports = PORTS + "http_port_t tcp 53\n"
    assert codes(observed(SELinuxHost(ports=ports, local="http_port_t tcp 53\n"), Port(53)))[0] == []
    found = observed(SELinuxHost(ports=ports), Port(53))
    assert found is not None
    assert (found.refusals, len(found.unknown)) == ((), 1)


@pytest.mark.parametrize("fields", [{"programs": ()}, {"ports": ""}])
def test_without_semanage_the_type_of_a_port_is_unknown(fields: Any) -> None:
    found = observed(SELinuxHost(**fields))
    assert found is not None
    assert found.unknown == ("SELinux's type of port 80 is unknown; install semanage, or see semanage port -l",)


@pytest.mark.parametrize(
    ("fields", "enforced"),
    [({}, True), ({"permissive": True}, False), ({"files": kernel_files(enforce="0")}, False)],
)
def test_what_is_enforced(fields: Any, enforced: bool) -> None:
    found = observed(SELinuxHost(**fields))
    assert found is not None
    assert found.enforced is enforced


@pytest.mark.parametrize(("said", "subject"), [("", DOMAIN), (RC, RC), (f"-{RC}", RC)])
def test_the_domain_that_the_unit_names(said: str, subject: str) -> None:
    found = observed(SELinuxHost(), properties={"SELinuxContext": said})
    assert found is not None
    assert found.subject == subject


@pytest.mark.parametrize("fields", [{"unit": None}, {"program": None}, {"program_fields": {"path": "/srv/unlabelled"}}])
def test_a_domain_that_nobody_can_foresee(fields: Any) -> None:
    assert observed(SELinuxHost(), **fields) is None


def test_without_authbind_it_is_not_judged() -> None:
    assert codes(observed(SELinuxHost(), Port(81), authbind="")) == (["selinux_port"], [])


def test_a_kernel_that_does_not_answer() -> None:
    class Silent(SELinuxHost):
        def ask(self, path: str, question: str) -> str:
            raise HostError(f"{path} does not answer")

    found = observed(Silent())
    assert found is not None
    assert found.unknown == ("how a security module confines it is unknown: /sys/fs/selinux/create does not answer",)


def test_the_kernels_answer_to_a_question() -> None:
    with pytest.raises(HostError, match="/nowhere/access does not answer to 'a b 1'"):
        Host().ask("/nowhere/access", "a b 1")
    assert Host().security_label("/nowhere") == ""


# --- AppArmor

PROFILES = {apparmor.PROFILES: fixture("apparmor-profiles-linux6.1.txt")}
FILES = {**PROFILES, "/etc/apparmor.d/opt.server": "profile server /opt/server {\n}\n"}
WORKED, REFUSED = "", "bind"


class TryingHost(FakeHost):
    """What each trial answers, and what was asked."""

    def __init__(self, *, files: Any = FILES, **answers: Any) -> None:
        super().__init__(files=files)
        plain = {
            "attached_profile": "server (enforce)\n",
            "bind_in_profile": WORKED,
            "authbind_in_profile": WORKED,
        }
        self.answers = {**plain, **answers}
        self.asked: List[Tuple[str, str]] = []

    def _answer(self, name: str, subject: str) -> Any:
        self.asked.append((name, subject))
        return self.answers[name]

    def attached_profile(self, path: str) -> Any:
        return self._answer("attached_profile", path)

    def bind_in_profile(self, profile: str, **wanted: Any) -> Any:
        assert wanted == {"port": 80, "protocol": "tcp", "comm": "privport-trial"}
        return self._answer("bind_in_profile", profile)

    def authbind_in_profile(self, profile: str, **wanted: Any) -> Any:
        assert (wanted["port"], wanted["uid"]) == (80, 990)
        return self._answer("authbind_in_profile", profile)


@pytest.mark.parametrize(
    ("answers", "own", "through"),
    [
        ({}, [], []),
        ({"bind_in_profile": REFUSED}, ["apparmor"], []),
        ({"authbind_in_profile": REFUSED}, [], ["apparmor"]),
        ({"authbind_in_profile": None}, [], []),
    ],
)
def test_apparmor(answers: Any, own: List[str], through: List[str]) -> None:
    host = TryingHost(**answers)
    found = observed(host)
    assert found is not None
    assert (found.module, found.subject, found.enforced, found.unknown) == ("AppArmor", "server", True, ())
    assert codes(found) == (own, through)
    assert host.asked[0] == ("attached_profile", cases.SERVER)
    assert all("/etc/apparmor.d/opt.server" in it.text for it in (*found.refusals, *found.authbind))


UNCONFINED = {"attached_profile": "unconfined\n"}


@pytest.mark.parametrize(
    ("properties", "answers", "label", "subject"),
    [
        ({"AppArmorProfile": "complaining"}, {}, None, "complaining"),
        ({"AppArmorProfile": "-nonet"}, {}, None, "nonet"),
        ({"AppArmorProfile": "-missing"}, {}, None, "server"),
        ({"AppArmorProfile": "missing"}, {}, None, "missing"),
        ({}, UNCONFINED, None, None),
        ({}, UNCONFINED, "nonet (enforce)\n", "nonet"),
    ],
)
def test_the_profile(properties: Any, answers: Any, label: Any, subject: Optional[str]) -> None:
    found = observed(TryingHost(**answers), properties=properties, label=label)
    assert (found.subject if found else None) == subject
    assert found is None or found.enforced is (subject != "complaining")


@pytest.mark.parametrize("answers", [{"attached_profile": None}, {"bind_in_profile": None}])
def test_what_cannot_be_tried_is_unknown(answers: Any) -> None:
    found = observed(TryingHost(**answers))
    assert found is not None
    assert (len(found.unknown), found.refusals) == (1, ())


@pytest.mark.parametrize(
    ("files", "port", "fields"),
    [
        ({}, 80, {}),
        ({apparmor.PROFILES: ""}, 80, {}),
        (FILES, 8080, {}),
        (FILES, 80, {"program": None}),
    ],
    ids=["no AppArmor", "no profile", "a port for everybody", "a program that is not there"],
)
def test_nothing_is_tried_in_vain(files: Any, port: int, fields: Any) -> None:
    host = TryingHost(files=files)
    assert observed(host, Port(port), **fields) is None
    assert host.asked == []


def test_real_trials_of_a_profile_that_is_not_loaded() -> None:
    tried: Dict[str, Any] = {"port": 80, "protocol": "tcp", "comm": "test"}
    assert Host().bind_in_profile("no-such-profile", **tried) is None
    assert Host().authbind_in_profile("no-such-profile", **tried, uid=65534, gid=65534, groups=(65534,)) is None
    assert Host().attached_profile("/nowhere") is None


@pytest.mark.parametrize("told", ["", "library", "socket", "bind"])
def test_a_trial_tells_how_it_ended(told: str) -> None:
    assert trial._tried(lambda: told) == told


@pytest.mark.parametrize(("end", "told"), [(lambda: os.kill(os.getpid(), 9), "bind"), (lambda: os._exit(255), None)])
def test_a_trial_that_is_killed_or_cannot_be_made(end: Any, told: Any) -> None:
    assert trial._tried(end) == told
