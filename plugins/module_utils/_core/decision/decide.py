# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision: which strategy each service gets on a host, why, and what is left to do."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Mapping, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.process_sets import Expected
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.by_root import needs_no_grant
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import OF_PROCESSES, Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.hazards import confinement
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.held import IN_ITS_WAY, beside, held_port
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.policy import Rule
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.retained import retained
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import AUDIENCES, Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput
from ansible_collections.netbind.privport.plugins.module_utils._core.model.instances import members
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import Observation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service, port_words
from ansible_collections.netbind.privport.plugins.module_utils._core.supervision.manager import see_names
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import why_not_loaded


class Decision(NamedTuple):
    """What is to happen for one service.

    strategy is '' where none is left (error then says why) and where the service is to be absent.
    voiding are those of surplus that void the strategy: they go before it can be proven, the others afterwards.
    retained tells of processes that keep what is taken back, until they are started anew.
    unit, executable and user are what it is about, '' for what there is not.
    """

    name: str
    state: str
    ports: tuple[str, ...]
    strategy: str
    why: str
    rejected: dict[str, tuple[Reason, ...]]
    # What could not be found out, by strategy: these are tried after those of which all is known.
    unknown: dict[str, tuple[Reason, ...]]
    # The rules of the site that apply to the service, as text.
    policy: tuple[str, ...]
    warnings: tuple[str, ...]
    pending: tuple[str, ...]
    surplus: tuple[str, ...]
    voiding: tuple[str, ...]
    retained: tuple[str, ...]
    # The paths of what was granted to the service before and serves it no longer: of another unit, program or user.
    stale: tuple[str, ...]
    error: str
    # Whether error tells of nothing but a unit, a program or a user that is still to be installed.
    missing: bool
    unit: str
    # Whether systemd may forget how often its unit failed or started: with it goes a transient unit that failed.
    unit_forgives: bool
    executable: str
    user: str


def decide(
    observation: Observation, services: Sequence[Service], *, policy: Mapping[str, tuple[Rule, ...]] | None = None
) -> tuple[Decision, ...]:
    """A decision for each service; policy holds the rules that apply to each, by the service's name.

    Raises InvalidInput where the observation holds another list of services.
    """
    return decide_cases(cases_of(observation, services, policy))


def decide_cases(cases: Sequence[Case]) -> tuple[Decision, ...]:
    """The same for the services' cases."""
    choices = [_choice(case) for case in cases]
    return tuple(_decision(choice, others=[other for other in choices if other is not choice]) for choice in choices)


def cases_of(
    observation: Observation, services: Sequence[Service], rules: Mapping[str, tuple[Rule, ...]] | None = None
) -> tuple[Case, ...]:
    """The cases that are decided, in the order of the services; rules as policy of decide(). Raises InvalidInput."""
    services = members(services, observation.instances)
    observation = _without_surplus_of_host(observation, services)
    observed = {facts.name: facts for facts in observation.services}
    missing = [service.name for service in services if service.name not in observed]
    if missing:
        raise InvalidInput(f"service {missing[0]!r} was not observed; give privport_info the same services")
    return tuple(
        Case(
            host=observation,
            service=service,
            facts=observed[service.name],
            policy=(rules or {}).get(service.name, ()),
            others=tuple(other for other in services if other is not service),
        )
        for service in services
    )


def _without_surplus_of_host(observation: Observation, services: Sequence[Service]) -> Observation:
    """The host as it is once the grants to all of it go that no service is to have: nothing may rest on them."""
    named = {service.strategy for service in services if service.state == "present"}
    for name, strategy in STRATEGIES.items():
        if name not in named:
            observation = strategy.host_without(observation)
    return observation


def digest_of(decisions: Sequence[Decision]) -> str:
    """What the decisions come to, as a SHA-256 in hexadecimal: the same for the same changes to the same services."""
    return digest_of_plan([it._asdict() for it in decisions])


