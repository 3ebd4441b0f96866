#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_stop
short_description: End a host without a failure
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Ends a host as one that could not be reached, with a sentence that says why. Of C(ansible-playbook)'s exit statuses
    2 says that a host failed and 4 that one was unreachable; it has none for a play that stopped of its own accord.
  - It runs on the controller, as the action plugin of this name, and does not connect to the host.
extends_documentation_fragment:
  - netbind.privport._attributes.on_controller
  - netbind.privport._attributes.synchronous
  - netbind.privport._attributes.observes
  - netbind.privport._attributes
options:
  msg:
    description: Why it ends.
    type: str
    required: true
seealso:
  - module: ansible.builtin.fail
"""

EXAMPLES = r"""
- name: Stop where nobody can tell whether it works
  netbind.privport.privport_stop:
    msg: "the proof is unknown: {{ privport_result.reasons | join('; ') }}"
  when: privport_result.verdict == 'unknown'
"""

RETURN = r"""
msg:
  description: Why it ended.
  returned: always
  type: str
"""
