"""Published training runs: rows with the columns of runs.csv, read and turned into what the equations need."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from planner.architecture import model, model_names
from planner.errors import InputError, Problem
from planner.model_spec import ModelSpec
from planner.performance.software import Software, software_of

NUMBERS = (
    "params_total_b",
    "params_active_b",
    "layers",
    "hidden",
    "ffn_hidden",
    "heads",
    "kv_heads",
    "vocab",
    "experts",
    "experts_active",
    "seq_len",
    "global_batch_sequences",
    "micro_batch",
    "num_accelerators",
    "accelerators_per_node",
    "tp",
    "pp",
    "vp",
    "dp",
    "cp",
    "ep",
    "step_time_s",
    "tokens_per_s_per_device",
)
WORDS = ("id", "model", "arch", "precision", "accelerator", "zero_or_fsdp", "recompute", "notes", "source")
REQUIRED = (
    "id",
    "accelerator",
    "num_accelerators",
    "seq_len",
    "global_batch_sequences",
    "precision",
    "layers",
    "hidden",
)
PRECISION = {
    "bf16": "bf16",
    "fp16": "fp16",
    "fp8": "fp8",
    "mxfp8": "fp8",
    "nvfp4": "fp4",
    "fp8/nvfp4": "fp8",
    "int8": "int8",
    "fp32": "fp32",
    "tf32": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "float32": "fp32",
}
SAMPLE = 512  # tokens of a packed fine-tuning sample


@dataclass(frozen=True, slots=True)
class Run:
    """One row: words as written, numbers or None where the cell is empty."""

    line: int
    words: dict[str, str]
    numbers: dict[str, float]

    @property
    def id(self) -> str:
        """The row's name."""
        return self.words["id"]

    @property
    def source(self) -> str:
        """The publication a row comes from: its id without the number."""
        return self.id.rsplit("-", 1)[0]

    def count(self, name: str, default: int = 0) -> int:
        """A whole number, or `default` where the cell is empty."""
        return round(self.numbers[name]) if name in self.numbers else default


def read_runs(path: Path) -> list[Run]:
    """Rows of a file with the columns of runs.csv; raises InputError with file:line: field."""
    problems: list[Problem] = []
    runs: list[Run] = []
    try:
        lines = path.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise InputError(Problem(f"cannot read: {error.strerror}", str(path))) from error
    with lines:
        reader = csv.DictReader(lines)
        header = reader.fieldnames or []
        if missing := [name for name in REQUIRED if name not in header]:
            raise InputError(Problem(f"columns missing: {', '.join(missing)}", str(path), 1))
        for row in reader:
            line = reader.line_num
            if None in row or None in row.values():
                problems.append(Problem(f"expected {len(header)} cells", str(path), line))
                continue
            numbers: dict[str, float] = {}
            for name in NUMBERS:
                text = (row.get(name) or "").strip()
                if text:
                    try:
                        numbers[name] = float(text)
                        if not (math.isfinite(numbers[name]) and numbers[name] > 0):
                            raise ValueError
                    except ValueError:
                        problems.append(
                            Problem(f"expected a positive number or nothing, got '{text}'", str(path), line, name)
                        )
            runs.append(Run(line, {name: (row.get(name) or "").strip() for name in WORDS}, numbers))
    if problems:
        raise InputError(problems)
    return runs


def unmodelled(run: Run, accelerators: object) -> str:
    """Why a row cannot be modelled, or ''."""
    if run.words["arch"] not in ("", "dense", "moe"):
        return f"architecture '{run.words['arch']}' not modelled"
    shape = ["layers", "hidden", "ffn_hidden", "heads", "vocab"]
    shape += ["experts", "experts_active"] if run.words["arch"] == "moe" else []
    if (missing := [name for name in shape if name not in run.numbers]) and bundled_spec(run) is None:
        return f"layer shape not published: {', '.join(missing)}"
    if missing := [
        name for name in ("num_accelerators", "seq_len", "global_batch_sequences") if name not in run.numbers
    ]:
        return f"not published: {', '.join(missing)}"
    if run.words["accelerator"] not in accelerators:  # type: ignore[operator]
        return f"accelerator '{run.words['accelerator']}' is not in the catalog"
    if run.words["precision"] not in PRECISION:
        return (
            f"precision '{run.words['precision']}' not modelled"
            if run.words["precision"]
            else "precision not published"
        )
    if not measured_step_s(run):
        return "no step time or tokens/s published"
    return ""