def digest_of_plan(plan: Sequence[Mapping[str, Any]]) -> str:
    """The same of a plan, which is decisions as plain data (plan.as_data())."""
    # Whether a unit has to be started changes by itself.
    steps = [[step for step in it["pending"] if step not in OF_PROCESSES] for it in plan]
    keys = ("name", "state", "strategy", "surplus", "voiding", "stale")
    said = [[*(it[key] for key in keys), left] for it, left in zip(plan, steps)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


class _Choice(NamedTuple):
    """What a service would get if it were alone on the host."""

    case: Case
    strategy: str
    rejected: dict[str, tuple[Reason, ...]]
    unknown: dict[str, tuple[Reason, ...]]
    error: str

    @property
    def uses(self) -> frozenset[str]:
        """The strategies whose grants the service may need; all where that cannot be told."""
        if self.case.service.state == "absent":
            return frozenset()
        return frozenset({self.strategy} if self.strategy else STRATEGIES)


def _choice(case: Case) -> _Choice:
    if case.service.state == "absent":
        return _Choice(case=case, strategy="", rejected={}, unknown={}, error="")
    problem = _description_problem(case)
    rejected = _rejected(case)
    unknown = _unknown(case, rejected=rejected)
    chosen = "" if problem else _choose(case, rejected=rejected, unknown=unknown)
    error = problem or ("" if chosen else _none_left(case, rejected=rejected))
    return _Choice(case=case, strategy=chosen, rejected=rejected, unknown=unknown, error=error)


def _rejected(case: Case) -> dict[str, tuple[Reason, ...]]:
    judged = {name: strategy.blockers(case) + _ruled_out(case, name) for name, strategy in STRATEGIES.items()}
    return {name: reasons for name, reasons in judged.items() if reasons}


def _unknown(case: Case, *, rejected: dict[str, tuple[Reason, ...]]) -> dict[str, tuple[Reason, ...]]:
    left = {name: strategy.unknowns(case) for name, strategy in STRATEGIES.items() if name not in rejected}
    return {name: reasons for name, reasons in left.items() if reasons}


def _ruled_out(case: Case, name: str) -> tuple[Reason, ...]:
    return tuple(Reason("policy", rule.why, f"policy rule {rule}") for rule in case.policy if rule.rejects(name))


def _choose(case: Case, *, rejected: dict[str, tuple[Reason, ...]], unknown: dict[str, tuple[Reason, ...]]) -> str:
    preferred = [rule.strategy for rule in case.policy if rule.effect == "prefer"]
    # What works by somebody else's doing is kept.
    standing = [name for name, strategy in STRATEGIES.items() if strategy.stands(case)]
    # What would let it bind a port that it does not want is of no use.
    leading = [name for name, strategy in STRATEGIES.items() if strategy.indirect and case.listens_instead]
    every = (*preferred, *standing, *leading, *STRATEGIES)
    candidates = every if case.service.strategy == "auto" else (case.service.strategy,)
    # What is preferred comes first among those of which all is known, and again among the others.
    in_order = sorted(candidates, key=lambda name: name in unknown and name not in leading)
    return next((name for name in in_order if name not in rejected), "")


def _why(case: Case, chosen: str) -> str:
    """The strategy's own sentence, with the site's reasons for preferring or requiring it."""
    rules = [rule.why for rule in case.policy if rule.effect != "forbid" and rule.strategy == chosen]
    return "; ".join([STRATEGIES[chosen].why(case), *rules])


def _none_left(case: Case, *, rejected: dict[str, tuple[Reason, ...]]) -> str:
    by_root = needs_no_grant(case)
    if by_root:
        return f"service {case.service.name!r}: {by_root}"
    named = case.service.strategy
    told = rejected if named == "auto" else {named: rejected[named]}
    reasons = "".join(f"\n  {name}: {'; '.join(map(str, blocking))}" for name, blocking in told.items())
    which = "no strategy works" if named == "auto" else f"strategy {named!r} does not work"
    return f"service {case.service.name!r}: {which} here:{reasons}"


def _description_problem(case: Case) -> str:
    """What the description says that is not so on this host, '' for nothing."""
    service, unit = case.service, case.facts.unit
    where = f"service {service.name!r}:"
    missing = _missing(case)
    if missing:
        return f"{where} {missing}"
    if unit is not None and case.facts.user_unit:
        return (
            f"{where} unit {unit.name!r} is a user's ({case.facts.user_unit}), and no unit of the system; say "
            "scope: user and user: NAME as well, or make it a unit of the system with User="
        )
    if unit is not None and unit.name.startswith("user@"):
        return (
            f"{where} unit {unit.name!r} is the manager of all that its user runs, which a restart would end; make the "
            "service a unit of the system with User=, or leave unit out and name the program as executable"
        )
    unusable = why_not_loaded(unit.properties) if unit is not None else ""
    return f"{where} unit {unit.name!r} {unusable}" if unit is not None and unusable else held_port(case)


def _missing(case: Case) -> str:
    """What is still to be installed, with the way out; '' for nothing."""
    service, unit, facts = case.service, case.facts.unit, case.facts
    if service.user and facts.account is None:
        return f"user {service.user!r} does not exist on this host; create it first"
    if unit is not None and unit.manager is not None and unit.says("LoadState") == "not-found":
        told = f"{unit.manager.teller} tells of no service {unit.manager.service!r} on this host"
        return f"{told} ({unit.says('LoadError')}); {see_names(unit.manager)}"
    if unit is not None and not facts.user_unit and unit.says("LoadState") == "not-found":
        name = service.template or unit.name
        return f"unit {name!r} {why_not_loaded(unit.properties)}"
    if unit is not None and service.template and not service.instance:
        told = f"unit {service.template!r} is a template of which no instance runs or is enabled"
        return f"{told}; start one, or name them by instances: in the service's description"
    if service.executable and facts.program is None and "program" not in facts.unread:
        return f"executable {service.executable!r} does not exist on this host; install it first or correct the path"
    return ""


def _conflict(choice: _Choice, *, others: Sequence[_Choice]) -> str:
    """Why the strategies of two services exclude each other, '' where none do."""
    mine = STRATEGIES.get(choice.strategy)
    for other in others:
        theirs = STRATEGIES.get(other.strategy)
        if mine is None or theirs is None:
            continue
        clause = mine.excludes(choice.case, other.case, theirs) or theirs.excludes(other.case, choice.case, mine)
        if clause:
            told = f"also that of service {other.case.service.name!r}, which gets {theirs.name}"
            return f"service {choice.case.service.name!r}: {clause.format(told)}"
    return ""


def _refuses_to_start(choice: _Choice) -> str:
    """Why nobody can start the unit anew, as it has to be, '' where one can (systemd.unit(5))."""
    chosen, unit = STRATEGIES.get(choice.strategy), choice.case.facts.unit
    if chosen is None or unit is None:
        return ""
    steps = [step for step in chosen.pending(choice.case) if step in OF_PROCESSES]
    wanted = {"start": ("RefuseManualStart",), "restart": ("RefuseManualStart", "RefuseManualStop")}
    setting = next((name for step in steps for name in wanted[step] if unit.is_on(name)), "")
    if not setting:
        return ""
    return (
        f"service {choice.case.service.name!r}: {unit.name} has {setting}=yes, so nobody can {steps[0]} it with its "
        f"grant; set {setting}=no in it (systemctl edit {unit.name})"
    )


def _decision(choice: _Choice, *, others: Sequence[_Choice]) -> Decision:
    case, facts = choice.case, choice.case.facts
    error = choice.error or _conflict(choice, others=others) or _refuses_to_start(choice)
    chosen = None if error else STRATEGIES.get(choice.strategy)
    surplus = () if error else _surplus(choice, others=others)
    return Decision(
        name=case.service.name,
        state=case.service.state,
        ports=port_words(case.service.ports),
        strategy=chosen.name if chosen else "",
        why=_why(case, chosen.name) if chosen else error or "state is absent",
        rejected=choice.rejected,
        unknown=choice.unknown,
        policy=tuple(map(str, case.policy)),
        warnings=(*(_warnings(choice, chosen) if chosen else ()), *_of_others(case, chosen, surplus=surplus)),
        pending=chosen.pending(case) if chosen else (),
        surplus=surplus,
        voiding=tuple(name for name in surplus if chosen is not None and name in chosen.voided_by),
        retained=_retained(case, chosen, surplus=surplus),
        stale=() if error else tuple(it.path for strategy in STRATEGIES.values() for it in strategy.stale(case)),
        error=error,
        missing=bool(choice.error) and bool(_missing(case)),
        unit=facts.unit.name if facts.unit else "",
        unit_forgives=case.unit is not None and not case.unit.is_lost_by_reset,
        executable=facts.program.real_path if facts.program else "",
        user=facts.account.name if facts.account else "",
    )


def _retained(case: Case, chosen: Strategy | None, *, surplus: Sequence[str]) -> tuple[str, ...]:
    if chosen is None:
        return retained(case, surplus=_named(surplus), expected=Expected()) if case.service.state == "absent" else ()
    # What voids the strategy goes before the service is started anew.
    left = [name for name in surplus if name not in chosen.voided_by]
    return retained(case, surplus=_named(left), expected=chosen.expects(case)) if left else ()


def _named(names: Sequence[str]) -> tuple[Strategy, ...]:
    return tuple(STRATEGIES[name] for name in names)


def _warnings(choice: _Choice, chosen: Strategy) -> tuple[str, ...]:
    case = choice.case
    doubts = choice.unknown.get(chosen.name, ())
    told = [f"strategy {chosen.name} is tried, and the proof decides: {doubt}" for doubt in doubts]
    held = [told for told in (beside(case, port) for port in case.service.ports) if told]
    shared = (
        *_wider_by_policy(choice, chosen),
        *_idle_sockets(case),
        *_without_linger(case),
        *confinement.warnings(case),
        *(f"{told}; {IN_ITS_WAY}" for told in held if not chosen.indirect),
    )
    return (*told, *shared, *chosen.warnings(case))


def _of_others(case: Case, chosen: Strategy | None, *, surplus: Sequence[str]) -> tuple[str, ...]:
    """What others granted, and is left alone, or taken because a strategy is named."""
    left = [strategy.left_alone(case) for strategy in STRATEGIES.values()]
    managed = chosen.taken_over(case, removed=False) if chosen else ""
    removed = [it.taken_over(case, removed=True) for it in _named(surplus)]
    return tuple(filter(None, (*left, managed, *removed)))


def _wider_by_policy(choice: _Choice, chosen: Strategy) -> tuple[str, ...]:
    """That a rule of the site passes by a strategy that works and gives the port to fewer."""
    rules = [rule for rule in choice.case.policy if rule.effect == "prefer" and rule.strategy == chosen.name]
    by_audience = sorted(STRATEGIES.values(), key=lambda strategy: AUDIENCES.index(strategy.audience))
    works = [it for it in by_audience if it.name not in choice.rejected and it.name not in choice.unknown]
    if not rules or not works or AUDIENCES.index(works[0].audience) >= AUDIENCES.index(chosen.audience):
        return ()
    narrow = f"{works[0].name}, which works too, gives them to {works[0].audience}"
    return (f"policy rule {rules[0]}: {chosen.name} gives the ports to {chosen.audience}; {narrow}",)


def _without_linger(case: Case) -> tuple[str, ...]:
    """A user's manager that runs while its user is logged in, and that no boot starts (loginctl(1), enable-linger)."""
    unit = case.facts.unit
    if unit is None or unit.says("Linger") != "no":
        return ()
    user = unit.says("User")
    return (f"no boot starts {unit.name}, and it ends when {user} logs out: loginctl enable-linger {user}",)


def _idle_sockets(case: Case) -> tuple[str, ...]:
    """Socket units that do not run now and will at the next boot, when systemd starts sockets first."""
    ports = {*map(str, case.service.ports)}
    idle = [
        it
        for it in case.handing
        if it.enabled and not it.active and it.name not in case.own_units and ports & {*it.ports}
    ]
    return tuple(
        f"{it.name} is enabled and will hold its ports from the next boot on; disable it, or start it and say "
        "socket_activation: true"
        for it in idle
    )


def _surplus(choice: _Choice, *, others: Sequence[_Choice]) -> tuple[str, ...]:
    """The strategies but the chosen one that have a grant for this service and for no other one."""
    chosen = STRATEGIES.get(choice.strategy)
    return tuple(
        name
        for name, strategy in STRATEGIES.items()
        if name != choice.strategy
        and strategy.granted(choice.case)
        and not (chosen is not None and strategy.replaced_by(choice.case, chosen))
        and not any(name in other.uses and strategy.shares(choice.case, other.case) for other in others)
    )
