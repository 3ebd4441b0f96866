# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs privport_setcap with the parameters in argv[1] and prints what came of it, for tests inside other namespaces."""

from __future__ import annotations

import json
import sys

from ansible_collections.netbind.privport.plugins.module_utils._apply.file_capability import carry_out, understand
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import PrivportError
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

params = json.loads(sys.argv[1])
check_mode = params.pop("check_mode")
try:
    outcome = carry_out(request=understand(params=params), host=Host(), check_mode=check_mode)
except PrivportError as error:
    print(json.dumps({"msg": str(error)}))
else:
    print(json.dumps(outcome._asdict()))
