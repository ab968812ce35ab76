"""Why there is no plan and what would change it, or how much room a plan has: facts and the sentences they make.

The JSON of an explanation is exactly these models. Money is in USD, times are UTC, dates and values are those that a
workload file would hold.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import computed_field

from planner.plan import Fact

MOST_CHANGES, MOST_NAMES = 5, 8
Value = bool | int | float | datetime | tuple[str, ...] | None


class LimitFact(Fact):
    """A limit of the workload as it stands: its key, the job or phase it belongs to, its value, and in words."""

    limit: str
    of: str = ""
    value: Value
    text: str


class ChangedLimit(Fact):
    """A limit with its value now and the value it would need; `by` in the unit of the key, days for dates."""

    limit: str
    of: str = ""
    now: Value
    to: Value
    by: float | None = None
    text: str


class ChangeFact(Fact):
    """Limits to change together and the cheapest plan then; `exact`: nothing tighter gives a plan, proven."""

    change: tuple[ChangedLimit, ...]
    cost_usd: float
    finish: datetime
    nodes: int
    on: str
    exact: bool

    @computed_field  # type: ignore[prop-decorator]
    @property
    def text(self) -> str:
        """The change as a sentence without its end: 'raise the budget to 5,118,400 USD (118,400 USD more)'."""
        return " and ".join(one.text for one in self.change)

    def sentence(self) -> str:
        """The change and the cheapest plan then."""
        about = "." if self.exact else " (a smaller change may do)."
        return f"To get a plan, {self.text}: {money(self.cost_usd)}, ends {date(self.finish)}, {self.on}{about}"

    def limits(self) -> tuple[tuple[str, str], ...]:
        """Which limits change, whatever by."""
        return tuple((one.limit, one.of) for one in self.change)


class LawFact(Fact):
    """Export rules that keep offers out; they are reported, never lifted."""

    offers: int
    rules: tuple[str, ...]


class SlackFact(Fact):
    """How far a limit could be tightened while all others stay."""

    limit: str
    of: str = ""
    value: Value
    tightest: Value
    exact: bool
    text: str


class Explanation(Fact):
    """The answer of `planner explain`. `feasible` is None when it was not decided in time.

    `conflict` is one set of limits that no plan keeps together; `minimal` when each of them is proven to be needed for
    that. `further_conflicts` share no limit with it: every one of them must be broken too.
    """

    workload: str
    feasible: bool | None
    minimal: bool = True
    policy_examined: bool = True  # False: which filters of the policy have a part in the conflict is not all known
    conflict: tuple[LimitFact, ...] = ()
    further_conflicts: tuple[tuple[LimitFact, ...], ...] = ()
    changes: tuple[ChangeFact, ...] = ()
    policy_changes: tuple[ChangeFact, ...] = ()
    law: LawFact | None = None
    slack: tuple[SlackFact, ...] = ()
    cost_usd: float | None = None
    finish: datetime | None = None
    hard: tuple[str, ...] = ()
    complete: bool = True  # False: the time ended before every change had been looked at
    seconds: float = 0.0

    def conflict_sentences(self) -> list[str]:
        """What stands in the way."""
        found = []
        for number, conflict in enumerate((self.conflict, *self.further_conflicts)):
            names = listed([limit.text for limit in conflict])
            if not names:
                continue
            also = "Apart from that, " if number else ""
            under = "" if self.policy_examined and not number else " under this policy"
            if len(conflict) == 1:
                found.append(f"{also}{names} alone leaves no plan{under}.")
            else:
                proof = "a minimal conflict" if self.minimal else "a conflict, not proven to be minimal in the time"
                found.append(f"{also}no plan keeps all of these{under} ({proof}): {names}.")
        found += self.hard
        if self.law is not None:
            found.append(
                f"Export rules refuse {self.law.offers:,} offers and are part of the conflict; they are law and are "
                f"never lifted: {'; '.join(self.law.rules)}"
            )
        return [sentence[:1].upper() + sentence[1:] for sentence in found]

    def sentences(self) -> tuple[str, ...]:
        """The conflict and the best few changes: the cheapest of as many kinds as there are, then others."""
        ordered = self._cheapest_first()
        kinds = [one.limits() for one in ordered]
        first = [one for at, one in enumerate(ordered) if kinds.index(kinds[at]) == at]
        chosen = [*first, *(one for one in ordered if one not in first)][:MOST_CHANGES]
        return (*self.conflict_sentences(), *(one.sentence() for one in ordered if one in chosen))

    def _cheapest_first(self) -> list[ChangeFact]:
        return sorted([*self.changes, *self.policy_changes], key=lambda one: (one.cost_usd, len(one.change)))


def listed(names: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'; the first few of many."""
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1:,} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def money(usd: float) -> str:
    """USD, with cents below 10,000."""
    return f"{usd:,.0f} USD" if abs(usd) >= 10_000 else f"{usd:,.2f} USD"


def date(when: datetime) -> str:
    """The day, with the time when it is not midnight."""
    return when.strftime("%Y-%m-%d" if (when.hour, when.minute) == (0, 0) else "%Y-%m-%d %H:%M")
