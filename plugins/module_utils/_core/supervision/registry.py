# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of supervisors."""

from __future__ import annotations

from typing import Mapping

from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.daemontools import Daemontools
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.init_scripts import Openrc, Sysv
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.runit import Runit
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.s6 import S6
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.supervisor import Supervisor
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.supervisord import Supervisord
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.user_manager import UserManager

SUPERVISORS: Mapping[str, Supervisor] = {
    it.kind: it for it in (Runit(), S6(), Daemontools(), Openrc(), Sysv(), Supervisord(), UserManager())
}
