"""`planner estimate`: goodput, where the rest goes, and how long the work takes."""

from __future__ import annotations

import json
import sys

import pytest

from planner.cli import main

SLICE = ("--model", "llama-3-8b", "--accelerator", "h100-sxm5-80", "--count", "64")


@pytest.fixture
def estimate(monkeypatch, capsys):
    """Run `planner estimate` on the slice; (exit code, standard output, standard error)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["planner", "estimate", *SLICE, *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def test_what_is_lost_adds_up_to_what_goodput_leaves(estimate):
    document = json.loads(estimate("--json")[1])
    detail = document["goodput_detail"]
    assert sum(detail["lost"].values()) == pytest.approx(1 - document["goodput"])
    assert set(detail["lost"]) == {"checkpoint", "rework", "restart", "preemption"}
    assert detail["mtbf_h"] == pytest.approx(24 / (8 * 0.004))  # 8 nodes, 4 failures per 1,000 node-days
    assert detail["checkpoint_interval_s"] == pytest.approx((2 * 10 * 3600 * detail["mtbf_h"]) ** 0.5)
    assert "wall_clock" not in document


def test_tokens_add_expected_and_p90_days(estimate):
    document = json.loads(estimate("--json", "--tokens", "15T")[1])
    days = document["wall_clock"]
    assert days["tokens"] == 15 * 10**12
    assert days["useful_days"] == pytest.approx(15e12 / document["tokens_per_second"] / 86_400)
    start_up_days = 900 / 86_400
    assert days["expected_days"] == pytest.approx(days["useful_days"] / document["goodput"] + start_up_days)
    assert days["useful_days"] < days["expected_days"] < days["p90_days"]


def test_spot_is_waited_for_and_loses_to_preemption(estimate):
    spot = json.loads(estimate("--json", "--tokens", "1T", "--purchase-option", "spot")[1])
    held = json.loads(estimate("--json", "--tokens", "1T", "--purchase-option", "reserved")[1])
    assert spot["goodput_detail"]["lost"]["preemption"] > 0.05 > held["goodput_detail"]["lost"]["preemption"] == 0
    # calendar time: of the time nodes are held, and they are not always there
    assert spot["goodput_detail"]["available"] < 0.6
    assert spot["wall_clock"]["expected_days"] > 1.5 * held["wall_clock"]["expected_days"]


def test_the_screen_says_it_in_words(estimate):
    shown = " ".join(estimate("--tokens", "1T", "--purchase-option", "spot")[1].split())
    for part in ("lost to checkpoints", "preemption", "an interruption every", "days expected", "nodes are there"):
        assert part in shown
    assert "preemption" not in estimate()[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--tokens", "15 TB"), "expected a number of tokens such as '15T'"),
        (("--tokens", "0"), "expected at least 1"),
        (("--purchase-option", "capacity-block"), "did you mean 'capacity_block'?"),
        (("--purchase-option", "stolen"), "expected one of on_demand"),
    ],
)
def test_wrong_tokens_and_purchase_options_are_refused_in_one_line(estimate, arguments, says):
    code, out, err = estimate(*arguments)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert out == ""
