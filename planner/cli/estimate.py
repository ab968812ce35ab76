"""`planner estimate`: one model on one slice."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from hardware_catalog.errors import InputError, Problem, nearest
from planner.cli.inputs import (
    Accelerator,
    AsJson,
    CatalogPath,
    ContextParallel,
    EfficiencyPath,
    ExpertParallel,
    GlobalBatch,
    Lora,
    MicroBatch,
    Model,
    PipelineParallel,
    Precision,
    Recompute,
    SequenceLength,
    TensorParallel,
    VirtualPipeline,
    ZeroStage,
    machine_of,
    read_constants,
)

if TYPE_CHECKING:
    from planner.performance.estimate import Estimate
    from planner.performance.goodput import Goodput

DAY = 86_400
DEFAULT_BATCH_TOKENS = 4_194_304  # the 4 Mi tokens that LLaMA and most since were trained with


def estimate(
    model: Model,
    accelerator: Accelerator,
    count: Annotated[int, typer.Option(min=1, help="Number of accelerators.", show_default=False)],
    seq_len: SequenceLength = 4096,
    global_batch: GlobalBatch = None,
    micro_batch: MicroBatch = None,
    precision: Precision = "bf16",
    tp: TensorParallel = None,
    pp: PipelineParallel = None,
    vp: VirtualPipeline = None,
    cp: ContextParallel = None,
    ep: ExpertParallel = None,
    zero: ZeroStage = None,
    recompute: Recompute = None,
    lora: Lora = False,
    tokens: Annotated[
        str | None, typer.Option(help="Tokens to train on, such as 15T: adds expected and 90th-percentile days.")
    ] = None,
    purchase_option: Annotated[
        str, typer.Option(help="on_demand, spot, reserved, capacity_block or owned; spot nodes are taken back.")
    ] = "on_demand",
    efficiency: EfficiencyPath = None,
    catalog: CatalogPath = None,
    as_json: AsJson = False,
) -> None:
    """Step time, memory and utilisation of a model on a slice; degrees left out are searched."""
    from hardware_catalog.catalog import load
    from planner.architecture import model as model_named
    from planner.performance.estimate import estimate as estimate_of
    from planner.performance.goodput import goodput

    work = None if tokens is None else tokens_of(tokens)
    check_purchase_option(purchase_option)
    data = load(catalog)
    constants = read_constants(efficiency, data)
    machine = machine_of(data, accelerator, precision, [count])
    spec = model_named(model)
    batch = global_batch or max(DEFAULT_BATCH_TOKENS // seq_len, 1)
    per_node = machine.accelerators_per_node
    found = estimate_of(
        spec,
        machine,
        count,
        seq_len,
        batch,
        precision,
        tp=tp,
        pp=pp,
        vp=vp,
        cp=cp,
        ep=ep,
        micro_batch=micro_batch,
        zero=zero,
        recompute=recompute,
        lora=lora,
        constants=constants,
    )
    share = goodput(
        nodes=max(count // per_node, 1),
        purchase_option=purchase_option,
        accelerator=data.accelerators[machine.accelerator],
        accelerators_per_node=min(per_node, count),
        parameters=spec.parameters,
    )
    days = None if work is None or found.layout is None else wall_clock_days(work, found.tokens_per_second, share)
    if as_json:
        document: dict[str, Any] = found.as_json() | {
            "goodput": share.fraction,
            "goodput_detail": share.as_json(),
            "global_batch_sequences": batch,
        }
        if work is not None:
            document["wall_clock"] = days
        if constants:
            document["constants"] = str(constants.overlay)
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        show(f"{spec.name} on {count} {accelerator}", found, share)
        if days is not None:
            show_days(days, share)
        if constants:
            typer.echo(str(constants.overlay))


def tokens_of(text: str) -> int:
    """A number of tokens from its text; InputError when it is none."""
    from planner.quantities import tokens

    try:
        return tokens(text)
    except ValueError as error:
        raise InputError(Problem(str(error), field="tokens")) from None


def check_purchase_option(name: str) -> None:
    """InputError with the nearest right name when there is no such purchase option."""
    from planner.workload import PurchaseOption

    known = get_args(PurchaseOption)
    if name not in known:
        raise InputError(
            Problem(
                f"expected one of {', '.join(known)}, got '{name}'",
                field="purchase_option",
                nearest=nearest(name.replace("-", "_"), known),
            )
        )


def wall_clock_days(tokens: int, tokens_per_second: float, share: Goodput) -> dict[str, float]:
    """Days that a number of tokens takes: undisturbed, expected, and kept with probabilities of 0.5 and 0.9."""
    from planner.performance.goodput import expected_wall_clock, wall_clock

    useful_s = tokens / tokens_per_second
    return {
        "tokens": tokens,
        "useful_days": useful_s / DAY,
        "expected_days": expected_wall_clock(useful_s, share) / DAY,
        "p50_days": wall_clock(useful_s, share, 0.5) / DAY,
        "p90_days": wall_clock(useful_s, share, 0.9) / DAY,
    }


def show_days(days: dict[str, float], share: Goodput) -> None:
    """Print how long the tokens take."""
    from rich.console import Console

    held = "" if share.available == 1 else f"; nodes are there {share.available:.0%} of the calendar"
    Console(highlight=False).print(
        f"{days['tokens']:,} tokens: {days['expected_days']:,.1f} days expected, {days['p90_days']:,.1f} in nine cases "
        f"of ten ({days['useful_days']:,.1f} without interruptions){held}"
    )


def show(title: str, found: Estimate, share: Goodput) -> None:
    """Print an estimate with its breakdowns."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if found.layout is None:
        console.print(f"{title}: {found.binds}")
        return
    console.print(f"{title}, {found.layout}")
    if not found.fits:
        console.print(f"does not fit: {found.short_by_gib:.1f} GiB short on the fullest accelerator")
        if found.nearest_fitting:
            console.print(f"nearest layout that fits: {found.nearest_fitting}")
    error = (
        f" (runs like it: half within {found.expected_error:.0%}, nine in ten within {found.expected_error_p90:.0%})"
        if found.expected_error
        else ""
    )
    console.print(
        f"step {found.step_time_s:.3f} s{error}; {found.tokens_per_second:,.0f} tokens/s, "
        f"{found.tokens_per_second_per_accelerator:,.0f} per accelerator"
    )
    console.print(f"MFU {found.mfu:.1%}, HFU {found.hfu:.1%}, goodput {share.fraction:.1%}; most time: {found.binds}")
    lost = share.lost
    taken = f", preemption {lost.preemption:.1%}" if lost.preemption else ""
    console.print(
        f"lost to checkpoints {lost.checkpoint:.1%}, rework {lost.rework:.1%}, restarts {lost.restart:.1%}{taken}; "
        f"an interruption every {share.mtbf_s / 3600:,.1f} h, a checkpoint every {share.checkpoint_interval_s:,.0f} s"
    )
    table = Table("step time", "s", "share")
    for name, seconds in found.breakdown_s.items():
        if seconds > 0:
            table.add_row(name.replace("_", " "), f"{seconds:.3f}", f"{seconds / found.step_time_s:.1%}")
    console.print(table)
    memory = Table("memory", "GiB")
    for name, size in found.memory_gib.items():
        memory.add_row(name, f"{size:.1f}")
    console.print(memory)
