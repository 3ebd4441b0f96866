# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of a user's own systemd, which runs without a session of that user."""

from row import Row

ONE = {"name": "one", "ports": [84], "unit": "case.service", "scope": "user", "user": "caseu"}
UNIT = 'user_unit case.service "ExecStart=$(server 84)"\n'
# Who ends the process has it started again, with what it was granted.
KILLED = """
pkill -u caseu -f TCP-LISTEN:84
for _ in $(seq 40); do sleep 0.1; ! serves 84 2>/dev/null || exit 0; done
exit 1
"""

ROWS = (
    Row("a unit of a user's manager", UNIT, [ONE], "pass", {"one": "setcap"}, holds=KILLED),
    Row(
        "one that is to get what a user's manager has not",
        UNIT,
        [{**ONE, "strategy": "ambient"}],
        "refused",
        {"one": ""},
        says=["has no capability to give", "status 218"],
    ),
    Row(
        "one that listens on a high port, and its user does not linger",
        'user_unit case.service "ExecStart=$(server 8084)"\nrm /var/lib/systemd/linger/caseu',
        [{**ONE, "backend_ports": {84: 8084}}],
        "pass",
        {"one": "redirect"},
        says=["loginctl enable-linger caseu"],
        holds="serves 84",
    ),
    Row(
        "one whose sandbox costs it what its file may have",
        UNIT.replace('"ExecStart', 'LockPersonality=yes "ExecStart'),
        [ONE],
        "refused",
        {"one": ""},
        says=["implied by LockPersonality=yes"],
    ),
    Row(
        "one that the manager does not know",
        UNIT,
        [{**ONE, "unit": "other.service"}],
        "refused",
        {"one": ""},
        says=["the manager of user caseu tells of no service 'other.service'"],
    ),
    Row(
        "one that is said to be the system's",
        UNIT,
        [{"name": "one", "ports": [84], "unit": "case.service", "user": "caseu"}],
        "refused",
        {"one": ""},
        says=["say scope: user and user: NAME as well"],
    ),
)
