"""Run every benchmark."""

from __future__ import annotations

from benchmarks import bench_comparators, bench_optimizer, bench_plan, bench_portfolio, bench_search

for bench in (bench_plan, bench_search, bench_comparators, bench_optimizer, bench_portfolio):
    print(f"== {bench.__name__.removeprefix('benchmarks.')}: {(bench.__doc__ or '').splitlines()[0]}")
    bench.main()
