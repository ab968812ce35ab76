from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from planner.plan import Plan
from planner.reports.text import print_plan
from tests.reports.plans import COMPARED, HOSTILE, INFEASIBLE, LLAMA, PALM, PLANS, SEVERAL


def printed(plan: Plan, width: int = 100, **console: object) -> str:
    """The text of a plan in a console of fixed width."""
    file = io.StringIO()
    print_plan(plan, Console(file=file, width=width, **console))  # type: ignore[arg-type]
    return file.getvalue()


def unwrapped(plan: Plan, width: int = 100) -> str:
    """The same with runs of white space as one space."""
    return re.sub(r"\s+", " ", printed(plan, width))


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("width", [100, 80])
def test_every_plan_keeps_to_the_width(plan: Plan, width: int) -> None:
    text = printed(plan, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text, "no colour when not on a terminal"


@pytest.mark.parametrize("name", ["one run", "two segments", "infeasible", "unknown", "bare", "hostile names"])
def test_a_usual_plan_fits_one_screen(name: str) -> None:
    assert printed(PLANS[name]).count("\n") <= 40
    assert printed(PLANS[name], 80).count("\n") <= 45


def test_a_plan_of_many_runs_is_cut_to_about_one_screen() -> None:
    assert printed(SEVERAL).count("\n") <= 50
    assert "... and 1 more (see --json)" in printed(SEVERAL)


def test_the_answer_comes_first_and_then_the_proof() -> None:
    lines = unwrapped(LLAMA)
    assert lines.startswith("Rent 96 nodes of gcp/a3-highgpu-8g (768 h100-sxm5-80) in gcp/us-central1, on demand,")
    assert lines.index("12.1M USD") < lines.index("Optimal: proven that no plan in the class considered can cost less")


@pytest.mark.parametrize(
    "fact",
    [
        "TP8 PP4 VP5 DP24 mb1 selective ZeRO-1",
        "81.6 days",
        "851k",
        "41.2 %",
        "12,107,612 USD: compute 12.0M, storage 96.0k, egress 34.0k; budget 20.0M USD",
        "2.018 USD per M tokens; 1.50M accelerator-hours at 8.05 USD",
        "2027-03-01 14:24, 44.4 days before the deadline",
        "1,821 MWh, 692 t CO2e, 0.93 MW at most",
        "17.86 s = compute 12.31 + attention 2.20",
        "59.0 of 74.5 GiB (79.2 %) per accelerator",
        "± 9 % expected; goodput 95.3 %, start-up 15 min a run",
        "64.40 USD a node-hour, priced 2026-10-12",
        "default: at most 512 nodes on demand per region",
        "h200-sxm-141 aws/p5en.48xlarge@us-east-1:on_demand 80 13.4M +10.8 % 2027-02-20",
        "not on mi300x-oam: no price known in the allowed regions: needs a quote",
        "[stale-price, https://cloud.google.com/compute/gpus-pricing]",
        "least cost",
    ],
)
def test_one_run_says_everything_to_act_on(fact: str) -> None:
    assert fact in unwrapped(LLAMA)


@pytest.mark.parametrize(
    "fact",
    [
        "Or 12.3M USD, +1.3 %: same accelerator, spot at gcp/us-east4, 800 accelerators, ends 3.0 days earlier "
        "(may be up to 0.40 % better)",
        "no other kind of plan is within 5 % of it (proven)",
        "Delay 14 days earlier: no plan ends that early; 3 to 7 days earlier: +500k USD; 7 days later: -100k USD",
    ],
)
def test_plans_of_another_kind_and_what_days_cost(fact: str) -> None:
    assert fact in unwrapped(COMPARED)


def test_what_was_not_proven_of_other_kinds_is_said() -> None:
    assert "there may be more kinds" in unwrapped(COMPARED.model_copy(update={"within_complete": False}))
    assert "kind of plan" not in unwrapped(LLAMA)


def test_segments_say_their_share_of_the_work() -> None:
    assert "87.7 % of the work" in printed(PALM)
    assert "6,144 acc." in printed(PALM)


def test_an_infeasible_plan_prints_its_reasons_and_what_was_refused() -> None:
    text = unwrapped(INFEASIBLE)
    assert text.startswith("No plan exists for autumn-2026. Infeasible")
    assert "Raise budget_usd to 11.9M." in text
    assert "Options refused: region 230, memory 96, export rule 3" in text


def test_the_same_warning_is_printed_once() -> None:
    assert unwrapped(SEVERAL).count("check it before signing") == 1


def test_names_are_not_markup_and_carry_no_escape_codes() -> None:
    text = printed(HOSTILE, force_terminal=False)
    assert "[bold]" in text
    assert "\x1b" not in text


def test_a_terminal_gets_colour() -> None:
    assert "\x1b[1;32m" in printed(LLAMA, force_terminal=True, color_system="standard")
