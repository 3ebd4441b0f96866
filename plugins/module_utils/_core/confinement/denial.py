# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SELinux and AppArmor refused, from the log of the kernel or of auditd.

The text of the records: security/selinux/avc.c and security/apparmor/{capability,file,net}.c of the kernel.
"""

from __future__ import annotations

import re
from typing import Iterable, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat

# The comm of the collection's own trials, whose denials are nobody's fault.
TRIAL_COMM = "privport-trial"

_FORMS = (
    # /var/log/audit/audit.log
    re.compile(r"type=AVC msg=audit\((?P<when>[0-9.]+):[0-9]+\): (?P<body>.*)"),
    # journalctl --output=short-unix: the kernel's log, and the kernel's audit messages
    re.compile(r"[0-9.]+ \S+ kernel: audit: type=1400 audit\((?P<when>[0-9.]+):[0-9]+\): (?P<body>.*)"),
    re.compile(r"(?P<when>[0-9.]+) \S+ audit\[[0-9]+\]: AVC (?P<body>.*)"),
)
_FIELD = re.compile(r'(?P<name>[a-z_]+)=(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))')
_AVC = re.compile(r"avc:  (?P<verdict>denied|granted)  \{ (?P<permissions>[^}]+) \} for ")
# Fields that a user can choose: in hexadecimal where they hold a blank or a quotation mark (audit_log_untrustedstring).
_UNTRUSTED = ("comm", "profile", "name")


class Denial(NamedTuple):
    """One refusal. subject is the AppArmor profile or the SELinux context of the process."""

    module: str  # 'SELinux' or 'AppArmor'
    when: float  # seconds since the epoch
    pid: int
    comm: str
    subject: str
    what: str
    # The port that bind(2) was refused, None where it is not told.
    port: int | None
    # False where the module only wrote it down: a permissive domain, a profile in complain mode.
    enforced: bool

    def __str__(self) -> str:
        port = "" if self.port is None else f" (port {self.port})"
        verb = "denied" if self.enforced else "would deny"
        return f"{self.module} {verb} {self.comm} (pid {self.pid}, {self.subject}) {self.what}{port}"


def parse_denials(text: str) -> tuple[Denial, ...]:
    """The refusals in a log, in its order; all other lines are somebody else's.

    text: lines of audit.log, or of journalctl --output=short-unix. Raises UnknownFormat for a refusal without the
    fields that each has.
    """
    return tuple(_denials(text.split("\n")))


def _denials(lines: Iterable[str]) -> Iterable[Denial]:
    for line in lines:
        match = next((found for found in (form.match(line) for form in _FORMS) if found), None)
        if match is None:
            continue
        try:
            denial = _denial(match["body"], when=float(match["when"]))
        except (LookupError, ValueError) as failure:
            raise UnknownFormat(f"a record of the audit log is unlike those of the kernel: {line!r}") from failure
        if denial is not None:
            yield denial


def _denial(body: str, *, when: float) -> Denial | None:
    fields = {match["name"]: _value(match) for match in _FIELD.finditer(body)}
    avc = _AVC.match(body)
    if avc is not None:
        return _selinux(fields, when=when, permissions=avc["permissions"]) if avc["verdict"] == "denied" else None
    # Loading a profile makes records too (STATUS).
    return _apparmor(fields, when=when) if fields.get("apparmor") in ("DENIED", "ALLOWED") else None


def _value(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return match["quoted"]
    bare: str = match["bare"]
    return bytes.fromhex(bare).decode(errors="replace") if match["name"] in _UNTRUSTED else bare


def _selinux(fields: dict[str, str], *, when: float, permissions: str) -> Denial:
    port = fields.get("src")
    if "capability" in fields:
        what = f"capability {fields['capability']} ({permissions})"
    else:
        # A context is user:role:type:range (selinux(8)).
        what = f"{permissions} on {fields['tclass']} of type {fields['tcontext'].split(':')[2]}"
    return Denial(
        module="SELinux",
        when=when,
        pid=int(fields["pid"]),
        comm=fields["comm"],
        subject=fields["scontext"],
        what=what,
        port=None if port is None else int(port),
        enforced=fields.get("permissive", "0") == "0",
    )


def _apparmor(fields: dict[str, str], *, when: float) -> Denial:
    return Denial(
        module="AppArmor",
        when=when,
        pid=int(fields["pid"]),
        comm=fields["comm"],
        subject=fields["profile"],
        what=_apparmor_what(fields),
        port=None,
        enforced=fields["apparmor"] == "DENIED",
    )


def _apparmor_what(fields: dict[str, str]) -> str:
    if "capname" in fields:
        return f"capability {fields['capname']}"
    if "family" in fields:
        return f"{fields['operation']} of a socket: network {fields['family']} {fields.get('sock_type', '')}".strip()
    return f"{fields['operation']} {fields.get('name', '')}".strip()
