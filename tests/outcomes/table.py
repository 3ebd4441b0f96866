# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All rows."""

import descriptions
import giving_up
import grants
import predictions
import proofs
import servers
import supervisors
import units
import user_units

ROWS = (
    *(*grants.ROWS, *giving_up.ROWS, *descriptions.ROWS),
    *(*proofs.ROWS, *predictions.ROWS, *units.ROWS, *supervisors.ROWS, *user_units.ROWS, *servers.ROWS),
)
