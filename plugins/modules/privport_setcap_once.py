#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: privport_setcap_once
short_description: Let a program bind ports below 1024 by a file capability, without units that keep it
version_added: 1.0.0
description:
  - Does what M(netbind.privport.privport_setcap) does without O(netbind.privport.privport_setcap#module:keep).
    There are no units to write then, so that a fourth as much has to be sent to the host.
  - The action plugin of M(netbind.privport.privport_setcap) uses it. There is little reason to call it otherwise.
author:
  - The netbind.privport authors (@netbind)
requirements:
  - Python 3.8 or later on the host.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.changes
options:
  path:
    description: As of M(netbind.privport.privport_setcap).
    type: path
    required: true
  capabilities:
    description: As of M(netbind.privport.privport_setcap).
    type: str
    aliases: [capability]
  state:
    description:
      - As of M(netbind.privport.privport_setcap). Units that keep the capabilities are left as they are.
    type: str
    choices: [present, absent]
    default: present
  merge:
    description: As of M(netbind.privport.privport_setcap).
    type: bool
    default: false
  allow_interpreter:
    description: As of M(netbind.privport.privport_setcap).
    type: bool
    default: false
seealso:
  - module: netbind.privport.privport_setcap
"""

EXAMPLES = r"""
- name: Let Caddy bind ports 80 and 443 as its own user
  netbind.privport.privport_setcap_once:
    path: /usr/bin/caddy
"""

RETURN = r"""
path:
  description: The path as it was given.
  returned: success
  type: str
  sample: /usr/bin/editor
real_path:
  description: The file that was looked at or changed, after symbolic links.
  returned: success
  type: str
  sample: /usr/bin/vim.basic
before:
  description: The capabilities that the file had, in the form that C(getcap) prints, empty for none.
  returned: success
  type: str
  sample: ""
after:
  description: The capabilities that the file has now, or would have in check mode, in the same form.
  returned: success
  type: str
  sample: cap_net_bind_service=ep
"""

from typing import Any, Dict

from ansible_collections.netbind.privport.plugins.module_utils._apply.file_capability import (
    OF_FILE,
    carry_out,
    result_of,
    understand,
)
from ansible_collections.netbind.privport.plugins.module_utils._host.file_host import FileHost
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module


def carry_out_options(params: dict[str, Any], *, host: FileHost, check_mode: bool) -> Dict[str, Any]:
    """The module's result. Raises PrivportError; then the attribute is what it was before."""
    request = understand(params=params)
    return result_of(request, carry_out(request=request, host=host, check_mode=check_mode))


def main() -> None:
    run_module(carry_out_options, host=FileHost(), locks=True, argument_spec=OF_FILE)


if __name__ == "__main__":
    main()
