"""Own constants: fitted on a user's runs around the shipped ones, and used by every verb that predicts."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from hardware_catalog.catalog import load
from planner.architecture import model
from planner.calibration_files import write_overlay
from planner.errors import InputError
from planner.optimizer.verify import verify
from planner.overlay import family_fits, modelled
from planner.performance.efficiency import ANY, MEANING, RESIDUALS, directory, efficiency, overlaid, read_efficiency
from planner.performance.estimate import estimate
from planner.performance.expected_error import expected_error, known_residuals
from planner.performance.hardware import hardware_of_accelerator
from planner.planning import plan
from planner.validation import validate
from planner.workload import read_workload

ROOT = Path(__file__).parents[1]
FAMILIES = {accelerator.family for accelerator in load().accelerators.values()}
HEADER = "family,constant,value,unit,source,fit_date,rows,residual\n"
RUN = {
    "id": "", "model": "Llama-3.1-70B", "arch": "dense", "params_total_b": "70.55", "layers": "80", "hidden": "8192",
    "ffn_hidden": "28672", "heads": "64", "kv_heads": "8", "vocab": "128256", "seq_len": "8192",
    "global_batch_sequences": "128", "micro_batch": "1", "precision": "bf16", "accelerator": "h100-sxm5-80",
    "num_accelerators": "64", "accelerators_per_node": "8", "tp": "8", "pp": "4", "vp": "1", "cp": "1",
    "recompute": "full", "step_time_s": "1", "zero_or_fsdp": "zero 1", "notes": "", "source": "own logs",
}  # fmt: skip
LAYOUTS = [(8, 2, 64), (8, 4, 64), (4, 4, 64), (8, 2, 128), (8, 4, 128), (4, 4, 128)]


def runs_file(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as lines:
        out = csv.DictWriter(lines, list(RUN))
        out.writeheader()
        out.writerows(rows)
    return path


def slower_runs(path: Path, slower: float, count: int, accelerator: str = "h100-sxm5-80") -> Path:
    """Runs on a machine that takes `slower` times what the shipped constants predict."""
    rows = [
        RUN
        | {"id": f"own-{n:03}", "accelerator": accelerator, "tp": str(tp), "pp": str(pp), "num_accelerators": str(gpus)}
        | {"global_batch_sequences": str(128 if n < len(LAYOUTS) else 256)}
        for n, (tp, pp, gpus) in enumerate((LAYOUTS + LAYOUTS)[:count])
    ]
    predicted = {row.id: row.predicted_step_s for row in validate(runs_file(path, rows), load()).rows}
    return runs_file(path, [row | {"step_time_s": f"{predicted[row['id']] * slower:.6g}"} for row in rows])


def planner(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from planner.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)


def overlay_file(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "mine.csv").write_text(HEADER + "".join(line + "\n" for line in lines))
    return folder


def test_a_user_calibrates_a_machine_15_percent_slower_and_every_verb_knows_it(tmp_path: Path) -> None:
    runs = slower_runs(tmp_path / "my-runs.csv", 1.15, 12)
    made = planner("calibrate", runs, "-o", tmp_path / "own")
    assert made.returncode == 0, made.stderr
    assert "nvidia-hopper" in made.stdout
    assert "13.0%" in made.stdout  # 1 / 1.15 - 1 by the shipped constants
    assert "use them" in made.stdout
    assert sorted(file.name for file in (tmp_path / "own").iterdir()) == ["nvidia-hopper.csv", RESIDUALS]
    rows = list(csv.DictReader((tmp_path / "own" / "nvidia-hopper.csv").read_text().splitlines()))
    assert all(row["source"].startswith("fit on my-runs.csv (12 rows, 20") and row["rows"] == "12" for row in rows)
    assert {row["family"] for row in rows} == {"nvidia-hopper"}
    assert not {"matmul_8bit", "matmul_4bit", "grouped"} & {row["constant"] for row in rows}  # no such run
    own = overlaid(efficiency(), tmp_path / "own", FAMILIES)
    assert max(abs(row.error) for row in validate(runs, load(), own).rows) < 0.03
    command = ("estimate", "--model", "llama-3-70b", "--count", "256", "--json", "--accelerator")
    for accelerator, ratio in (("h100-sxm5-80", 1.15), ("a100-sxm4-80", 1.0)):
        shipped, mine = (
            json.loads(planner(*command, accelerator, *option).stdout)["step_time_s"]
            for option in ((), ("--efficiency", tmp_path / "own"))
        )
        assert mine / shipped == pytest.approx(ratio, abs=0.05 if ratio > 1 else 1e-12)


def test_few_runs_move_the_constants_little_and_many_move_them_much(tmp_path: Path) -> None:
    def moved(count: int) -> float:
        cases, _ = modelled([slower_runs(tmp_path / "runs.csv", 1.15, count)], load())
        (found,) = family_fits(cases, efficiency())
        return float(1 - np.median(found.after) / np.median(found.before))

    one, three, twelve = moved(1), moved(3), moved(12)
    assert one < 0.5
    assert one < three < twelve
    assert twelve > 0.85


def test_one_misprinted_run_counts_little(tmp_path: Path) -> None:
    path = slower_runs(tmp_path / "runs.csv", 1.0, 12)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    rows[3]["step_time_s"] = f"{float(rows[3]['step_time_s']) * 10:.6g}"
    cases, _ = modelled([runs_file(path, rows)], load())
    (found,) = family_fits(cases, efficiency())
    assert np.median(np.abs(found.after)) < 0.01


def test_runs_the_shipped_constants_predict_say_keep_them(tmp_path: Path) -> None:
    runs = slower_runs(tmp_path / "runs.csv", 1.0, 6)
    rows = list(csv.DictReader(runs.read_text().splitlines()))
    for row, factor in zip(rows, (0.8, 1.2, 1.25, 0.8, 0.8, 1.2), strict=True):  # noise, of no layout
        row["step_time_s"] = f"{float(row['step_time_s']) * factor:.6g}"
    made = planner("calibrate", runs_file(runs, rows), "-o", tmp_path / "own")
    assert made.returncode == 0
    assert "keep the shipped constants" in made.stdout
    alone = planner("calibrate", slower_runs(runs, 1.1, 1), "-o", tmp_path / "own")
    assert "one row cannot be checked on another; keep the shipped constants" in alone.stdout
    document = json.loads(planner("calibrate", runs, "-o", tmp_path / "own", "--json").stdout)
    assert document["families"][0]["helps"] is False
    assert document["families"][0]["median_error_left_out"] is None


def test_families_are_fitted_apart_and_several_sources_are_left_out_in_turn(tmp_path: Path) -> None:
    hopper = list(csv.DictReader(slower_runs(tmp_path / "h.csv", 1.2, 6).read_text().splitlines()))
    ampere = list(csv.DictReader(slower_runs(tmp_path / "a.csv", 0.9, 6, "a100-sxm4-80").read_text().splitlines()))
    for n, row in enumerate(ampere):
        row["id"] = f"{'ab'[n % 2]}-{n}"
    cases, skipped = modelled([runs_file(tmp_path / "both.csv", hopper + ampere)], load())
    first, second = family_fits(cases, efficiency())
    assert not skipped
    assert (first.family, first.parts, first.runs) == ("nvidia-ampere", "sources", 6)
    assert (second.family, second.parts) == ("nvidia-hopper", "runs")
    assert first.constants["matmul"] > efficiency()["nvidia-ampere", "matmul"]
    assert second.constants["matmul"] < efficiency()["nvidia-hopper", "matmul"]
    assert first.helps
    assert second.helps
    # nothing of the rows left out remains: three rows pull less far than six
    assert np.median(np.abs(first.left_out)) > np.median(np.abs(first.after))


def test_the_expected_error_is_that_of_own_runs_where_there_are(tmp_path: Path) -> None:
    runs = slower_runs(tmp_path / "runs.csv", 1.15, 12)
    cases, _ = modelled([runs], load())
    fits = family_fits(cases, efficiency())
    write_overlay(fits, efficiency(), [runs], tmp_path / "own", date(2026, 12, 1))
    own = known_residuals(overlaid(efficiency(), tmp_path / "own", FAMILIES).overlay)
    at = ("nvidia-hopper", "dense", "bf16", 64, 70.55e9, "tensor+pipeline")
    assert expected_error(*at, own).p90 < expected_error(*at).p90
    other = ("nvidia-ampere", *at[1:])
    assert expected_error(*other, own).runs == expected_error(*other).runs


def test_an_overlay_wins_and_the_rest_stays_as_shipped(tmp_path: Path) -> None:
    folder = overlay_file(tmp_path / "own", "nvidia-hopper,matmul,0.5,1,by hand,,,", "any,step,0.2,s,by hand,,,")
    own, shipped = overlaid(efficiency(), folder, FAMILIES), efficiency()
    assert own["nvidia-hopper", "matmul"] == 0.5
    assert own["nvidia-ampere", "step"] == 0.2
    same = {(family, name) for family in (*FAMILIES, ANY) for name in MEANING} - {("nvidia-hopper", "matmul")}
    assert all(own[key] == shipped[key] for key in same if key[1] != "step")
    assert str(own.overlay) == (
        f"performance constants of {folder} overlay the shipped ones: any (step); nvidia-hopper (matmul)"
    )


@pytest.mark.parametrize(("line", "message"), [
    ("nvidia-hoper,matmul,1,1,x,,,", ":2: family: 'nvidia-hoper' is not a family of the catalog; "
     "did you mean 'nvidia-hopper'?"),
    ("nvidia-hopper,matmull,1,1,x,,,", ":2: constant: 'matmull' is not a constant; did you mean 'matmul'?"),
    ("nvidia-hopper,matmul,fast,1,x,,,", ":2: value: expected a number, got 'fast'"),
    ("nvidia-hopper,matmul,-1,1,x,,,", ":2: value: expected a number of at least 0, got -1"),
    ("nvidia-hopper,matmul,1", ":2: expected 8 cells, got 3"),
    ("any,step,1,s,x,,,\nany,step,2,s,x,,,", ":3: family: 'any step' stands twice; first on line 2"),
])  # fmt: skip
def test_a_malformed_overlay_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        overlaid(efficiency(), overlay_file(tmp_path / "own", line), FAMILIES)
    assert f"{tmp_path / 'own' / 'mine.csv'}{message}" in str(caught.value)


def test_a_column_a_folder_and_an_empty_one_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(HEADER.replace("constant", "constnat"))
    with pytest.raises(InputError, match="constnat: is not a column of this table; did you mean 'constant'"):
        overlaid(efficiency(), tmp_path, FAMILIES)
    (tmp_path / "x.csv").rename(tmp_path / "x.txt")
    with pytest.raises(InputError, match="holds no constants"):
        overlaid(efficiency(), tmp_path, FAMILIES)
    with pytest.raises(InputError, match="is not a directory of constants"):
        overlaid(efficiency(), tmp_path / "none", FAMILIES)
    with pytest.raises(InputError, match="no value of family 'any'"):
        read_efficiency(overlay_file(tmp_path, "nvidia-hopper,matmul,1,1,x,,,"))


def test_a_plan_says_that_constants_are_the_users_and_looks_different(tmp_path: Path) -> None:
    workload, catalog = read_workload(ROOT / "examples" / "fine-tune-7b.yaml"), load()
    shipped = plan(workload, catalog)
    family = catalog.accelerators[shipped.assignments[0].accelerator].family
    folder = overlay_file(tmp_path / "own", f"{family},matmul,0.1,1,by hand,,,")
    mine = plan(workload, catalog, constants=overlaid(efficiency(), folder, FAMILIES))
    assert verify(mine) == []
    assert mine.cost_usd is not None
    assert shipped.cost_usd is not None
    assert mine.cost_usd > shipped.cost_usd
    assert mine.catalog_digest != shipped.catalog_digest
    said = [warning for warning in mine.warnings if "overlay the shipped ones" in warning.message]
    assert [(warning.message.endswith(f"{family} (matmul)"), warning.source) for warning in said] == [(True, "by hand")]
    assert not [warning for warning in shipped.warnings if "overlay" in warning.message]


@pytest.mark.parametrize(
    ("verb", "code", "says"),
    [
        ("plan", 3, "No plan exists"),
        ("explain", 3, "- "),
        ("options", 0, "overlay the shipped ones: amd-cdna2 (matmul)"),
    ],
)
def test_verbs_of_a_workload_take_the_users_constants(tmp_path: Path, verb: str, code: int, says: str) -> None:
    wrong = overlay_file(tmp_path / "wrong", "nvidia-hoper,matmul,1,1,x,,,")
    refused = planner(verb, "examples/fine-tune-7b.yaml", "--efficiency", wrong)
    assert refused.returncode == 2
    assert "did you mean 'nvidia-hopper'" in refused.stderr
    everything = [f"{family},matmul,0.001,1,x,,," for family in sorted(FAMILIES)]  # nothing finishes for the budget
    slow = planner(verb, "examples/fine-tune-7b.yaml", "--efficiency", overlay_file(tmp_path / "own", *everything))
    assert slow.returncode == code
    assert says in slow.stdout


def test_bad_calibrations_are_one_clear_message(tmp_path: Path) -> None:
    runs = slower_runs(tmp_path / "runs.csv", 1.0, 1)
    refused = planner("calibrate", runs, "-o", directory())
    assert refused.returncode == 2
    assert "holds the shipped constants" in refused.stderr
    runs_file(runs, [RUN | {"id": "own-1", "accelerator": "h100-smx5-80"}])
    refused = planner("calibrate", runs, "-o", tmp_path / "own")
    assert refused.returncode == 2
    assert "own-1: accelerator 'h100-smx5-80' is not in the catalog" in refused.stderr


def test_the_fit_from_priors_writes_every_constant_and_residuals_that_may_be_shipped(tmp_path: Path) -> None:
    rows = list(csv.DictReader(slower_runs(tmp_path / "runs.csv", 1.1, 6).read_text().splitlines()))
    rows[0]["id"] = "vtrain-1"
    rows[1]["id"], rows[1]["accelerator"] = "lab-1", "a100-sxm4-80"
    made = planner("calibrate", runs_file(tmp_path / "runs.csv", rows), "--from-priors", "-o", tmp_path / "all")
    assert made.returncode == 0, made.stderr
    assert set(read_efficiency(tmp_path / "all").families()) >= {"nvidia-hopper", "nvidia-ampere"}
    residuals = list(csv.DictReader((tmp_path / "all" / RESIDUALS).read_text().splitlines()))
    assert [row["id"] for row in residuals] == ["lab-1", "own-002", "own-003", "own-004", "own-005"]
    assert residuals[0]["layout"] == "tensor+pipeline"
    assert float(residuals[0]["parameters"]) == pytest.approx(70.55e9, rel=1e-3)


def test_estimates_take_constants(tmp_path: Path) -> None:
    own = overlaid(efficiency(), overlay_file(tmp_path / "own", "nvidia-hopper,matmul,0.3,1,x,,,"), FAMILIES)
    h100, spec = hardware_of_accelerator(load(), "h100-sxm5-80"), model("llama-3-70b")
    shipped, mine = (estimate(spec, h100, 64, 8192, 128, "bf16", constants=one) for one in (None, own))
    assert mine.step_time_s > 1.5 * shipped.step_time_s
