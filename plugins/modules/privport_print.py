#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_print
short_description: Print text as it stands
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Prints text to the terminal and the log of Ansible, without quotes, colours or line breaks of its own, where
    M(ansible.builtin.debug) prints JSON.
  - It runs on the controller, as the action plugin of this name, and does not connect to the host.
extends_documentation_fragment:
  - netbind.privport._attributes.on_controller
  - netbind.privport._attributes.synchronous
  - netbind.privport._attributes.observes
  - netbind.privport._attributes
options:
  text:
    description: The text, of any number of lines.
    type: str
    required: true
seealso:
  - plugin: netbind.privport.privport_plan_text
    plugin_type: filter
  - plugin: netbind.privport.privport_proof_text
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the plan of this host
  netbind.privport.privport_print:
    text: "{{ {inventory_hostname: plan} | netbind.privport.privport_plan_text }}"
"""

RETURN = r"""
text:
  description: The text.
  returned: with C(-v)
  type: str
"""
