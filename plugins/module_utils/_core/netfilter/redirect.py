# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that lead a service's low ports to the high ports that it listens on, as text, and the unit that loads them.

Only what is for the host itself is redirected, from others and from the host (nft(8), fib and nat statements;
iptables-extensions(8), addrtype and DNAT). The client's address stays as it is, and where the tool can, so does the
one that it asked.
"""

from __future__ import annotations

import hashlib
import re
from typing import Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    OWN_FOLDER,
    File,
    Installation,
    Installed,
    heading,
    plain_name,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Desired,
    merged,
    of_file,
    without,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import FAMILIES, Port
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import redirect_script
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter.input_filter import Barrier
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER

NFTABLES, IPTABLES = "nftables", "iptables"
# What loads a host's own rules, and takes all others away by that: the redirect is loaded again with it.
_LOADERS = {
    NFTABLES: ("nftables.service",),
    IPTABLES: ("netfilter-persistent.service", "iptables.service", "ip6tables.service"),
}
_ENDINGS = {NFTABLES: "nft", IPTABLES: "iptables"}
_PROGRAMS = {"ipv4": "iptables", "ipv6": "ip6tables"}
SAVES = {family: f"{program}-save" for family, program in _PROGRAMS.items()}
# Of the chain for what the host itself sends; no other service's name becomes this, for / stands before two digits
# there. The kernel takes 28 characters (linux/netfilter/x_tables.h).
_OUTPUT = "/out"
_LONGEST_CHAIN = 28 - len(_OUTPUT)
# systemd.unit(5): names have at most 255 characters.
_LONGEST_UNIT = 255

# Rules that only a tool takes that can change a port alone.
PROBE = (
    "table inet privport_probe { chain output { type nat hook output priority -100; meta l4proto udp dnat to :9; }; }"
)


class Tool(NamedTuple):
    """What loads rules, nftables or iptables, and the paths of its programs by their names.

    keeps_address tells whether it can change a packet's port alone, which nft 0.9 cannot in the family inet.
    """

    name: str
    programs: Dict[str, str]
    keeps_address: bool = True


class Redirect(NamedTuple):
    """A low port, and the high one of the same protocol that takes its place."""

    port: Port
    to: int


class Ground(NamedTuple):
    """What a host offers to redirects of a service."""

    # None where there is neither nft nor iptables.
    tool: Optional[Tool]
    # Why the rules could not be loaded, '' where they could.
    refused: str
    barriers: Tuple[Barrier, ...]


class Rules(NamedTuple):
    """What is to be redirected for a service, and how it is loaded and taken away.

    kernel is the form in which Installed tells what is in force.
    """

    text: str
    kernel: Tuple[str, ...]
    load: Tuple[Tuple[str, ...], ...]
    unload: Tuple[Tuple[str, ...], ...]


def redirects(ports: Sequence[Port], backend_ports: Mapping[str, int], *, where: str) -> Tuple[Redirect, ...]:
    """The redirect of each port. Raises InvalidInput for a port without a backend."""
    for port in ports:
        if str(port.number) not in backend_ports:
            raise InvalidInput(f"{where} names no port for {port}; write one for each, such as {{{port.number}: 8080}}")
    return tuple(Redirect(port, backend_ports[str(port.number)]) for port in ports)


def parse_name(name: str) -> str:
    """A name that files, a unit and a table can have. Raises InvalidInput."""
    if not name.strip():
        raise InvalidInput(f"name is {name!r}; write the service's name, such as 'caddy'")
    unit_name(name)
    return name


def unit_name(service: str) -> str:
    """The unit that loads a service's rules. Raises InvalidInput for a name that no unit can have."""
    name = f"privport-redirect-{plain_name(service)}.service"
    if len(name) > _LONGEST_UNIT:
        raise InvalidInput(f"name is {service[:40]!r}…, too long for the name of a unit; choose a shorter one")
    return name


def starting(service: str, *, scripts: bool) -> str:
    """The name of what loads the rules at boot, the unit or the script."""
    return redirect_script.name(service) if scripts else unit_name(service)


def table_name(service: str) -> str:
    """Of the service's table, in characters that every nft takes."""
    return "privport_" + re.sub(r"[^A-Za-z0-9_.-]", lambda match: _escaped(match[0]), service)


def _escaped(character: str) -> str:
    return "".join(f"/{byte:02x}" for byte in character.encode())


