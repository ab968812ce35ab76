"""The error an estimate is said to have: from runs like it, never less with fewer of them, and as wide as it claims."""

from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.architecture import model
from planner.errors import InputError
from planner.performance.efficiency import RESIDUALS, directory
from planner.performance.expected_error import (
    COLUMNS,
    ExpectedError,
    expected_error,
    expected_error_of,
    known_residuals,
    parallelism,
    quantiles,
    read_residuals,
    widened,
)
from planner.performance.layout import Layout

ROW = dict(
    zip(COLUMNS, ("lab-1", "nvidia-hopper", "dense", "bf16", "64", "7e9", "data", "0", "0.1", "0.3"), strict=True)
)


def residuals_file(path: Path, *rows: dict[str, str]) -> Path:
    file = path / "residuals.csv"
    with file.open("w", newline="") as lines:
        out = csv.DictWriter(lines, COLUMNS)
        out.writeheader()
        out.writerows(ROW | row for row in rows)
    return file


def shipped_rows() -> list[dict[str, str]]:
    with (directory() / RESIDUALS).open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_nine_in_ten_runs_of_a_source_never_seen_lie_within_the_stated_p90(tmp_path: Path) -> None:
    rows = shipped_rows()
    within_p90, within_median = Counter[str](), Counter[str]()
    for source in {row["id"].rsplit("-", 1)[0] for row in rows}:
        own = [row for row in rows if row["id"].rsplit("-", 1)[0] == source]
        others = read_residuals(residuals_file(tmp_path, *(row for row in rows if row not in own)))
        for row in own:
            said = expected_error(
                row["family"], row["architecture"], row["precision"], float(row["accelerators"]),
                float(row["parameters"]), row["layout"], others,
            )  # fmt: skip
            within_p90[source] += abs(float(row["error_source_out"])) <= said.p90
            within_median[source] += abs(float(row["error_source_out"])) <= said.median
    assert 0.85 <= within_p90.total() / len(rows) <= 0.95
    assert 0.45 <= within_median.total() / len(rows) <= 0.65


@given(
    near=st.lists(st.floats(0, 2), min_size=2, max_size=2),
    unseen=st.lists(st.floats(0, 2), min_size=2, max_size=2),
    runs=st.lists(st.floats(0, 1e3), min_size=2, max_size=2),
)
def test_fewer_runs_never_give_less_error(near: list[float], unseen: list[float], runs: list[float]) -> None:
    few, many = (widened(np.array(near), np.array(unseen), count) for count in sorted(runs))
    assert (few >= many - 1e-12).all()
    assert (many >= np.array(near)).all()


def test_every_run_twice_never_gives_more_error(tmp_path: Path) -> None:
    rows = [{"id": f"lab{n}-1", "error_source_out": f"{n / 50}", "error_family_out": f"{n / 10}"} for n in range(1, 5)]
    once = read_residuals(residuals_file(tmp_path, *rows))
    again = [row | {"id": "again" + row["id"]} for row in rows]
    twice = read_residuals(residuals_file(tmp_path, *rows, *again))
    few, many = (expected_error("nvidia-hopper", "dense", "bf16", 64, 7e9, "data", known) for known in (once, twice))
    assert (few.runs, many.runs) == (4, 8)
    assert few.median > many.median
    assert few.p90 > many.p90


def test_the_error_is_that_of_near_runs_drawn_towards_that_of_unseen_families(tmp_path: Path) -> None:
    # two effective runs of |error| 0.1 and 0.1, half-way (WIDENING = 2) to the 0.3 of unseen families: 0.2
    known = read_residuals(residuals_file(tmp_path, {"id": "a-1"}, {"id": "b-1", "error_source_out": "-0.1"}))
    said = expected_error("nvidia-hopper", "dense", "bf16", 64, 7e9, "data", known)
    assert said.runs == pytest.approx(2)
    assert (said.median, said.p90) == (pytest.approx(0.2), pytest.approx(0.2))


@pytest.mark.parametrize("change", [{"accelerators": "6400"}, {"parameters": "7e11"}, {"precision": "fp8"},
                                    {"architecture": "moe"}, {"layout": "tensor"}])  # fmt: skip
def test_runs_that_differ_count_less(tmp_path: Path, change: dict[str, str]) -> None:
    known = read_residuals(residuals_file(tmp_path, change))
    said = expected_error("nvidia-hopper", "dense", "bf16", 64, 7e9, "data", known)
    assert said.runs < 1
    assert 0.1 < said.median < 0.3


