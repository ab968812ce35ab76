"""What several verbs read: a workload, and a catalog with the user's quotes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hardware_catalog.errors import InputError, Problem

if TYPE_CHECKING:
    from hardware_catalog.catalog import Catalog
    from planner.performance.efficiency import Efficiency
    from planner.performance.hardware import Hardware
    from planner.workload import Workload

WorkloadPath = Annotated[
    Path, typer.Argument(metavar="WORKLOAD", help="Workload file (YAML or JSON).", show_default=False)
]
QuotesPath = Annotated[Path | None, typer.Option("--quotes", metavar="FILE", help="Your own prices: CSV or XLSX.")]
CatalogPath = Annotated[
    Path | None, typer.Option("--catalog", metavar="DIR", help="Another catalog than the bundled one.")
]
EfficiencyPath = Annotated[
    Path | None,
    typer.Option("--efficiency", metavar="DIR", help="Your own performance constants, of `planner calibrate`."),
]
OnlyQuotes = Annotated[bool, typer.Option("--only-quotes", help="Plan on the quotes alone.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
TimeLimit = Annotated[float, typer.Option("--time-limit", metavar="S", help="Seconds the optimizer may take.")]
Model = Annotated[str, typer.Option(help="Bundled model, YAML file, or Hugging Face config.json.", show_default=False)]
Accelerator = Annotated[
    str, typer.Option(help="Accelerator of the catalog, or an instance type as provider/name.", show_default=False)
]
SequenceLength = Annotated[int, typer.Option(min=1, help="Tokens in a sequence.")]
GlobalBatch = Annotated[int | None, typer.Option(min=1, help="Sequences in a global batch; 4 Mi tokens when left out.")]
MicroBatch = Annotated[int | None, typer.Option(min=1, help="Sequences in a micro-batch.")]
Precision = Annotated[str, typer.Option(help="bf16, fp16, fp8 or fp32.")]
TensorParallel = Annotated[int | None, typer.Option(min=1, help="Tensor-parallel degree.")]
PipelineParallel = Annotated[int | None, typer.Option(min=1, help="Pipeline stages.")]
VirtualPipeline = Annotated[int | None, typer.Option(min=1, help="Chunks of layers per stage (interleaving).")]
ContextParallel = Annotated[int | None, typer.Option(min=1, help="Context-parallel degree.")]
ExpertParallel = Annotated[int | None, typer.Option(min=1, help="Expert-parallel degree.")]
ZeroStage = Annotated[int | None, typer.Option(help="ZeRO stage; 3 is FSDP.")]
Recompute = Annotated[str | None, typer.Option(help="none, selective or full.")]
Lora = Annotated[bool, typer.Option("--lora", help="Train low-rank adapters only.")]


def read_inputs(
    workload_path: Path, quotes: Path | None, catalog_directory: Path | None, only_quotes: bool
) -> tuple[Workload, Catalog]:
    """The workload and the catalog it is planned on; InputError with everything wrong in the files."""
    from hardware_catalog.catalog import load, with_offers
    from hardware_catalog.quotes import read_quotes
    from planner.workload import read_workload

    if only_quotes and quotes is None:
        raise InputError(Problem("--only-quotes needs --quotes FILE"))
    workload = read_workload(workload_path)
    catalog = load(catalog_directory)
    if quotes is not None:
        catalog = with_offers(catalog, read_quotes(quotes, catalog), only=only_quotes)
    return workload, catalog


def read_constants(folder: Path | None, catalog: Catalog) -> Efficiency | None:
    """The shipped performance constants with those of a folder in their place; None without a folder."""
    from planner.performance.efficiency import efficiency, overlaid

    if folder is None:
        return None
    return overlaid(efficiency(), folder, {accelerator.family for accelerator in catalog.accelerators.values()})


def machine_of(data: Catalog, name: str, precision: str, counts: list[int]) -> Hardware:
    """The hardware of an accelerator or instance type; it must have the precision and come in these counts."""
    from planner.performance.hardware import hardware, hardware_of_accelerator

    machine = hardware(data, name) if "/" in name else hardware_of_accelerator(data, name)
    if precision == "bf16" and data.accelerators[machine.accelerator].bf16_tflops is None:
        raise InputError(Problem(f"{machine.accelerator} has no bf16: expected fp16", field="precision"))
    per_node = machine.accelerators_per_node
    for count in counts:
        if count > per_node and count % per_node:
            raise InputError(Problem(f"{count} accelerators are not whole nodes of {per_node}", field="count"))
    return machine
