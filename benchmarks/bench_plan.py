"""The main job on the whole catalog: cold start to answer, warm library call, and its parts."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WORKLOAD = Path(__file__).parents[1] / "examples" / "llama-3-70b.yaml"


def median_s(run: Callable[[], object], times: int) -> float:
    """Median wall-clock seconds of a call."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    """Print medians, in seconds."""
    from hardware_catalog.catalog import BUNDLED, load
    from planner.options import options
    from planner.planning import plan
    from planner.workload import read_workload

    cold = [sys.executable, "-c", "from planner.cli import main; main()", "plan", str(WORKLOAD), "--json"]
    shown = [sys.executable, "-c", "from planner.cli import main; main()", "--help"]
    workload, catalog = read_workload(WORKLOAD), load()
    rows = {
        "planner --help": median_s(lambda: subprocess.run(shown, check=True, capture_output=True), 5),
        "planner plan, cold start to answer": median_s(
            lambda: subprocess.run(cold, check=True, capture_output=True), 5
        ),
        "load the catalog": median_s(lambda: load(Path(str(BUNDLED))), 5),
        "read the workload": median_s(lambda: read_workload(WORKLOAD), 5),
        "options of the whole catalog, warm": median_s(lambda: options(workload, catalog), 5),
        "plan on the whole catalog, warm": median_s(lambda: plan(workload, catalog), 5),
    }
    for name, seconds in rows.items():
        print(f"{name:40} {seconds:8.3f} s")


if __name__ == "__main__":
    main()
