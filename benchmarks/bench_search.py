"""How many layouts a second the search prices, on one core: python benchmarks/bench_search.py [--repeat 5]

Each case is one phase on every size of slice that a plan would try; a layout counts once it has its memory and, where
it fits, its step time.
"""

from __future__ import annotations

import argparse
import statistics
import time

from hardware_catalog.catalog import load
from planner.architecture import model
from planner.performance.hardware import hardware_of_accelerator
from planner.performance.search import layouts

SIZES = tuple(8 * 2**a * 3**b for b in (0, 1) for a in range(11))
CASES = (
    ("llama-3-70b", "h100-sxm5-80", 8192, 2048),
    ("llama-3.1-405b", "gb200-nvl72", 8192, 4608),
    ("deepseek-v3", "h100-sxm5-80", 4096, 15360),
    ("qwen3-30b-a3b", "b200-sxm-180", 4096, 9216),
    ("llama-3-70b", "tpu-v5p", 8192, 2048),
)


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_known_args()[0].repeat
    catalog = load()
    print(f"{'model':16} {'accelerator':14} {'layouts':>8} {'median s':>9} {'million/s':>10}")
    for name, accelerator, sequence, batch in CASES:
        spec, machine = model(name), hardware_of_accelerator(catalog, accelerator)
        seconds = []
        for _ in range(repeat + 1):  # the first fills the caches
            start = time.process_time()
            table = layouts(spec, machine, SIZES, sequence, batch, "bf16")
            seconds.append(time.process_time() - start)
        median = statistics.median(seconds[1:])
        count = len(table.step_s)
        print(f"{name:16} {accelerator:14} {count:>8,} {median:>9.4f} {count / median / 1e6:>10.2f}")


if __name__ == "__main__":
    main()
