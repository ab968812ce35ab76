"""Peaks that published runs measured: read from notes, and predicted."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import hardware_catalog
from hardware_catalog.catalog import load
from planner.performance.cases import Case, case
from planner.performance.efficiency import efficiency
from planner.performance.published import Run, read_runs, unmodelled
from planner.performance.published_memory import Peak, measured_peak, measured_peak_bytes, peak_errors


def run(notes: str) -> Run:
    return Run(1, {"id": "lab-001", "notes": notes}, {})


@pytest.mark.parametrize(
    ("notes", "peak"),
    [
        ("eval 24.1 s each; max_memory_usage=92.1 GB; TP/PP", Peak(92.1 * 2**30, allocated=True)),
        ("overlap off; peak_mem_gib=66.55; SimuMax predicted", Peak(66.55 * 2**30, allocated=True)),
        ("LOW weight; peak_mem_gib=8.9; tokens", Peak(8.9 * 2**30, allocated=False)),
        ("4x OmniPath 100 Gb/s; peak_mem_gb=49; before", Peak(49e9, allocated=False)),
        ("LOW TRUST: peak memory 150 GB exceeds 141 GB", None),  # said to be wrong
    ],
)
def test_a_peak_is_read_with_its_unit_and_what_it_counts(notes: str, peak: Peak | None) -> None:
    assert measured_peak(run(notes)) == peak
    assert measured_peak_bytes(run(notes)) == (peak.bytes if peak else 0.0)


@lru_cache(maxsize=1)
def bundled_cases() -> list[Case]:
    catalog = load()
    runs = read_runs(Path(hardware_catalog.__file__).parent / "data" / "runs.csv")
    found = [case(one, catalog) for one in runs if not unmodelled(one, catalog.accelerators)]
    return [one for one in found if isinstance(one, Case)]


@pytest.mark.parametrize("source", ["bloompre", "simumax", "mlperf-405b", "mlperf-lora", "mlperf-8b"])
def test_the_median_peak_of_a_source_is_predicted_within_ten_per_cent(source: str) -> None:
    by_source = defaultdict(list)
    for one in peak_errors(bundled_cases(), efficiency()):
        by_source[one.run.source].append(one.ratio)
    assert np.median(np.abs(np.array(by_source[source]) - 1.0)) < 0.1


def test_runs_without_a_peak_have_no_error() -> None:
    silent = [one for one in bundled_cases() if not measured_peak(one.run)]
    assert peak_errors(silent[:3], efficiency()) == []