def chain_names(service: str) -> Dict[str, str]:
    """Of the service's chains in the table nat, by the chains that lead there."""
    name = table_name(service)
    if len(name) > _LONGEST_CHAIN:
        name = f"{name[: _LONGEST_CHAIN - 9]}/{hashlib.sha256(service.encode()).hexdigest()[:8]}"
    return {"PREROUTING": name, "OUTPUT": f"{name}{_OUTPUT}"}


def rules_path(service: str, *, tool: str) -> str:
    return f"{OWN_FOLDER}/{plain_name(service)}.{_ENDINGS[tool]}"


def paths(service: str, *, scripts: bool = False) -> Tuple[str, ...]:
    """Every path that is written for a service, by any tool; scripts: where init scripts take the place of units."""
    name = unit_name(service)
    if scripts:
        return (*(rules_path(service, tool=tool) for tool in _ENDINGS), redirect_script.path(service))
    return (
        *(rules_path(service, tool=tool) for tool in _ENDINGS),
        f"{UNIT_FOLDER}/{name}",
        *(_dropin_path(service, loader=loader) for loaders in _LOADERS.values() for loader in loaders),
        _link(name),
    )


def _dropin_path(service: str, *, loader: str) -> str:
    return f"{UNIT_FOLDER}/{loader}.d/{unit_name(service).rpartition('.')[0]}.conf"


def _link(unit: str) -> str:
    return f"{UNIT_FOLDER}/multi-user.target.wants/{unit}"


def rules(service: str, wanted: Sequence[Redirect], *, families: Sequence[str], tool: Tool) -> Rules:
    """The service's rules for this tool; families are those that are redirected, () for both."""
    make = _nft_rules if tool.name == NFTABLES else _iptables_rules
    return make(service, wanted, families=tuple(families) or FAMILIES, tool=tool)


def _nft_rules(service: str, wanted: Sequence[Redirect], *, families: Tuple[str, ...], tool: Tool) -> Rules:
    table, nft = table_name(service), tool.programs["nft"]
    only = f"meta nfproto {families[0]} " if len(families) == 1 else ""
    conditions = [f"{only}fib daddr type local {it.port.protocol} dport {it.port.number}" for it in wanted]
    action = "dnat" if tool.keeps_address else "redirect"
    chains = [
        _nft_chain(hook, [f"{condition} {action} to :{it.to}" for condition, it in zip(conditions, wanted)])
        for hook in ("prerouting", "output")
    ]
    text = f"table inet {table} {{\n" + "\n".join(chains) + "}\n"
    return Rules(
        # As one transaction, whether or not the table is there (nft(8), add and delete).
        text=f"{heading('redirect')}\ntable inet {table}\ndelete table inet {table}\n{text}",
        kernel=listed_table(text),
        load=((nft, "-f", rules_path(service, tool=NFTABLES)),),
        unload=((nft, f"table inet {table}; delete table inet {table}"),),
    )


def _nft_chain(hook: str, rules: Sequence[str]) -> str:
    """As nft --numeric-priority lists it."""
    lines = [f"type nat hook {hook} priority -100; policy accept;", *rules]
    return f"\tchain {hook} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


def _iptables_rules(service: str, wanted: Sequence[Redirect], *, families: Tuple[str, ...], tool: Tool) -> Rules:
    path, chains = rules_path(service, tool=IPTABLES), chain_names(service)
    # As iptables-save(8) prints them.
    lines = [f"-A {hook} -j {chain}" for hook, chain in chains.items()]
    lines += [
        f"-A {chain} -p {it.port.protocol} -m addrtype --dst-type LOCAL -m {it.port.protocol} "
        f"--dport {it.port.number} -j DNAT --to-destination :{it.to}"
        for chain in chains.values()
        for it in wanted
    ]
    programs = [tool.programs[_PROGRAMS[family]] for family in families]
    # --noflush appends, also what is there already.
    again = tuple(command for program in programs for command in _without_jumps(program, chains))
    restore = tuple((f"{program}-restore", "--wait", "--noflush", path) for program in programs)
    text = [heading("redirect"), "*nat", *(f":{chain} - [0:0]" for chain in chains.values()), *lines, "COMMIT", ""]
    return Rules(
        text="\n".join(text),
        kernel=tuple(sorted(f"{family} {line}" for family in families for line in lines)),
        load=again + restore,
        unload=tuple(command for program in programs for command in _taken_away(program, chains)),
    )


def _without_jumps(program: str, chains: Dict[str, str]) -> Tuple[Tuple[str, ...], ...]:
    """Commands that may fail: the jumps need not be there."""
    return tuple((f"-{program}", "--wait", "-t", "nat", "-D", hook, "-j", chain) for hook, chain in chains.items())


