# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What authbind's rule files come to, all together: who may bind, which rules are never asked, which are no rules.

authbind(1), "Access control": byport, then byaddr, then byuid; the first file that is there decides.
"""

from __future__ import annotations

import re
from typing import Iterator, Mapping, NamedTuple, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import AUTHBIND, Grant, Remark
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.byuid import ByuidLine, parse_byuid, pton
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import (
    BYADDR,
    BYPORT,
    BYUID,
    FIRST_MARKED_PORT,
    FIRST_PORT,
    FOLDERS,
    LAST_PORT,
    RuleFile,
    byport_path,
)

_BYPORT = re.compile(r"(?P<mark>!?)(?P<port>[1-9][0-9]*)")
_BYADDR = re.compile(r"(?P<mark>!?)(?P<address>.+)[,:](?P<port>[1-9][0-9]*)")
_BYUID = re.compile(r"(?P<mark>!?)(?P<uid>0|[1-9][0-9]*)")
_OTHERS, _GROUP, _OWNER = 0o001, 0o010, 0o100


class Authbind(NamedTuple):
    """The rule files by path, the names of the users and groups in them, and why authbind does not work at all."""

    rules: Mapping[str, RuleFile]
    users: Mapping[int, str]
    groups: Mapping[int, str]
    broken: str = ""


def grants_of_rules(found: Authbind) -> Tuple[Grant, ...]:
    """A grant for each rule file."""
    kinds = {BYPORT: _byport, BYADDR: _byaddr, BYUID: _byuid}
    files = ((file, *file.path.rpartition("/")[::2]) for path, file in found.rules.items())
    judged = (kinds[folder](found, file, name) for file, folder, name in files if folder in kinds)
    return tuple(it for it in judged if it.subject not in (*FOLDERS, BYUID))


def _grant(
    found: Authbind,
    file: RuleFile,
    *,
    holders: Tuple[str, ...] = (),
    ports: Tuple[str, ...] = (),
    why_not: str = "",
    evidence: str = "",
    remarks: Tuple[Remark, ...] = (),
) -> Grant:
    """The grant of a rule file, which works unless why_not, or what keeps authbind itself from working, says why."""
    reason = why_not or found.broken
    return Grant(
        mechanism=AUTHBIND,
        subject=file.path,
        holders=holders,
        ports=ports,
        effective=not reason,
        why_not=reason,
        file=file.path,
        evidence=evidence,
        remarks=remarks,
    )


def _owners(found: Authbind, file: RuleFile) -> str:
    user, group = found.users.get(file.uid, str(file.uid)), found.groups.get(file.gid, str(file.gid))
    return f"{user}:{group} {file.mode:04o}"


def _invalid(found: Authbind, file: RuleFile, why: str) -> Grant:
    remark = Remark("authbind-invalid-rule", f"{file.path} {why}")
    return _grant(found, file, why_not=why, evidence=_owners(found, file), remarks=(remark,))


def _name_problem(port: int, mark: str) -> str:
    if not FIRST_PORT <= port <= LAST_PORT:
        return f"names port {port}, which authbind does not handle"
    wanted = "!" if port >= FIRST_MARKED_PORT else ""
    return "" if mark == wanted else f"is never asked: from port {FIRST_MARKED_PORT} on a name begins with !, below not"


def _byport(found: Authbind, file: RuleFile, name: str) -> Grant:
    named = _BYPORT.fullmatch(name)
    problem = _name_problem(int(named["port"]), named["mark"]) if named else "has a name that is no port"
    return _invalid(found, file, problem) if problem or not named else _of_mode(found, file, named["port"])


def _byaddr(found: Authbind, file: RuleFile, name: str) -> Grant:
    named = _BYADDR.fullmatch(name)
    if not named or pton(named["address"]) is None:
        return _invalid(found, file, "has a name that is no address and port")
    problem = _name_problem(int(named["port"]), named["mark"])
    if problem:
        return _invalid(found, file, problem)
    before = byport_path(int(named["port"]))
    if before in found.rules:
        return _shadowed(found, file, (named["port"],), before)
    return _of_mode(found, file, named["port"])


def _shadowed(found: Authbind, file: RuleFile, ports: Tuple[str, ...], before: str) -> Grant:
    why_not = f"{before} is asked first, and decides"
    remark = Remark("authbind-shadowed-rule", f"{file.path} is never asked: {why_not}")
    return _grant(found, file, ports=ports, why_not=why_not, evidence=_owners(found, file), remarks=(remark,))


def _of_mode(found: Authbind, file: RuleFile, port: str) -> Grant:
    """access(2) with X_OK: whoever may execute the file may bind."""
    holders = [f"user {found.users.get(file.uid, file.uid)}"] if file.mode & _OWNER else []
    holders += [f"group {found.groups.get(file.gid, file.gid)}"] if file.mode & _GROUP else []
    if file.acl is not None:
        holders.append("those of its access control list")
    remarks: Tuple[Remark, ...] = ()
    if file.mode & _OTHERS:
        holders = ["every user"]
        remarks = (Remark("authbind-open-to-all", f"{file.path} lets every user bind port {port}"),)
    why_not = "" if holders else "its mode lets nobody execute it, so that it refuses everybody"
    evidence = _owners(found, file)
    return _grant(
        found, file, holders=tuple(holders), ports=(port,), why_not=why_not, evidence=evidence, remarks=remarks
    )


def _byuid(found: Authbind, file: RuleFile, name: str) -> Grant:
    named = _BYUID.fullmatch(name)
    if not named:
        return _invalid(found, file, "has a name that is no user id")
    lines = parse_byuid(file.content)
    asked = [(line, _asked(line, marked=bool(named["mark"]))) for line in lines if line.grant is not None]
    open_to = [(line, [it for it in ports if byport_path(it) not in found.rules]) for line, ports in asked]
    ports = tuple(dict.fromkeys(_written(ports) for _line, ports in open_to if ports))
    why_not = "" if ports else "none of its lines permits a port that authbind asks it for"
    return _grant(
        found,
        file,
        holders=(f"user {found.users.get(int(named['uid']), named['uid'])}",),
        ports=ports,
        why_not=why_not,
        evidence=" ".join(file.content.split()),
        remarks=tuple(_line_remarks(file, lines, asked={it.number: ports for it, ports in asked}, found=found)),
    )


def _line_remarks(
    file: RuleFile, lines: Tuple[ByuidLine, ...], *, asked: Mapping[int, list[int]], found: Authbind
) -> Iterator[Remark]:
    for line in lines:
        text = line.raw.strip()
        if line.problem:
            yield Remark("authbind-invalid-rule", f"{file.path}: authbind ignores the line {text!r}: {line.problem}")
        elif line.grant is not None and not asked[line.number]:
            yield Remark("authbind-shadowed-rule", f"{file.path} is not asked for the ports of its line {text!r}")
        elif line.grant is not None and all(byport_path(it) in found.rules for it in asked[line.number]):
            yield Remark("authbind-shadowed-rule", f"{file.path}: files in {BYPORT} are asked before its line {text!r}")


def _asked(line: ByuidLine, *, marked: bool) -> list[int]:
    """The ports of the line for which authbind asks this file: of one marked with ! those from 512 on."""
    if line.grant is None:
        return []
    first, last = (FIRST_MARKED_PORT, LAST_PORT) if marked else (FIRST_PORT, FIRST_MARKED_PORT - 1)
    return list(range(max(first, line.grant.first_port), min(last, line.grant.last_port) + 1))


def _written(ports: list[int]) -> str:
    return str(ports[0]) if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"
