"""The user's file: jobs, policy, horizon, budget and aim.

A date without a time is 00:00 UTC of that day, for deadlines too. What the user leaves out is filled in by
`workload_defaults` and listed in `TrainingJob.assumed`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, ValidationInfo, model_validator

from planner.architecture import from_fields, model, model_names
from planner.errors import InputError, Problem, nearest
from planner.model_spec import ModelSpec
from planner.problems import problems_of
from planner.quantities import FLOPS, PARAMETERS, real, shown
from planner.read import Document, Invalid, read
from planner.selection import accelerator_matches, check_against, region_matches
from planner.workload_checks import job_problems, measured_problems, phase_problems, workload_problems
from planner.workload_defaults import completed
from planner.workload_fields import (
    LONGEST_HORIZON_DAYS,
    MOST_ENTRIES,
    Days,
    Dollars,
    Entry,
    Flag,
    Fraction,
    Instant,
    LateCost,
    Positive,
    PurchaseOption,
    Rate,
    Segments,
    Text,
    Tokens,
    Year,
    raised,
)
from planner.workload_owned import NodePurchase, OwnedNodes
from planner.workload_policy import AvailabilityLimit, Policy, PowerLimit, Quota, SharedLimit

__all__ = [
    "LONGEST_HORIZON_DAYS",
    "AvailabilityLimit",
    "Measured",
    "NodePurchase",
    "OwnedNodes",
    "Phase",
    "Policy",
    "PowerLimit",
    "PurchaseOption",
    "Quota",
    "SharedLimit",
    "TrainingJob",
    "Workload",
    "accelerator_matches",
    "check_against",
    "model",
    "model_names",
    "parse_workload",
    "read_workload",
    "region_matches",
]


def read_workload(path: Path) -> Workload:
    """The workload in a YAML (or .json) file; InputError with file:line and field for everything wrong in it."""
    return parse_workload(read(path), path.parent)


def parse_workload(document: Document, relative_to: Path | None = None) -> Workload:
    """The workload in a parsed document; without `relative_to`, `model` may not be a path (a stranger's file)."""
    if not isinstance(document.data, dict):
        raise InputError(document.problem("", f"expected a workload of keys and values, got {shown(document.data)}"))
    if "name" in document.data:
        raise InputError(document.problem("name", "unknown key", "workload"))
    try:
        workload = Workload.model_validate(document.data, context={"relative_to": relative_to})
    except ValidationError as error:
        raise InputError(problems_of(error, document, Workload)) from None
    workload._document = replace(document, data=None)
    return workload


def _model(value: Any, info: ValidationInfo) -> ModelSpec:
    """A name, a path relative to the workload file, or the fields."""
    if isinstance(value, ModelSpec):
        return value
    if not isinstance(value, str):
        return from_fields(value)
    folder: Path | None = (info.context or {}).get("relative_to")
    if folder is None and value.casefold() not in map(str.casefold, model_names()):
        raise Invalid(Problem(f"'{value}' is not a known model", nearest=nearest(value, model_names())))
    try:
        return model(value, folder)
    except InputError as error:
        raise Invalid(*error.problems) from None


class Phase(Entry):
    """A part of a job with one sequence length and batch."""

    name: Text = "train"
    tokens: Tokens
    sequence_length: Positive
    global_batch_tokens: Tokens
    after: tuple[Text, ...] = Field(default=(), max_length=MOST_ENTRIES)
    max_segments: Segments = 1  # stretches it may be run in, on different slices
    method: Literal["full", "lora"] = "full"

    @property
    def global_batch_sequences(self) -> int:
        """Whole sequences in a global batch."""
        return self.global_batch_tokens // self.sequence_length

    @model_validator(mode="after")
    def _batch_holds_a_sequence(self) -> Phase:
        if self.global_batch_tokens < self.sequence_length:
            raise Invalid(
                Problem(
                    f"expected at least one sequence ({self.sequence_length:,} tokens), got "
                    f"{self.global_batch_tokens:,}",
                    field="global_batch_tokens",
                )
            )
        return self


class Measured(Entry):
    """The user's own throughput on n nodes, for one phase or for all; `effective` is wall-clock, goodput included."""

    instance_type: Text
    nodes: Positive
    tokens_per_second: Rate
    effective: Flag = False
    phase: Text | None = None


class TrainingJob(Entry):
    """One model to be trained: a model spec, or `parameters`, or `total_flops` where the architecture is unknown.

    With total_flops alone, `tokens` counts units of 10^12 FLOP. `assumed` says in words what the user did not give.
    """

    name: Text
    model: Annotated[ModelSpec, BeforeValidator(_model)] | None = None
    parameters: Annotated[float, BeforeValidator(lambda value: real(value, PARAMETERS))] | None = None
    total_flops: Annotated[float, BeforeValidator(lambda value: real(value, FLOPS))] | None = None
    tokens: Tokens | None = None  # of a job with one phase
    mfu: Fraction | None = None
    precision: Literal["bf16", "fp16", "fp8", "fp32"] = "bf16"
    software_year: Year | None = None  # plan with the usual training software of a past year; today's when left out
    earliest_start: Instant | None = None
    deadline: Instant | None = None
    late_cost_usd_day: LateCost | None = None  # makes the deadline soft
    phases: tuple[Phase, ...] = Field(default=(), max_length=MOST_ENTRIES)
    measured: tuple[Measured, ...] = Field(default=(), max_length=MOST_ENTRIES)
    assumed: tuple[str, ...] = ()

    @property
    def total_tokens(self) -> int:
        """Tokens of all phases."""
        return sum(phase.tokens for phase in self.phases)

    @property
    def flops_per_token(self) -> float | None:
        """Model FLOPs of a token where the architecture is unknown: 6 per parameter, or the given total's share."""
        if self.total_flops is not None:
            return self.total_flops / self.total_tokens
        return None if self.parameters is None else 6 * self.parameters

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any, info: ValidationInfo) -> Any:
        return completed(dict(data), lambda value: _model(value, info)) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _consistent(self) -> TrainingJob:
        raised([*job_problems(self), *phase_problems(self), *measured_problems(self)])
        return self


