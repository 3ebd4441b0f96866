# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which authbind rule files to write or remove, so that one user or group may bind ports and nobody else.

How `auto` chooses, for each port: byuid where the user's lines permit just that already; else byaddr when
addresses are given and byport when not, unless that file would take the port from somebody whom a rule behind it
admits: then byuid, which takes nothing from anyone.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind import rules as authbind
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.byuid import (
    EVERY_ADDRESS,
    Scope,
    missing_ports,
    parse_byuid,
    with_ports,
    without_port,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import Principal, RuleFile, Verdict
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import Entry, gone
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import file as file_entry
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, Refused

METHODS = ("auto", "byport", "byaddr", "byuid")
STATES = ("present", "absent")
# (uid_t)-1 is nobody's number: a member of a group who owns none of the files.
_NOBODY = 2**32 - 1


class Grantee(NamedTuple):
    """Who is to bind: a user with all its groups, or a group (gids is then that one)."""

    kind: str
    name: str
    number: int
    gids: FrozenSet[int]

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"

    @property
    def principal(self) -> Principal:
        return Principal(uid=self.number if self.kind == "user" else _NOBODY, gids=self.gids)

    def owns(self, file: Optional[RuleFile]) -> bool:
        """Whether the file is a rule for this grantee.

        One of root and another group is somebody's decision, and so is one with an access control list.
        """
        if file is None or file.acl is not None:
            return False
        if self.kind == "user":
            return file.uid == self.number
        return file.uid == 0 and file.gid == self.number


def of_user(name: str, *, uid: int, gids: Iterable[int]) -> Grantee:
    return Grantee(kind="user", name=name, number=uid, gids=frozenset(gids))


class RuleChange(NamedTuple):
    """A file's state before and after; None where it does not exist."""

    before: Optional[RuleFile]
    after: Optional[RuleFile]

    @property
    def path(self) -> str:
        known = self.before or self.after
        return known.path if known else ""

    @property
    def entry(self) -> Entry:
        """The file as it is to be."""
        after = self.after
        if after is None:
            return gone(self.path)
        return file_entry(after.path, after.content, mode=after.mode, uid=after.uid, gid=after.gid)


class RulePlan(NamedTuple):
    """What to change, in the order of the paths, and sentences that the user should read."""

    changes: Tuple[RuleChange, ...]
    warnings: Tuple[str, ...]


class _Request(NamedTuple):
    grantee: Grantee
    ports: Tuple[int, ...]
    addresses: Tuple[str, ...]
    method: str

    @property
    def probes(self) -> Tuple[str, ...]:
        return self.addresses or authbind.WILDCARDS

    def verdict(self, rules: Mapping[str, RuleFile], *, port: int, address: str) -> Verdict:
        return authbind.judge(rules, principal=self.grantee.principal, port=port, address=address)


def plan_rules(
    rules: Mapping[str, RuleFile],
    *,
    grantee: Grantee,
    ports: Sequence[int],
    addresses: Sequence[str] = (),
    method: str = "auto",
    state: str = "present",
) -> RulePlan:
    """The changes that admit the grantee to the ports (present) or take its own rules away (absent).

    rules is every file in the three folders, by path, with authbind.FOLDERS where known. Empty addresses mean
    every address. InvalidInput for a request that authbind has no rule for; Refused when no rule could work or
    only by taking the port from somebody else. Rules of others are never changed.
    """
    request = _Request(
        grantee=grantee,
        ports=tuple(sorted({authbind.check_port(port) for port in ports})),
        addresses=tuple(dict.fromkeys(authbind.canonical_address(address) for address in addresses)),
        method=method,
    )
    _check(request, state=state)
    after = dict(rules)
    if state == "present":
        _grant(after, request)
        _require_allowed(after, request)
    else:
        for port in request.ports:
            _revoke(after, request, port)
    paths = sorted({*rules, *after})
    changes = tuple(
        RuleChange(rules.get(path), after.get(path)) for path in paths if rules.get(path) != after.get(path)
    )
    return RulePlan(changes, tuple(dict.fromkeys(_warnings(after, request, state=state))))


def applied(rules: Mapping[str, RuleFile], changes: Sequence[RuleChange]) -> Dict[str, RuleFile]:
    """The rules as they are once the changes are made."""
    after = dict(rules)
    for change in changes:
        after.pop(change.path, None)
        if change.after is not None:
            after[change.path] = change.after
    return after


def in_vain(changes: Sequence[RuleChange]) -> str:
    """Why some of these files would permit nothing on a mount with the option noexec; '' where none needs execution."""
    written = [it.path for it in changes if it.after is not None and not it.path.startswith(authbind.BYUID)]
    if not written:
        return ""
    return f"{written[0]} would be in vain because its mount is noexec; use method=byuid with a user"


def concerned(
    rules: Mapping[str, RuleFile], *, grantee: Grantee, ports: Sequence[int], addresses: Sequence[str] = ()
) -> Tuple[RuleFile, ...]:
    """The existing files that bear upon these binds of the grantee, sorted by path."""
    wanted = set()
    for port in ports:
        wanted.add(authbind.byport_path(port))
        wanted.update(_byaddr_files(rules, port=port, addresses=addresses))
        if grantee.kind == "user":
            wanted.add(authbind.byuid_path(port=port, uid=grantee.number))
    return tuple(rules[path] for path in sorted(wanted) if path in rules)


def _check(request: _Request, *, state: str) -> None:
    grantee = request.grantee
    if grantee.number == 0:
        raise InvalidInput(f"{grantee.kind}: {grantee.name} needs no rule, root binds every port; name another")
    if request.method == "byuid" and grantee.kind == "group":
        raise InvalidInput(f"method: byuid knows users only, not {grantee}; give user, or use byport or byaddr")
    if request.method == "byport" and request.addresses:
        raise InvalidInput("method: byport admits to every address; leave addresses out or use method=byaddr")
    if request.method == "byaddr" and not request.addresses and state == "present":
        raise InvalidInput("method: byaddr needs addresses; name at least one, such as 192.0.2.1")


def _grant(after: Dict[str, RuleFile], request: _Request) -> None:
    by_line: List[int] = []
    for port in request.ports:
        byport = after.get(authbind.byport_path(port))
        if byport is not None and not request.grantee.owns(byport):
            continue  # It is final: either it admits the grantee already, or nothing can.
        method = _method(after, request, port)
        if method == "byuid":
            by_line.append(port)
        elif method == "byport":
            _put(after, request.grantee, authbind.byport_path(port))
        else:
            _grant_addresses(after, request, port)
    _grant_lines(after, request, by_line)


def _method(rules: Mapping[str, RuleFile], request: _Request, port: int) -> str:
    method = request.method
    if method == "auto":
        if _lines_decide(rules, request, port):
            return "byuid"
        method = "byaddr" if request.addresses else "byport"
    if method == "byuid":
        return method
    displaced = _displaced(rules, request, port)
    if displaced is None:
        return method
    if request.method == "auto" and request.grantee.kind == "user":
        return "byuid"
    raise Refused(
        f"ports: a {method} rule for {port} would take it from whom {displaced} admits, because authbind asks no "
        "rule behind it; grant each user by method=byuid, or remove that rule first"
    )


def _lines_decide(rules: Mapping[str, RuleFile], request: _Request, port: int) -> bool:
    """Whether the user's byuid lines are what permits all that is asked."""
    if request.grantee.kind != "user":
        return False
    path = authbind.byuid_path(port=port, uid=request.grantee.number)
    decided = all(request.verdict(rules, port=port, address=address).deciding == path for address in request.probes)
    return decided and not any(missing_ports(rules[path].content, scope, [port]) for scope in _scopes(request))


def _displaced(rules: Mapping[str, RuleFile], request: _Request, port: int) -> Optional[str]:
    """The first rule of somebody else that a new byport or byaddr file would hide; None when there is none."""
    if authbind.byport_path(port) in rules:
        return None  # Ours, and they are hidden already.
    if not request.addresses:
        for path in _byaddr_files(rules, port=port, addresses=()):
            if not request.grantee.owns(rules[path]):
                return path
    for path, file in sorted(rules.items()):
        uid = path.rpartition("/")[2].lstrip("!")
        others = uid.isdecimal() and path == authbind.byuid_path(port=port, uid=int(uid))
        if others and int(uid) != request.grantee.principal.uid and _hides(rules, request, port, file):
            return path
    return None


def _hides(rules: Mapping[str, RuleFile], request: _Request, port: int, byuid: RuleFile) -> bool:
    grants = [line.grant for line in parse_byuid(byuid.content) if line.grant is not None]
    if not request.addresses:
        return any(grant.first_port <= port <= grant.last_port for grant in grants)
    for address in request.addresses:
        version, number = authbind.parse_address(address)
        covered = any(grant.covers(version=version, number=number, port=port) for grant in grants)
        if covered and not _byaddr_files(rules, port=port, addresses=(address,)):
            return True
    return False


def _put(after: Dict[str, RuleFile], grantee: Grantee, path: str) -> None:
    """Make the file admit the grantee alone; what it holds is nothing to authbind and stays."""
    old = after.get(path)
    # root, the owner of a group's file, never asks authbind.
    alone, classes = (0o100, 0o111) if grantee.kind == "user" else (0o010, 0o011)
    if old is not None and old.mode & classes == alone:
        return
    content = old.content if old is not None else ""
    if grantee.kind == "user":
        after[path] = RuleFile(path=path, uid=grantee.number, gid=0, mode=0o500, content=content)
    else:
        after[path] = RuleFile(path=path, uid=0, gid=grantee.number, mode=0o710, content=content)


def _grant_addresses(after: Dict[str, RuleFile], request: _Request, port: int) -> None:
    # Our own byport file admits to every address, which is more than is asked now.
    after.pop(authbind.byport_path(port), None)
    for address in request.addresses:
        deciding = next(iter(_byaddr_files(after, port=port, addresses=(address,))), None)
        if deciding is None:
            new = next(path for path in authbind.byaddr_paths(port=port, address=address) if "," in path)
            _put(after, request.grantee, new)
        elif request.grantee.owns(after[deciding]):
            _put(after, request.grantee, deciding)


def _grant_lines(after: Dict[str, RuleFile], request: _Request, ports: Sequence[int]) -> None:
    by_file: Dict[str, List[int]] = {}
    for port in ports:
        # Our own files would decide before the lines, and keep others' lines from being asked.
        after.pop(authbind.byport_path(port), None)
        for address in request.addresses:
            for path in _byaddr_files(after, port=port, addresses=(address,)):
                if request.grantee.owns(after[path]):
                    del after[path]
        by_file.setdefault(authbind.byuid_path(port=port, uid=request.grantee.number), []).append(port)
    for path, here in by_file.items():
        _add_lines(after, path, request, here)


def _add_lines(after: Dict[str, RuleFile], path: str, request: _Request, ports: Sequence[int]) -> None:
    old = after.get(path)
    before = old.content if old is not None else ""
    content = with_ports(before, _scopes(request), ports)
    # Whoever can write the file can permit himself everything.
    sealed = old is not None and old.uid == 0 and not old.mode & 0o022
    if content != before or not sealed:
        after[path] = RuleFile(path=path, uid=0, gid=0, mode=0o644, content=content)


def _scopes(request: _Request) -> Tuple[Scope, ...]:
    if not request.addresses:
        return EVERY_ADDRESS
    parsed = ((address, *authbind.parse_address(address)) for address in request.addresses)
    return tuple((text, version, number, number) for text, version, number in parsed)


def _byaddr_files(rules: Mapping[str, RuleFile], *, port: int, addresses: Sequence[str]) -> Tuple[str, ...]:
    """The existing byaddr files for the port, in authbind's order for each address; no addresses means all."""
    if addresses:
        asked = (path for address in addresses for path in authbind.byaddr_paths(port=port, address=address))
        return tuple(path for path in asked if path in rules)
    return tuple(path for path in sorted(rules) if _is_byaddr_file(path, port))


def _is_byaddr_file(path: str, port: int) -> bool:
    folder, _slash, name = path.rpartition("/")
    address = name.lstrip("!")[: -len(f",{port}")]
    try:
        return folder == authbind.BYADDR and path in authbind.byaddr_paths(port=port, address=address)
    except InvalidInput:
        return False


def _require_allowed(after: Mapping[str, RuleFile], request: _Request) -> None:
    for port in request.ports:
        for address in request.probes:
            verdict = request.verdict(after, port=port, address=address)
            if not verdict.allowed:
                raise Refused(_refusal(verdict, request, port))


def _refusal(verdict: Verdict, request: _Request, port: int) -> str:
    if verdict.deciding in authbind.FOLDERS:
        way_out = "give that folder mode 0755"
    else:
        way_out = (
            "take that rule away first if nothing needs it, then grant every user of the port by method=byuid "
            "or let them share a group"
        )
    return f"ports: {port} cannot be granted to {request.grantee}: {verdict.reason}; {way_out}"


def _revoke(after: Dict[str, RuleFile], request: _Request, port: int) -> None:
    grantee = request.grantee
    byport = authbind.byport_path(port)
    if request.method in ("auto", "byport") and not request.addresses and grantee.owns(after.get(byport)):
        del after[byport]
    if request.method in ("auto", "byaddr"):
        for path in _byaddr_files(after, port=port, addresses=request.addresses):
            if grantee.owns(after[path]):
                del after[path]
    if request.method in ("auto", "byuid") and grantee.kind == "user":
        _cut_lines(after, request, port)


def _cut_lines(after: Dict[str, RuleFile], request: _Request, port: int) -> None:
    path = authbind.byuid_path(port=port, uid=request.grantee.number)
    old = after.get(path)
    if old is None:
        return
    content = without_port(
        old.content,
        port,
        named={authbind.parse_address(address) for address in request.addresses},
        served=(512, 1023) if port >= authbind.FIRST_MARKED_PORT else (1, 511),
    )
    if content == old.content:
        return
    if content.strip():
        after[path] = RuleFile(path=path, uid=old.uid, gid=old.gid, mode=old.mode, content=content)
    else:
        del after[path]


def _warnings(after: Mapping[str, RuleFile], request: _Request, *, state: str) -> Iterator[str]:
    for port in request.ports:
        yield from _ignored_lines(after, request, port)
        for address in request.probes:
            verdict = request.verdict(after, port=port, address=address)
            if verdict.allowed and state == "absent":
                yield f"{request.grantee} may still bind port {port} on {address}: {verdict.reason}"
            elif verdict.allowed and _admits_everyone(after.get(verdict.deciding or "")):
                yield f"{verdict.deciding} admits every user of the host to port {port}; it is not ours and stays"
        if request.addresses and state == "present":
            yield from _beyond(after, request, port)


def _admits_everyone(file: Optional[RuleFile]) -> bool:
    return file is not None and not file.path.startswith(authbind.BYUID) and bool(file.mode & 0o001)


def _beyond(after: Mapping[str, RuleFile], request: _Request, port: int) -> Iterator[str]:
    for address in authbind.WILDCARDS:
        verdict = request.verdict(after, port=port, address=address)
        if verdict.allowed and address not in request.addresses:
            yield f"{request.grantee} may bind port {port} on {address} as well: {verdict.reason}"


def _ignored_lines(after: Mapping[str, RuleFile], request: _Request, port: int) -> Iterator[str]:
    path = authbind.byuid_path(port=port, uid=request.grantee.number)
    if request.grantee.kind != "user" or path not in after:
        return
    for line in parse_byuid(after[path].content):
        if line.problem is not None:
            yield f"authbind ignores line {line.number} of {path} ({line.raw.strip()!r}): {line.problem}"