def _taken_away(program: str, chains: Dict[str, str]) -> Tuple[Tuple[str, ...], ...]:
    themselves = (
        (f"-{program}", "--wait", "-t", "nat", action, chain) for chain in chains.values() for action in ("-F", "-X")
    )
    return (*_without_jumps(program, chains), *themselves)


def listed_table(text: str) -> Tuple[str, ...]:
    """What nft list table prints, without its layout."""
    return tuple(line for line in (line.strip() for line in text.splitlines()) if line)


def listed_chains(text: str, *, service: str, family: str) -> Tuple[str, ...]:
    """The lines of iptables-save(8) that are of the service's chains."""
    names = "|".join(re.escape(chain) for chain in chain_names(service).values())
    ours = re.compile(rf"-A (?:(?:{names}) .*|\S+ -j (?:{names}))")
    return tuple(f"{family} {line.strip()}" for line in text.splitlines() if ours.fullmatch(line.strip()))


def installation(service: str, made: Rules, *, tool: Tool, scripts: bool = False) -> Installation:
    """The files and the unit, or the init script, that keep these rules in force."""
    unit = unit_name(service)
    rules_file = File(rules_path(service, tool=tool.name), text=made.text)
    if scripts:
        text = redirect_script.script(service, heading=heading("redirect"), load=made.load, unload=made.unload)
        files = (rules_file, File(redirect_script.path(service), text=text, mode=0o755))
        return Installation(files=files, units=(redirect_script.name(service),), kernel=made.kernel)
    loaders = _LOADERS[tool.name]
    return Installation(
        files=(
            rules_file,
            File(f"{UNIT_FOLDER}/{unit}", text=_unit_text(service, made, loaders=loaders)),
            *(File(_dropin_path(service, loader=it), text=_dropin_text(made)) for it in loaders),
            File(_link(unit), target=f"{UNIT_FOLDER}/{unit}"),
        ),
        units=(unit,),
        kernel=made.kernel,
    )


def desired(service: str, wanted: Installation, found: Installed) -> Desired:
    """These files and the unit, none for an empty Installation, in the place of what was found."""
    kernel = () if wanted.is_in_force(found) else found.kernel or ()
    new = Desired(entries=tuple(map(of_file, wanted.files)), running=wanted.units)
    # A unit takes away only what its files know of, and there may be none.
    return merged(without(found), new)._replace(unload=_unload(service, kernel))


def _unload(service: str, kernel: Sequence[str]) -> Tuple[Tuple[str, ...], ...]:
    """What takes the rules away that the kernel holds: by nft where they are a table, else by iptables."""
    if not kernel:
        return ()
    name = NFTABLES if kernel[0].startswith("table ") else IPTABLES
    programs = ("nft",) if name == NFTABLES else tuple(_PROGRAMS.values())
    tool = Tool(name, {program: program for program in programs})
    # A unit has a mark at those of its commands that may fail.
    return tuple((argv[0].lstrip("-"), *argv[1:]) for argv in rules(service, (), families=(), tool=tool).unload)


def _unit_text(service: str, made: Rules, *, loaders: Sequence[str]) -> str:
    lines = [
        heading("redirect"),
        "[Unit]",
        f"Description=Redirect of the ports of {plain_name(service)}",
        f"After={' '.join(loaders)}",
        # It may be started and stopped as often as anybody likes.
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        *(f"ExecStart={_command(argv)}" for argv in made.load),
        *(f"ExecStop={_command(argv)}" for argv in made.unload),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def _dropin_text(made: Rules) -> str:
    """Of a unit that loads the host's own rules: whenever it starts, reloads or stops, the redirect is loaded again."""
    # systemd.service(5): ExecStopPost= also runs when the start failed.
    moments = ("ExecStartPost", "ExecReload", "ExecStopPost")
    commands = [f"{moment}={_tolerant(argv)}" for moment in moments for argv in made.load]
    return "\n".join([heading("redirect"), "[Service]", *commands, ""])


def _command(argv: Sequence[str]) -> str:
    return " ".join(_word(word) for word in argv)


def _tolerant(argv: Sequence[str]) -> str:
    """A command whose failure is not the other unit's."""
    return "-" + _command(argv).lstrip("-")


def _word(word: str) -> str:
    literal = _literally(word)
    return f'"{literal}"' if " " in literal else literal


def _literally(text: str) -> str:
    """As systemd takes it literally (systemd.service(5), "Command lines")."""
    return text.replace("\\", "\\\\")
