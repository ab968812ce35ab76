"""`planner search`: every legal layout of a model on a slice, fastest first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hardware_catalog.errors import InputError, Problem
from planner.cli.estimate import DEFAULT_BATCH_TOKENS
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
    import pandas as pd


SHOWN = 20
ALWAYS = ("tp", "pp", "dp")  # degrees printed even where all are 1


def search(
    model: Model,
    accelerator: Accelerator,
    count: Annotated[
        str,
        typer.Option(metavar="N[,N...]", help="Number of accelerators, or several: 64,128,256.", show_default=False),
    ],
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
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="K", min=1, help=f"Fastest K of each count; {SHOWN} printed, all in files."),
    ] = None,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Only layouts that no other beats in both memory and time.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also layouts that do not fit in memory.")] = False,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write CSV; - is standard output.")] = None,
    catalog: CatalogPath = None,
    efficiency: EfficiencyPath = None,
    as_json: AsJson = False,
) -> None:
    """List all legal layouts of a model on a slice, fastest first, with memory and utilisation."""
    from hardware_catalog.catalog import load
    from planner.architecture import model as model_named
    from planner.layout_search import search as layouts_of

    spec = model_named(model)
    counts = _counts(count)
    data = load(catalog)
    machine = machine_of(data, accelerator, precision, counts)
    batch = global_batch or max(DEFAULT_BATCH_TOKENS // seq_len, 1)
    found = layouts_of(
        spec,
        machine,
        counts,
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
        constants=read_constants(efficiency, data),
    )
    kept = found if everything else found[found["fits"]]
    kept = kept[kept["pareto"]] if pareto else kept
    wanted = kept.groupby("accelerators").head(top) if top else kept
    if as_json:
        document = {
            "model": spec.name,
            "accelerator": accelerator,
            "precision": precision,
            "sequence_length": seq_len,
            "global_batch_sequences": batch,
            "legal": len(found),
            "fit": int(found["fits"].sum()),
            "layouts": wanted.astype(object).where(wanted.notna(), None).to_dict("records"),
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    elif csv is not None:
        text = wanted.to_csv(index=False, lineterminator="\n")
        sys.stdout.write(text) if str(csv) == "-" else csv.write_text(text, encoding="utf-8")
    else:
        show(
            f"{spec.name}, {precision}, {seq_len:,} x {batch:,} tokens", accelerator, counts, found, kept, top or SHOWN
        )


def _counts(text: str) -> list[int]:
    """The numbers of `64,128,256`."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise InputError(Problem(f"expected numbers such as 64 or 64,128,256, got '{text}'", field="count"))
    return counts


def show(title: str, accelerator: str, counts: list[int], found: pd.DataFrame, kept: pd.DataFrame, limit: int) -> None:
    """Print the layouts of each count, fastest first."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(title, markup=False)
    for count in counts:
        legal, rows = found[found["accelerators"] == count], kept[kept["accelerators"] == count]
        fit = legal[legal["fits"]]
        console.print(
            f"\n{count:,} x {accelerator}: {len(legal):,} legal layouts, {len(fit):,} fit in memory", markup=False
        )
        if len(legal) and not len(fit):
            console.print(f"the smallest needs {legal['memory_gib'].min():,.1f} GiB per accelerator (--all lists them)")
        if len(rows):
            _print_layouts(rows.head(limit))
        if len(rows) > limit:
            console.print(f"{len(rows) - limit:,} more: --top K, or --csv FILE for all", style="dim")


def _print_layouts(rows: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table

    degrees = [
        name for name in ("tp", "pp", "vp", "cp", "dp", "ep") if name in ALWAYS or (rows[name] != 1).any()
    ]  # fmt: skip
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in (*(name.upper() for name in degrees), "mb", "ZeRO"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("recompute", no_wrap=True)
    for name in ("step s", "tokens/s", "MFU", "GiB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows.to_dict("records"):
        fast = (f"{row['step_time_s']:.3f}", f"{row['tokens_per_second']:,.0f}", f"{row['mfu']:.1%}")
        table.add_row(
            *(str(row[name]) for name in (*degrees, "micro_batch", "zero", "recompute")),
            *(fast if row["fits"] else ("-", "-", "-")),
            f"{row['memory_gib']:.1f}",
            "pareto" if row["pareto"] else "" if row["fits"] else "too big",
        )
    Console(highlight=False).print(table)
