"""Electric power, energy and carbon of a run, from the catalog's figures."""

from __future__ import annotations

from dataclasses import dataclass

from hardware_catalog.records import Accelerator, Region

# Measured training power over nameplate (TDP plus host share): MLPerf power logs give 880-940 W of system power per
# H100 (nameplate 1,275 W) and about 1,200 W per B200 (nameplate 1,790 W); PaLM reports 378.5 W per TPU v4 chip.
LOAD_FACTOR = 0.70
PUE_WHEN_UNKNOWN = 1.25  # Cottier et al. 2024, arXiv:2405.21015, for other than hyperscalers


@dataclass(frozen=True, slots=True)
class Power:
    """What one accelerator with its share of the host draws while training, at the meter of the data centre."""

    watts: float  # PUE included
    grams_per_hour: float  # CO2e, location based


def power(accelerator: Accelerator, region: Region) -> Power:
    """Average electric power (W, PUE included) and carbon rate (g CO2e/h) of one accelerator in a region.

    IT power is the nameplate (TDP + host share) times a load factor measured over MLPerf training runs.
    """
    it_watts = LOAD_FACTOR * ((accelerator.tdp_w or 0.0) + (accelerator.host_overhead_w_per_chip or 0.0))
    watts = it_watts * (region.pue or PUE_WHEN_UNKNOWN)
    return Power(watts=watts, grams_per_hour=watts / 1000.0 * (region.grid_gco2e_kwh or 0.0))
