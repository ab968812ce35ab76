"""Power and carbon of accelerators against measured system power."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hardware_catalog.catalog import load
from planner.energy import is_guessed, power


def region(pue: float = 1.0, grams: float = 400.0):
    return replace(next(iter(load().regions.values())), pue=pue, grid_gco2e_kwh=grams)


@pytest.mark.parametrize(
    ("accelerator", "low", "high", "source"),
    [
        ("h100-sxm5-80", 800, 950, "MLPerf power: 880-940 W of system per GPU"),
        ("b200-sxm-180", 1100, 1300, "MLPerf power: about 1,200 W of system per GPU"),
        ("a100-sxm4-80", 450, 650, "DGX A100: 6.5 kW at most for 8"),
        ("tpu-v4", 150, 400, "PaLM: 378.5 W per chip with host"),
    ],
)
def test_power_is_what_systems_were_measured_to_draw(accelerator, low, high, source):
    assert low <= power(load().accelerators[accelerator], region()).watts <= high, source


def test_pue_multiplies_power_and_the_grid_gives_carbon():
    h100 = load().accelerators["h100-sxm5-80"]
    plain, overhead = power(h100, region()), power(h100, region(pue=1.2))
    assert overhead.watts == pytest.approx(1.2 * plain.watts)
    assert plain.grams_per_hour == pytest.approx(plain.watts / 1000 * 400)


def test_an_unpublished_power_is_estimated_and_never_zero():
    for accelerator in load().accelerators.values():
        assert power(accelerator, region()).watts > 0
    assert is_guessed(load().accelerators["trainium1"])
    assert not is_guessed(load().accelerators["h100-sxm5-80"])
