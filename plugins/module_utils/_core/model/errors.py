# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors that reaches a user.

Every message is a single sentence that names the option or file, its value and the way out.
"""

from __future__ import annotations


class PrivportError(Exception):
    """Anything that the collection cannot or will not do; str() of it is the message for the user."""


class InvalidInput(PrivportError):
    """An option or a service description is wrong; nothing was changed."""


class Refused(PrivportError):
    """The request is understood, but granting it would be in vain or dangerous; nothing was changed."""


class HostError(PrivportError):
    """The machine said no: a file, a mount or a command failed."""


class UnknownFormat(PrivportError):
    """A tool or kernel file printed something that the parser does not know; the line is quoted."""