def measured_step_s(run: Run) -> float:
    """Seconds of one step, as published or from tokens/s per device; 0 where neither is."""
    if "step_time_s" in run.numbers:
        return run.numbers["step_time_s"]
    rate = run.numbers.get("tokens_per_s_per_device", 0.0) * run.numbers.get("num_accelerators", 0.0)
    return run.numbers["global_batch_sequences"] * run.numbers["seq_len"] / rate if rate else 0.0


def lora(run: Run) -> bool:
    """Whether only low-rank adapters are trained."""
    return "lora" in run.words["model"].lower()


def attention_span(run: Run) -> int:
    """Tokens within which a sequence attends to itself: all of it, or one sample where short samples are packed.

    Fine-tuning (SFT or LoRA in the model's name) packs short samples, unless the notes say that documents fill the
    sequence (MLPerf's GovReport). NVIDIA's recipes pack SQuAD, a few hundred tokens a sample.
    """
    tuned = any(word in run.words["model"] for word in ("SFT", "LoRA", "fine-tun"))
    return (
        min(SAMPLE, run.count("seq_len")) if tuned and "packed to" not in run.words["notes"] else run.count("seq_len")
    )


def bundled_spec(run: Run) -> ModelSpec | None:
    """The bundled architecture that a row names, unless the columns of its shape say otherwise; None without one.

    Of a mixture of experts the columns leave out shared experts, dense layers and latent attention, so there the shape
    alone also names it.
    """
    moe = run.words["arch"] == "moe"
    name = _plain(run.words["model"].partition("(")[0])
    known = [spec for one in model_names() if _plain(one) == name and bool((spec := model(one)).experts) == moe]
    if moe and not known and all(name in run.numbers for name in ("layers", "hidden", "heads", "experts")):
        known = [spec for one in model_names() if (spec := model(one)).experts]
    columns = {"layers": "layers", "hidden": "hidden_size", "heads": "heads", "vocab": "vocabulary"}
    columns |= {"experts": "experts", "experts_active": "experts_per_token"} if moe else {}
    for spec in known:
        if all(run.count(column, getattr(spec, field)) == getattr(spec, field) for column, field in columns.items()):
            return spec
    return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def model_spec(run: Run) -> ModelSpec:
    """The architecture of a row: the bundled one it names where the columns do not tell it, else one with its columns.

    What has no column (gated block, tied tables, head size; for experts the shared ones) follows from the parameter
    count: the most usual of the combinations within 1 % of the published count, otherwise the nearest.
    """
    complete = all(name in run.numbers for name in ("layers", "hidden", "ffn_hidden", "heads", "vocab"))
    if (run.words["arch"] == "moe" or not complete) and (bundled := bundled_spec(run)):
        return replace(bundled, mtp_layers=0) if "w/o mtp" in run.words["notes"].lower() else bundled
    options = moe_variants(run) if run.words["arch"] == "moe" else dense_variants(run)
    wanted = {"parameters": run.numbers.get("params_total_b"), "active_parameters": run.numbers.get("params_active_b")}
    known = {name: value * 1e9 for name, value in wanted.items() if value}
    errors = [max((abs(getattr(one, name) / known[name] - 1.0) for name in known), default=0.0) for one in options]
    near = [option for option, error in zip(options, errors, strict=True) if error < 0.01]
    return near[0] if near else options[errors.index(min(errors))]


