# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SELinux or AppArmor refuse the service, whatever it was granted."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.confinement.policy import Confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason, Unknown

# What does not depend on a privileged port.
_OF_EVERY_PORT = ("selinux_port", "selinux_node", "confinement")


def refused(case: Case) -> tuple[Reason, ...]:
    """What stands in the way of a process that binds by itself with a capability."""
    found = case.facts.confinement
    return _reasons(found, found.refusals) if found else ()


def refused_authbind(case: Case) -> tuple[Reason, ...]:
    """What stands in the way of authbind."""
    found = case.facts.confinement
    return _reasons(found, found.authbind) if found else ()


def refused_port(case: Case) -> tuple[Reason, ...]:
    """What stands in the way of a process that needs no privilege."""
    return tuple(reason for reason in refused(case) if reason.code in _OF_EVERY_PORT)


def _reasons(found: Confinement, refusals: tuple[Reason, ...]) -> tuple[Reason, ...]:
    if not found.enforced:
        return ()
    return refusals + tuple(Unknown("confinement", text, found.subject or "not root") for text in found.unknown)


def warnings(case: Case) -> tuple[str, ...]:
    """What would be refused if it were enforced."""
    found = case.facts.confinement
    if found is None or found.enforced:
        return ()
    return tuple(f"{found.module} does not enforce this now, and would refuse it: {it.text}" for it in found.refusals)
