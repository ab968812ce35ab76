"""`planner search` and `planner.search`: every legal layout of a slice, fastest first."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import planner
from hardware_catalog.catalog import load
from planner.architecture import model
from planner.cli.app import build
from planner.errors import InputError
from planner.performance.estimate import estimate
from planner.performance.hardware import hardware_of_accelerator

SLICE = ("--model", "llama-3-8b", "--accelerator", "h100-sxm5-80", "--global-batch", "256")
DEGREES = ["tp", "pp", "vp", "dp", "cp", "ep", "micro_batch", "zero", "recompute", "sequence_parallel"]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(build(), ["search", *SLICE, *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return str(result.stdout)


def found(counts: int | list[int] = 64, **degrees: int | str) -> pd.DataFrame:
    hardware = hardware_of_accelerator(load(), "h100-sxm5-80")
    return planner.search(model("llama-3-8b"), hardware, counts, 4096, 256, "bf16", **degrees)


def test_the_first_is_the_estimate_and_none_is_faster() -> None:
    best = estimate(model("llama-3-8b"), hardware_of_accelerator(load(), "h100-sxm5-80"), 64, 4096, 256, "bf16")
    first = found().iloc[0]
    assert best.layout is not None
    wanted = {name: value for name, value in best.layout.as_dict().items() if name in DEGREES}
    assert first[DEGREES].to_dict() == wanted
    assert first["step_time_s"] == pytest.approx(best.step_time_s)
    assert first["mfu"] == pytest.approx(best.mfu)
    assert first["memory_gib"] == pytest.approx(best.memory_gib["total"])
    # 256 sequences of 4096 tokens in a step
    assert first["tokens_per_second"] == pytest.approx(256 * 4096 / best.step_time_s)
    assert found()["step_time_s"].dropna().is_monotonic_increasing


def test_layouts_are_legal_and_each_is_listed_once() -> None:
    table = found()
    assert (table["tp"] * table["pp"] * table["cp"] * table["dp"] == 64).all()
    assert (256 % (table["dp"] * table["micro_batch"]) == 0).all()
    assert not table.duplicated(DEGREES).any()
    assert set(table["recompute"]) == {"none", "selective", "full"}
    assert set(table["zero"]) == {1, 3}


def test_what_does_not_fit_comes_last_without_a_step_time() -> None:
    table = found()
    assert not table["fits"].all()
    assert table["fits"].tolist() == sorted(table["fits"], reverse=True)
    assert (table["step_time_s"].isna() == ~table["fits"]).all()
    assert not (table["pareto"] & ~table["fits"]).any()


def test_the_pareto_set_is_what_no_fitting_layout_beats() -> None:
    table = found()
    fit = table[table["fits"]]
    m, s = fit["memory_gib"].to_numpy(), fit["step_time_s"].to_numpy()
    beaten = ((m[:, None] >= m) & (s[:, None] >= s) & ((m[:, None] > m) | (s[:, None] > s))).any(axis=1)
    assert (fit["pareto"].to_numpy() == ~beaten).all()
    assert fit["pareto"].sum() >= 3  # a trade of memory for time, not one best layout


def test_several_counts_are_ranked_each_on_its_own() -> None:
    both = found([32, 64])
    assert both["accelerators"].tolist() == sorted(both["accelerators"])
    one = both[both["accelerators"] == 64].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, found(64))


def test_given_degrees_are_kept() -> None:
    table = found(tp=2, recompute="full", zero=1)
    assert set(table["tp"]) == {2}
    assert set(table["recompute"]) == {"full"}
    assert set(table["zero"]) == {1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--count", "64", "--tp", "7"), "tp: 7 does not divide the attention heads (32)"),
        (("--count", "64,sixty"), "count: expected numbers such as 64 or 64,128,256, got '64,sixty'"),
        (("--count", "0"), "count: expected numbers such as"),
        (("--count", "60"), "count: 60 accelerators are not whole nodes of 8"),
        (("--count", "64", "--recompute", "ful"), "did you mean 'full'?"),
        (("--count", "64", "--ep", "8"), "ep: expert parallelism of 8 needs a mixture of experts"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(*arguments)
    assert message in str(caught.value)


def test_json_has_the_layouts_asked_for() -> None:
    document = json.loads(run("--count", "64", "--json", "--top", "3"))
    assert document["legal"] == len(found())
    assert document["fit"] == found()["fits"].sum()
    assert [list(row) for row in document["layouts"]] == [list(found().columns)] * 3
    unfit = json.loads(run("--count", "64", "--json", "--all"))["layouts"][-1]
    assert (unfit["fits"], unfit["step_time_s"], unfit["mfu"]) == (False, None, None)


def test_csv_on_standard_output_is_only_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(run("--count", "64", "--csv", "-", "--pareto"))))
    assert len(rows) == found()["pareto"].sum()
    assert {row["pareto"] for row in rows} == {"True"}
    assert np.all(np.diff([float(row["memory_gib"]) for row in rows]) < 0)  # slower only for less memory


def test_the_terminal_shows_the_fastest_and_how_many_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("--count", "32,64", "--top", "2")
    assert max(map(len, shown.splitlines())) <= 80
    assert f"64 x h100-sxm5-80: {len(found()):,} legal layouts, {found()['fits'].sum():,} fit in memory" in shown
    assert f"{found()['step_time_s'][0]:.3f}" in shown
    assert shown.count("more: --top K, or --csv FILE for all") == 2


def test_nothing_that_fits_is_said_with_what_it_lacks() -> None:
    result = CliRunner().invoke(
        build(), ["search", "--model", "llama-3.1-405b", "--accelerator", "h100-sxm5-80", "--count", "8"]
    )
    assert "0 fit in memory" in result.stdout
    assert "the smallest needs" in result.stdout
