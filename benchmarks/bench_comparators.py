"""The optimizer beside plain models for ready solvers, a greedy scheduler and the rule of thumb, on the same problems.

python -m benchmarks.bench_comparators [--limit 10]

Every method gets the same problem on the same steps, and every cost is the true one of its runs. "Over" is what it
costs above the optimizer's plan, which may itself be above the proven bound by the gap in its own line.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.bench_optimizer import instance
from benchmarks.comparators import METHODS, coarse, timed
from planner.optimizer.problem import Problem
from planner.optimizer.prune import undominated
from planner.optimizer.runs import usable
from planner.optimizer.solve import solve

WORKLOAD = Path(__file__).parents[1] / "examples" / "llama-3-70b.yaml"
CASES = ((50, 30, 6), (50, 90, 24), (500, 90, 24))  # options, days, hours of a step; three segments each


def problems() -> Iterator[tuple[str, Problem]]:
    """Names and problems, random ones first."""
    for options, days, hours in CASES:
        problem = coarse(instance(options, days, 3, spot_hours=24), hours)
        yield f"{options} options, {days} days by {hours} h, 3 segments", problem
    for segments in (1, 3):
        yield f"bundled catalog, llama-3-70b by 24 h, {segments} segment(s)", on_catalog(segments)


def on_catalog(segments: int) -> Problem:
    """The example's problem without its budget, on steps of a day; only options that no other replaces."""
    from hardware_catalog.catalog import load
    from planner.options import options
    from planner.run_options import to_problem
    from planner.workload import read_workload

    workload = read_workload(WORKLOAD)
    (job,) = workload.jobs
    phases = tuple(phase.model_copy(update={"max_segments": segments}) for phase in job.phases)
    workload = workload.model_copy(update={"jobs": (job.model_copy(update={"phases": phases}),)})
    problem = coarse(replace(to_problem(workload, options(workload, load())), budget=None), 24)
    kept = undominated(problem, usable(problem))
    return replace(problem, options=tuple(problem.options[index] for index in kept))


def main() -> None:
    """Print one block per problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--limit", type=float, default=8.0)
    limit_s = parser.parse_known_args()[0].limit
    for name, problem in problems():
        started = time.monotonic()
        best = solve(problem, limit_s)
        seconds = time.monotonic() - started
        gap = (best.cost - best.bound) / best.cost if best.cost else 0.0
        print(f"{name}: {len(problem.options)} options, {problem.horizon} steps; bound {best.bound / 1e6:,.0f} USD")
        print(f"  {'method':26} {'cost USD':>14} {'gap':>8} {'seconds':>8} {'over USD':>14} {'over':>8}")
        print(f"  {'optimizer':26} {best.cost / 1e6:14,.0f} {gap:8.2%} {seconds:8.2f} {0:14} {0:8.1%}  {best.status}")
        for method, run in METHODS.items():
            answer = timed(run, problem, limit_s)
            if answer.cost is None:
                print(f"  {method:26} {'-':>14} {'-':>8} {answer.seconds:8.2f} {'-':>14} {'-':>8}  {answer.note}")
                continue
            lost = answer.cost - best.cost
            print(
                f"  {method:26} {answer.cost / 1e6:14,.0f} {(answer.cost - best.bound) / answer.cost:8.2%} "
                f"{answer.seconds:8.2f} {lost / 1e6:14,.0f} {lost / best.cost:8.1%}  {answer.note}",
                flush=True,
            )


if __name__ == "__main__":
    main()