def dense_variants(run: Run) -> list[ModelSpec]:
    """Dense architectures with the columns of a row, the most usual first."""
    h, a, f = run.count("hidden"), run.count("heads"), run.count("ffn_hidden")
    gated_first = (False, True) if f == 4 * h else (True, False)
    sizes = [h // a, *(size for size in (128, 256) if size != h // a)]
    window = attention_span(run) if attention_span(run) < run.count("seq_len") else 0
    return [
        ModelSpec(
            name=run.words["model"],
            layers=run.count("layers"),
            hidden_size=h,
            ffn_size=f,
            heads=a,
            kv_heads=run.count("kv_heads", a),
            vocabulary=run.count("vocab"),
            head_size=size,
            gated_mlp=gated,
            tied_embeddings=tied,
            sliding_window=window,
        )
        for size in sizes
        for gated in gated_first
        for tied in (not gated, gated)
    ]


def moe_variants(run: Run) -> list[ModelSpec]:
    """Mixtures of experts with the columns of a row; shared experts and dense layers have no column."""
    y, L = run.count("ffn_hidden"), run.count("layers")
    return [
        replace(
            dense,
            experts=run.count("experts"),
            experts_per_token=run.count("experts_active"),
            expert_ffn_size=y,
            shared_ffn_size=shared * y,
            dense_layers=first,
            moe_every=every,
        )
        for dense in dense_variants(run)
        for every in (1, 2)
        for first in (0, 1, 3)
        for shared in (0, 1, 2)
        if first < L
    ]


def sharding(run: Run) -> tuple[int | None, int]:
    """ZeRO stage (None where unknown) and ranks that share one copy (0: all) of the column `zero_or_fsdp`."""
    text = run.words["zero_or_fsdp"].lower()
    if not text:
        return None, 0
    stage = re.search(r"zero[- ]?(\d)", text)
    zero = int(stage[1]) if stage else 2 if "shard_grad_op" in text else 1 if "distributed optimizer" in text else 3
    n = run.count("num_accelerators")
    if group := re.search(r"shard group (\d+)|fsdp (\d+)\b", text):
        return zero, int(group[1] or group[2])
    if slices := re.search(r"dp (\d+) over dcn|x (\d+) slices", text):
        return zero, n // int(slices[1] or slices[2])
    return zero, 0


def network_gbps_per_node(run: Run) -> float | None:
    """Gigabit/s of a node where the notes print it: '4x OmniPath 100', '4 x 100 Gb/s RoCE', '(800 Gb/s) per node'."""
    notes = run.words["notes"]
    fabric = r"(?:HDR IB|NDR IB|HDR|NDR|IB|OmniPath|RoCE|EFA)"
    if found := re.search(rf"\b(\d+) ?x {fabric} (\d+)", notes) or re.search(
        rf"\b(\d+) ?x ?(\d+) ?Gb(?:/s)? {fabric}", notes
    ):
        return float(found[1]) * float(found[2])
    if found := re.search(r"\((\d+) Gb/s\) per node", notes):
        return float(found[1])
    return None


def software_of_run(run: Run) -> Software:
    """The software of a run: that of the earliest year its source and notes name, today's without one.

    fp16 without a year of fused attention: bf16 replaced it there. The notes also say where overlap was off, tokens
    were dropped at a fixed capacity of the experts ("tokendrop") and experts were balanced by force.
    """
    years, notes = software_years(run), run.words["notes"]
    usual = software_of(min(years, default=None))
    return replace(
        usual,
        fused_attention=usual.fused_attention and run.words["precision"] != "fp16",
        overlap="overlap off" not in notes.lower(),
        dropless="tokendrop" not in notes,
        balanced_experts="force-balanced" in notes,
    )


def software_years(run: Run) -> list[int]:
    """Years that a row's source and notes name: arXiv numbers, dates, and releases like 'container 25.11', 'v25.05'."""
    text = run.words["source"] + " " + run.words["notes"]
    years = [2000 + int(year) for year in re.findall(r"arXiv[: ](\d\d)\d\d\.\d{4,5}", text)]
    years += [int(year) for year in re.findall(r"(?<!\d)(20[12]\d)(?:-\d\d|\b)", text)]
    return years + [2000 + int(year) for year in re.findall(r"(?:container |NeMo |\bv)(2\d)\.\d\d\b", text)]


def interleaved(run: Run) -> bool | None:
    """Whether the pipeline was interleaved, where the notes say; None where they do not."""
    notes = run.words["notes"].lower()
    if "plain 1f1b" in notes:
        return False
    return True if "interleaved" in notes else None
