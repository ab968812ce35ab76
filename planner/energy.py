"""Electric power, energy and carbon of a run, from the catalog's figures."""

from __future__ import annotations

from dataclasses import dataclass

from hardware_catalog.records import Accelerator, Region

# Measured training power over nameplate (TDP plus host share): MLPerf power logs give 880-940 W of system power per
# H100 (nameplate 1,275 W) and about 1,200 W per B200 (nameplate 1,790 W); PaLM reports 378.5 W per TPU v4 chip.
LOAD_FACTOR = 0.70
# Where a chip's power is not published: what an A100 draws per peak TFLOP/s (400 W, 312 TFLOP/s), and the host's
# share of a DGX H100 (4.6 kW of hosts, fans and network to 5.6 kW of chips). Guesses; a plan on them says so.
WATTS_PER_TFLOP = 1.28
HOST_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Power:
    """What one accelerator with its share of the host draws while training, at the meter of the data centre."""

    watts: float  # PUE included
    grams_per_hour: float  # CO2e, location based


def power(accelerator: Accelerator, region: Region) -> Power:
    """Average electric power (W, PUE included) and carbon rate (g CO2e/h) of one accelerator in a region.

    IT power is the nameplate (TDP + host share) times a load factor measured over MLPerf training runs.
    """
    chip = accelerator.tdp_w or WATTS_PER_TFLOP * (accelerator.bf16_tflops or accelerator.fp16_tflops or 0.0)
    host = chip * HOST_SHARE if accelerator.host_overhead_w_per_chip is None else accelerator.host_overhead_w_per_chip
    watts = LOAD_FACTOR * (chip + host) * region.pue
    return Power(watts=watts, grams_per_hour=watts / 1000.0 * region.grid_gco2e_kwh)


def is_guessed(accelerator: Accelerator) -> bool:
    """Whether the catalog has no published power for the accelerator."""
    return accelerator.tdp_w is None