class Workload(Entry):
    """What is to be trained, under which limits, on which nodes of one's own, and what is to be least."""

    name: Text = Field(alias="workload")
    start: Instant
    horizon_days: Days
    budget_usd: Dollars | None = None
    minimise: Literal["cost", "finish", "carbon"] = "cost"
    policy: Policy = Field(default_factory=Policy)
    owned: tuple[OwnedNodes, ...] = Field(default=(), max_length=MOST_ENTRIES)
    jobs: tuple[TrainingJob, ...] = Field(max_length=MOST_ENTRIES)

    _document: Document = PrivateAttr(default_factory=lambda: Document(None))

    @property
    def horizon_end(self) -> datetime:
        """The moment when everything must be over."""
        return self.start + timedelta(days=self.horizon_days)

    @property
    def source_path(self) -> Path | None:
        """The file this came from, if any."""
        return Path(self._document.file) if self._document.file else None

    @property
    def digest(self) -> str:
        """SHA-256 of the content: the same for every spelling of the same workload."""
        content = self.model_dump(mode="json", exclude={"jobs": {"__all__": {"assumed"}}})
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def line_of(self, path: str) -> int:
        """The line of a path such as `jobs.0.deadline` in the file, or of its nearest parent; 0 when unknown."""
        return self._document.line_of(path)

    def problem(self, path: str, message: str, nearest: str = "") -> Problem:
        """A problem at a path of the file, for checks that need more than the file."""
        return self._document.problem(path, message, nearest)

    @model_validator(mode="after")
    def _consistent(self) -> Workload:
        raised(workload_problems(self))
        return self
