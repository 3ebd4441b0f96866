# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes how AppArmor confines a service, and tries what its profile allows."""

from __future__ import annotations

from typing import Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.confinement import policy as confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.denial import TRIAL_COMM
from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.policy import Confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Account
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Port
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

PROFILES = "/sys/kernel/security/apparmor/profiles"
_FOLDERS = ("/etc/apparmor.d", "/var/lib/snapd/apparmor/profiles")
# Modes in which the kernel refuses (aa_status(8)).
_ENFORCING = ("enforce", "kill")
_NOT_TRIED = "whether AppArmor's profile {} lets it bind could not be tried"


def confinement_of(
    host: Host,
    *,
    unit: Mapping[str, str],
    program: str,
    label: str | None,
    port: Port,
    account: Account | None,
) -> Confinement | None:
    """How AppArmor confines a service; None where it does not.

    unit: the properties of its unit, empty for none. program: its resolved path, '' for none. label: what
    confines its running main process, None for none. account: the user for whom authbind is tried, None for nobody.
    """
    modes = confinement.parse_profiles(host.read(PROFILES) or "")
    if not modes:
        return None
    named = unit.get("AppArmorProfile", "")
    if named and named[0] != "-" and named not in modes:
        missing = (confinement.not_loaded(named, path=confinement.profile_file(named, texts=_texts(host, named))),)
        return Confinement("AppArmor", subject=named, enforced=True, refusals=missing, authbind=missing, unknown=())
    found = _profile(host, unit=unit, program=program, label=label, modes=modes)
    if found is None:
        unknown = f"which AppArmor profile would confine {program} could not be tried; observe as root"
        return Confinement("AppArmor", subject="", enforced=True, refusals=(), authbind=(), unknown=(unknown,))
    profile, mode = found
    if profile == confinement.UNCONFINED:
        return None
    path = confinement.profile_file(profile, texts=_texts(host, profile))

    def judged(tried: str | None, *, authbind: bool) -> tuple[Reason, ...]:
        rule_of = confinement.helper_rule if authbind else confinement.capability_rule
        return confinement.judge_trial(tried or "", profile=profile, mode=mode, path=path, rule_of=rule_of)

    number, protocol = port
    bind = host.bind_in_profile(profile, port=number, protocol=protocol, comm=TRIAL_COMM)
    through = None
    if account:
        through = host.authbind_in_profile(
            profile,
            port=number,
            protocol=protocol,
            comm=TRIAL_COMM,
            uid=account.uid,
            gid=account.gid,
            groups=account.groups,
        )
    return Confinement(
        module="AppArmor",
        subject=profile,
        enforced=mode in _ENFORCING,
        refusals=judged(bind, authbind=False),
        authbind=judged(through, authbind=True),
        unknown=(_NOT_TRIED.format(profile),) if bind is None else (),
    )


def _profile(
    host: Host, *, unit: Mapping[str, str], program: str, label: str | None, modes: Mapping[str, str]
) -> tuple[str, str] | None:
    """The profile and mode that a new start of the service gets; None where that cannot be told."""
    # systemd.exec(5): a '-' lets the unit start where the profile is not loaded.
    named = unit.get("AppArmorProfile", "").lstrip("-")
    if named in modes:
        return named, modes[named]
    tried = host.attached_profile(program) if program else confinement.UNCONFINED
    attached = None if tried is None else confinement.parse_label(tried)
    if attached and attached[0] == confinement.UNCONFINED and label is not None:
        # It may have changed its profile by itself, or a wrapper runs the program that has one.
        return confinement.parse_label(label)
    return attached


def _texts(host: Host, profile: str) -> dict[str, str]:
    """The files that may define a profile: those that write its name, or that of its parent."""
    name = profile.partition("//")[0]
    return {path: text for folder in _FOLDERS for path, text in host.texts_with(folder, name).items()}
