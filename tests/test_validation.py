"""Predicted against published: the shape of the answer, what is skipped and why, and a guard on accuracy."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware_catalog.catalog import load
from planner.calibration import fit, free_constants, step_errors
from planner.errors import InputError
from planner.performance.cases import Case, case
from planner.performance.efficiency import MEANING, RESIDUALS, directory, efficiency, read_efficiency
from planner.performance.layout import Layout
from planner.performance.published import (
    model_spec,
    network_gbps_per_node,
    read_runs,
    sharding,
    software_of_run,
)
from planner.validation import bundled_runs, validate
from planner.validation_groups import GROUPINGS
from planner.validation_order import ranks, spearman
from planner.validation_reasons import why
from planner.validation_rows import SCALES, parallelism, publication, scale

COLUMNS = """
id model arch params_total_b params_active_b layers hidden ffn_hidden heads kv_heads vocab experts experts_active
seq_len global_batch_sequences micro_batch precision accelerator num_accelerators accelerators_per_node tp pp vp dp
cp ep zero_or_fsdp recompute tokens_total_b step_time_s tokens_per_s_per_device tflops_per_device mfu_pct hfu_pct
device_hours wall_days energy_mwh carbon_t cost_usd notes source_kind source
"""
GOOD = dict.fromkeys(COLUMNS.split(), "") | {
    "id": "lab-001", "model": "Llama-3.1-70B", "arch": "dense", "params_total_b": "70.55", "layers": "80",
    "hidden": "8192", "ffn_hidden": "28672", "heads": "64", "kv_heads": "8", "vocab": "128256", "seq_len": "8192",
    "global_batch_sequences": "128", "micro_batch": "1", "precision": "bf16", "accelerator": "h100-sxm5-80",
    "num_accelerators": "64", "accelerators_per_node": "8", "tp": "4", "pp": "4", "vp": "5", "dp": "2", "cp": "2",
    "recompute": "unknown", "step_time_s": "14.66",
}  # fmt: skip


def runs_file(path: Path, *rows: dict[str, str]) -> Path:
    file = path / "runs.csv"
    with file.open("w", newline="") as lines:
        out = csv.DictWriter(lines, list(GOOD))
        out.writeheader()
        out.writerows(GOOD | row for row in rows)
    return file


def test_a_known_run_is_predicted_and_says_what_was_assumed(tmp_path: Path) -> None:
    found = validate(runs_file(tmp_path, {}), load()).as_json()
    (row,) = found["rows"]
    assert row["id"] == "lab-001"
    assert row["measured_step_s"] == 14.66
    assert row["error"] == pytest.approx(row["predicted_step_s"] / 14.66 - 1)
    assert abs(row["error"]) < 0.2
    assert "recomputation unknown: the cheapest that fits" in row["assumed"]
    assert "sharding unknown: the cheapest that fits" in row["assumed"]
    assert set(found["summary"]) >= {"n", "median_abs_error", "mape", "p90_abs_error", "within_10", "within_20"}
    assert found["by_family"]["nvidia-hopper"]["n"] == 1
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(("change", "reason"), [
    ({"arch": "moe"}, "layer shape not published: experts, experts_active"),
    ({"arch": "moe", "model": "Unheard-of-MoE", "experts": "60", "experts_active": "4", "ep": "7"},
     "ep = 7 does not divide the 16 accelerators of a stage"),
    ({"arch": "ssm"}, "architecture 'ssm' not modelled"),
    ({"layers": "", "model": "Unheard-of-70B"}, "layer shape not published: layers"),
    ({"step_time_s": ""}, "no step time or tokens/s published"),
    ({"accelerator": "abacus"}, "accelerator 'abacus' is not in the catalog"),
    ({"seq_len": ""}, "not published: seq_len"),
    ({"precision": "fp6"}, "precision 'fp6' not modelled"),
    ({"precision": ""}, "precision not published"),
    ({"tp": "3", "dp": "", "cp": ""}, "tp * pp * cp = 12 does not divide 64 accelerators"),
    ({"accelerator": "a100-sxm4-80", "precision": "fp8"}, "a100-sxm4-80 has no fp8 peak in the catalog"),
])  # fmt: skip
def test_a_row_that_cannot_be_modelled_is_listed_with_the_reason(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    found = validate(runs_file(tmp_path, {}, change | {"id": "lab-002"}), load())
    assert [(skip.id, skip.reason) for skip in found.skipped] == [("lab-002", reason)]
    assert len(found.rows) == 1


def test_missing_degrees_are_searched(tmp_path: Path) -> None:
    open_degrees = dict.fromkeys(("tp", "pp", "vp", "dp", "cp", "micro_batch"), "")
    (row,) = validate(runs_file(tmp_path, open_degrees), load()).rows
    assert "degrees unknown: the best layout consistent with the row" in row.assumed
    assert row.layout["tp"] * row.layout["pp"] * row.layout["cp"] * row.layout["dp"] == 64


def test_tokens_per_second_stand_in_for_the_step_time(tmp_path: Path) -> None:
    # 128 x 8192 tokens / (64 x 1000 tokens/s) = 16.384 s
    (row,) = validate(runs_file(tmp_path, {"step_time_s": "", "tokens_per_s_per_device": "1000"}), load()).rows
    assert row.measured_step_s == pytest.approx(16.384)


@pytest.mark.parametrize(("change", "message"), [
    ({"layers": "many"}, ":2: layers: expected a positive number or nothing, got 'many'"),
    ({"hidden": "-1"}, ":2: hidden: expected a positive number"),
    ({"step_time_s": "nan"}, ":2: step_time_s: expected a positive number"),
])  # fmt: skip
def test_a_malformed_cell_is_named_with_its_line(tmp_path: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(runs_file(tmp_path, change), load())
    assert message in str(caught.value)


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_text("id,model\n1,2\n")
    with pytest.raises(InputError, match="columns missing: accelerator"):
        validate(tmp_path / "short.csv", load())
    with pytest.raises(InputError, match="cannot read"):
        validate(tmp_path / "none.csv", load())


def test_what_has_no_column_is_read_from_the_row(tmp_path: Path) -> None:
    change = {"zero_or_fsdp": "fsdp within slice, dp 4 over DCN", "notes": "4 x 100 Gb/s RoCE per node; 2021-04"}
    (run,) = read_runs(runs_file(tmp_path, change))
    assert sharding(run) == (3, 16)
    assert network_gbps_per_node(run) == 400
    assert not software_of_run(run).fused_attention
    spec = model_spec(run)
    assert (spec.gated_mlp, spec.tied_embeddings, spec.head_size) == (True, False, 128)
    assert spec.parameters == pytest.approx(70.55e9, rel=1e-3)


def test_no_bundled_run_is_lost_and_none_is_barred_from_shipping() -> None:
    found = validate(bundled_runs(), load())
    ids = {run.id for run in read_runs(bundled_runs())}
    assert {row.id for row in found.rows} | {row.id for row in found.skipped} == ids
    assert not any(name.startswith("vtrain") for name in ids)


def test_bundled_runs_stay_as_accurate_as_when_they_were_fitted() -> None:
    found = validate(bundled_runs(), load())
    numbers = found.as_json()["summary"]
    assert numbers["n"] > 600
    assert numbers["median_abs_error"] < 0.075
    assert numbers["within_20"] > 0.85
    assert abs(numbers["bias"]) < 0.04


def test_published_layouts_are_not_called_unfitting() -> None:
    rows = validate(bundled_runs(), load()).rows
    assert sum(not row.fits for row in rows) <= 0.01 * len(rows)


def test_a_fit_recovers_a_slower_machine(tmp_path: Path) -> None:
    # runs of one family, all half as fast as the prior says: the fitted errors must be small
    rows = [{"id": f"lab-{n:03}", "step_time_s": str(seconds)} for n, seconds in enumerate((25.0, 25.5, 26.0, 24.5))]
    cases = [found for run in read_runs(runs_file(tmp_path, *rows)) if isinstance(found := case(run, load()), Case)]
    prior = read_efficiency(directory() / "priors")
    fitted = fit(cases, prior)
    assert np.median(np.abs(step_errors(cases, prior))) > 0.3
    assert np.median(np.abs(step_errors(cases, fitted))) < 0.1
    assert ("nvidia-hopper", "matmul") in free_constants(cases)


def test_every_constant_has_a_meaning_a_unit_and_a_source() -> None:
    for folder in (directory(), directory() / "priors"):
        for file in (file for file in folder.glob("*.csv") if file.name != RESIDUALS):
            for row in csv.DictReader(file.read_text().splitlines()):
                assert row["source"], (file.name, row)
                assert row["unit"] == MEANING[row["constant"]][0]
    assert set(efficiency().families()) >= {"nvidia-ampere", "nvidia-hopper", "nvidia-blackwell", "google-tpu"}


def test_an_unknown_constant_is_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        "family,constant,value,unit,source,fit_date,rows,residual\nany,matmull,1,1,guess,,,\n"
    )
    with pytest.raises(InputError, match="did you mean 'matmul'"):
        read_efficiency(tmp_path)


def test_a_row_without_its_shape_takes_that_of_the_architecture_it_names(tmp_path: Path) -> None:
    known, named = validate(
        runs_file(tmp_path, {}, {"id": "lab-002", "layers": "", "heads": "", "kv_heads": ""}), load()
    ).rows
    assert named.predicted_step_s == pytest.approx(known.predicted_step_s, rel=0.01)


def test_mixture_rows_are_the_bundled_architectures_where_those_have_what_no_column_says() -> None:
    rows = {run.id: run for run in read_runs(bundled_runs())}
    deepseek = model_spec(rows["mbridge-001"])
    assert (deepseek.latent_rank, deepseek.shared_ffn_size, deepseek.dense_layers) == (512, 2048, 3)
    assert deepseek.mtp_layers == 1
    assert model_spec(rows["mbridge-083"]).mtp_layers == 0  # "w/o MTP" in its notes


def test_an_unknown_mixture_is_built_from_its_columns(tmp_path: Path) -> None:
    # Qwen3-30B-A3B under another name and with another head count: 48 layers of 128 experts, 30.5B of which 3.3B active
    file = runs_file(
        tmp_path,
        {
            "model": "Mystery-30B", "arch": "moe", "params_total_b": "30.5", "params_active_b": "3.3", "layers": "48",
            "hidden": "2048", "ffn_hidden": "768", "heads": "16", "kv_heads": "4", "vocab": "151936", "experts": "128",
            "experts_active": "8", "tp": "1", "pp": "1", "vp": "", "dp": "64", "cp": "1", "ep": "8", "step_time_s": "5",
        },
    )  # fmt: skip
    spec = model_spec(read_runs(file)[0])
    assert spec.experts == 128
    assert spec.parameters == pytest.approx(30.5e9, rel=0.02)
    assert spec.active_parameters == pytest.approx(3.3e9, rel=0.05)
    (row,) = validate(file, load()).rows
    assert row.layout["ep"] == 8


def test_the_year_of_the_software_is_read_from_releases_and_dates() -> None:
    rows = {run.id: run for run in read_runs(bundled_runs())}
    assert software_of_run(rows["mbridge-001"]).fused_routing  # container 26.08
    assert not software_of_run(rows["mbridge-111"]).fused_routing  # container 25.09
    assert not software_of_run(rows["dgxc-131"]).fused_routing  # v25.05.05


def test_every_grouping_covers_every_row_once() -> None:
    found = validate(bundled_runs(), load())
    document = found.as_json()
    json.dumps(document, allow_nan=False)
    for name in GROUPINGS:
        groups = document[f"by_{name}"]
        assert sum(numbers["n"] for numbers in groups.values()) == len(found.rows), name
    assert [name for name in SCALES if name in document["by_scale"]] == list(document["by_scale"])


@pytest.mark.parametrize(("accelerators", "label"), [
    (1, "1-8"), (8, "1-8"), (9, "9-64"), (64, "9-64"), (65, "65-512"), (512, "65-512"), (513, "513-4096"),
    (4096, "513-4096"), (4097, "> 4096"),
])  # fmt: skip
def test_scales_meet_without_gap(accelerators: int, label: str) -> None:
    assert scale(accelerators) == label


@pytest.mark.parametrize(("degrees", "label"), [
    ({}, "DP only"), ({"tp": 8}, "TP"), ({"pp": 2}, "PP"), ({"tp": 8, "pp": 2}, "TP + PP"),
    ({"zero": 3, "tp": 2}, "FSDP / ZeRO-3"), ({"zero": 3, "cp": 2}, "with CP"), ({"cp": 2, "ep": 8}, "with EP"),
])  # fmt: skip
def test_a_layout_is_known_by_its_rarest_degree(degrees: dict[str, int], label: str) -> None:
    assert parallelism(Layout(**degrees).as_dict()) == label


def test_rows_carry_what_explains_them(tmp_path: Path) -> None:
    change = {"notes": "peak_mem_gib=60", "source": "arXiv:2407.21783", "recompute": "selective", "vp": "5"}
    (row,) = validate(runs_file(tmp_path, change), load()).rows
    assert (row.source, row.reference, row.architecture, row.measured_memory_gib) == (
        "lab", "arXiv:2407.21783", "dense", 60.0,
    )  # fmt: skip
    assert sum(row.breakdown_s.values()) == pytest.approx(row.predicted_step_s)
    # 70.55 billion parameters; MFU is inversely proportional to the step time
    assert row.parameters == pytest.approx(70.55e9, rel=1e-3)
    assert row.measured_mfu * row.measured_step_s == pytest.approx(row.predicted_mfu * row.predicted_step_s)


def test_ids_without_numbers_are_grouped_by_their_source() -> None:
    assert publication("sc21-004", "arXiv:2104.04473") == "sc21"
    assert publication("megatron", "arXiv:2104.04473") == "arXiv:2104.04473"
    assert publication("megatron", "") == "not named"


def test_what_a_row_leaves_open_spans_from_the_prediction_upwards(tmp_path: Path) -> None:
    files = (runs_file(tmp_path, {}), {"zero_or_fsdp": "zero1", "recompute": "full"})
    (open_row,) = validate(files[0], load()).rows
    (closed_row,) = validate(runs_file(tmp_path, files[1]), load()).rows
    assert open_row.slowest_step_s > open_row.predicted_step_s
    assert closed_row.slowest_step_s == closed_row.predicted_step_s


def test_ranks_share_ties_and_correlate() -> None:
    assert ranks([30, 10, 20, 20]).tolist() == [4.0, 1.0, 2.5, 2.5]
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1.0)
    assert spearman([1, 2, 3, 4], [8, 6, 4, 2]) == pytest.approx(-1.0)
    # ranks 1 2 3 4 5 and 1 3 2 4 5: 1 - 6 (1 + 1) / (5 * 24) = 0.9
    assert spearman([1, 2, 3, 4, 5], [1, 3, 2, 4, 5]) == pytest.approx(0.9)
    assert spearman([1, 1, 1], [1, 2, 3]) is None


def ordered(tmp_path: Path, seconds: list[float]) -> dict[str, Any]:
    """The order of runs of five layouts with the measured step times given, fastest predicted first."""
    tensors = [{"tp": str(t), "pp": str(p)} for t, p in ((8, 1), (4, 2), (8, 2), (4, 4), (8, 4))]
    common = {"vp": "1", "dp": "", "cp": "1", "zero_or_fsdp": "zero1", "recompute": "full"}
    rows = validate(runs_file(tmp_path, *(common | degrees for degrees in tensors)), load()).rows
    by_prediction = sorted(range(5), key=lambda i: rows[i].predicted_step_s)
    changes = [
        common | tensors[i] | {"id": f"lab-{i}", "step_time_s": str(second)}
        for i, second in zip(by_prediction, seconds, strict=True)
    ]
    order: dict[str, Any] = validate(runs_file(tmp_path, *changes), load()).as_json()["order"]
    return order


def test_order_says_how_far_the_predicted_best_is_from_the_best(tmp_path: Path) -> None:
    order = ordered(tmp_path, [12.0, 10.0, 14.0, 16.0, 18.0])
    (group,) = order["groups"]
    assert (group["n"], group["source"], group["model"]) == (5, "lab", "Llama-3.1-70B")
    # measured ranks 2 1 3 4 5 in the order predicted: 1 - 6 (1 + 1) / (5 * 24) = 0.9; 12 / 10 - 1; 18 / 10 - 1
    assert group["spearman"] == pytest.approx(0.9)
    assert group["regret"] == pytest.approx(0.2)
    assert group["spread"] == pytest.approx(0.8)
    assert order["worst_regret"] == pytest.approx(0.2)


def test_a_right_order_has_no_regret(tmp_path: Path) -> None:
    (group,) = ordered(tmp_path, [10.0, 12.0, 14.0, 16.0, 18.0])["groups"]
    assert (group["spearman"], group["regret"]) == (pytest.approx(1.0), 0.0)


def test_runs_that_differ_in_more_than_layout_are_not_ordered(tmp_path: Path) -> None:
    batches = [{"global_batch_sequences": str(128 * n), "tp": "4", "pp": "4"} for n in (1, 2, 3, 4, 5)]
    order = validate(runs_file(tmp_path, *batches), load()).as_json()["order"]
    assert (order["n"], order["median_spearman"], order["worst_regret"]) == (0, None, None)


def reasons(tmp_path: Path, *changes: dict[str, str]) -> str:
    """What is said of the first of some runs."""
    rows = validate(runs_file(tmp_path, *changes), load()).rows
    return " ".join(why(rows[0], rows))


def test_a_bias_of_the_whole_source_is_named(tmp_path: Path) -> None:
    slow = [{"id": f"lab-{n}", "step_time_s": str(seconds)} for n, seconds in enumerate((40, 38, 39, 41))]
    said = reasons(tmp_path, *slow)
    assert "It is not alone: all 3 other runs of source lab" in said
    assert "are predicted faster than measured too" in said
    assert "Most alike: lab-1" in said


def test_a_row_whose_source_is_predicted_well_stands_apart(tmp_path: Path) -> None:
    rows = [{"id": f"lab-{n}", "step_time_s": str(seconds)} for n, seconds in enumerate((40, 14.5, 14.7, 14.6))]
    said = reasons(tmp_path, *rows)
    assert "The 3 other runs of source lab" in said
    assert "not alone" not in said


def test_doubts_in_the_notes_are_quoted_and_plain_notes_are_not(tmp_path: Path) -> None:
    said = reasons(tmp_path, {"notes": "64 GPUs; congested network, LOW TRUST; peak_mem_gb=50"})
    assert 'Its notes say: "congested network, LOW TRUST".' in said
    assert "notes" not in reasons(tmp_path, {"notes": "64 GPUs; measured over 100 steps"})


def test_a_step_predicted_too_slow_names_the_part_that_makes_it_so(tmp_path: Path) -> None:
    said = reasons(tmp_path, {"step_time_s": "5"})
    assert "Of the predicted step matmul" in said
    assert "No run of the file is like it." in said


def test_the_worst_rows_come_first_and_are_explained() -> None:
    document = validate(bundled_runs(), load()).as_json()
    errors = [abs(row["error"]) for row in document["worst"]]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == max(abs(row["error"]) for row in document["rows"])
    assert all(row["why"] for row in document["worst"])