def test_runs_of_one_source_count_less_than_as_many_of_several(tmp_path: Path) -> None:
    # 8 runs of one source at no distance: 8 / 8^0.3 = 4.29 effective runs
    one = read_residuals(residuals_file(tmp_path, *({"id": f"lab-{n}"} for n in range(8))))
    several = read_residuals(residuals_file(tmp_path, *({"id": f"lab{n}-1"} for n in range(8))))
    counts = [expected_error("nvidia-hopper", "dense", "bf16", 64, 7e9, "data", known).runs for known in (one, several)]
    assert counts == [pytest.approx(8**0.7), pytest.approx(8)]


def test_hardware_without_runs_gets_the_errors_of_families_left_out() -> None:
    said = expected_error("huawei-ascend", "dense", "bf16", 256, 70e9)
    assert said.runs == 0
    assert (said.median, said.p90) == tuple(known_residuals().unseen["dense"])
    rows = [row for row in shipped_rows() if row["architecture"] == "dense"]
    within = np.mean([abs(float(row["error_family_out"])) <= said.p90 for row in rows])
    assert within > 0.85  # the sources weigh alike there, the runs here
    well_known = expected_error("nvidia-hopper", "dense", "bf16", 256, 70e9)
    assert said.p90 > well_known.p90
    assert well_known.runs > 10


def test_an_estimate_is_looked_up_by_what_its_layout_splits() -> None:
    layout, llama = Layout(tp=8, pp=4, dp=2), model("llama-3-70b")
    found = expected_error_of(llama, "nvidia-hopper", "bf16", layout)
    assert found == expected_error("nvidia-hopper", "dense", "bf16", 64, llama.parameters, "tensor+pipeline")
    assert expected_error_of(model("mixtral-8x7b"), "nvidia-hopper", "bf16", layout).runs < found.runs


def test_sigma_is_that_of_the_log_normal_distribution_with_the_p90() -> None:
    # ln 1.3 / 1.645 = 0.1595: then nine in ten lie within a factor of 1.3
    assert ExpectedError(0.1, 0.3, 9.0).sigma == pytest.approx(math.log(1.3) / 1.6449, rel=1e-4)


def test_weighted_quantiles() -> None:
    # cumulated weights 1, 2, 6, 10: half (5) is reached at the third value, nine tenths (9) at the fourth
    assert quantiles(np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.0, 1.0, 4.0, 4.0])).tolist() == [0.3, 0.4]


@pytest.mark.parametrize(
    ("degrees", "name"), [((1, 1, 1, 1), "data"), ((8, 4, 1, 1), "tensor+pipeline"), ((1, 1, 2, 8), "context+expert")]
)
def test_layouts_are_named_by_what_they_split(degrees: tuple[int, int, int, int], name: str) -> None:
    assert parallelism(*degrees) == name


def test_runs_that_may_not_be_shipped_are_not() -> None:
    assert not [row["id"] for row in shipped_rows() if row["id"].startswith("vtrain")]


@pytest.mark.parametrize(("change", "message"), [
    ({"architecture": "mo"}, ":2: architecture: expected one of dense, moe, got 'mo'; did you mean 'moe'?"),
    ({"error_source_out": "x"}, ":2: error_source_out: expected a number, got 'x'"),
    ({"accelerators": "0"}, ":2: accelerators: expected a number of at least 1, got 0"),
    ({"family": ""}, ":2: family: is empty"),
])  # fmt: skip
def test_a_malformed_residual_is_named_with_its_line(tmp_path: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_residuals(residuals_file(tmp_path, change))
    assert message in str(caught.value)


def test_the_accuracy_that_the_page_states_is_that_of_the_residuals() -> None:
    page = (Path(__file__).parents[2] / "docs" / "performance-model.md").read_text(encoding="utf-8")
    stated = {
        cells[0]: cells[1:] for line in page.splitlines() if (cells := [c.strip() for c in line.strip("|").split("|")])
    }
    with (directory() / RESIDUALS).open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    for label, chosen in (
        ("all", rows),
        ("mixture of experts", [row for row in rows if row["architecture"] == "moe"]),
        ("nvidia-hopper", [row for row in rows if row["family"] == "nvidia-hopper"]),
    ):
        fitted, left_out, unseen = (
            np.abs([float(row[name]) for row in chosen]) for name in ("error", "error_source_out", "error_family_out")
        )
        assert stated[label] == [
            str(len(chosen)),
            f"{np.median(fitted) * 100:.1f} %",
            f"{np.median(left_out) * 100:.1f} %",
            f"{np.quantile(left_out, 0.9) * 100:.0f} %",
            f"{np.mean(left_out <= 0.1) * 100:.0f} %",
            f"{np.mean(left_out <= 0.2) * 100:.0f} %",
            f"{np.median(unseen) * 100:.1f} %",
        ]
