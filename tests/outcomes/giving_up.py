# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that give capabilities up once they have bound, by whatever they got them."""

from row import Row

SERVICE = {"name": "one", "ports": [84], "unit": "case.service"}


def _row(sets, strategy, *, how, lines):
    return Row(
        f"{sets} capabilities are given up after bind, {how}",
        f"unit case.service User=casey {lines}",
        [{**SERVICE, **({"strategy": strategy} if strategy == "setcap" else {})}],
        "pass",
        {"one": strategy},
        holds="serves 84" + (" && [[ ! -e $units/case.service.d ]]" if "itself" in how else ""),
    )


ROWS = tuple(
    _row(sets, strategy, how=how, lines=lines.format(sets=sets))
    for sets in ("all", "ambient", "bounding")
    for strategy, how, lines in (
        ("ambient", "by ambient", '"ExecStart=$(python --drop {sets} 84)"'),
        ("setcap", "by setcap", '"ExecStart=$(own_python --drop {sets} 84)"'),
        (
            "ambient",
            "which the unit grants by itself",
            '"ExecStart=$(python --drop {sets} 84)" AmbientCapabilities=CAP_NET_BIND_SERVICE',
        ),
    )
)
