# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of the collection this is, as galaxy.yml has it: of an installed one that file is not there."""

from __future__ import annotations

VERSION = "1.0.0"
