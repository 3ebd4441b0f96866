# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one file by which OpenRC gives a service capabilities: the collection's own, which all of its scripts read.

openrc-run reads /etc/rc.conf.d/*.conf, then /etc/conf.d/NAME, then the script, each with the last word over the one
before.
"""

from __future__ import annotations

import shlex

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import script_word

FOLDER = "/etc/rc.conf.d"


def path(service: str) -> str:
    """Where it is for OpenRC's service of this name."""
    return f"{FOLDER}/privport-{script_word(service)}.conf"


def text(service: str, *, capability: str, heading: str) -> str:
    """An ambient capability for this service alone (openrc-run(8), capabilities; cap_iab(3))."""
    name = shlex.quote(service)
    return f'{heading}\ncase "$RC_SVCNAME" in {name}) capabilities="^{capability}" ;; esac\n'
