"""What the user left out of a job, filled in and named.

A sequence length of 4,096 (or the model's position table, if shorter), a global batch of 2^22 = 4,194,304 tokens in
whole sequences, an MFU of 0.4 for a job without an architecture, and one phase for a job with only a number of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from planner.model_spec import ModelSpec
from planner.quantities import FLOPS, real, tokens, whole

Number = TypeVar("Number", int, float)

ASSUMED_MFU = 0.4
ASSUMED_SEQUENCE_LENGTH = 4096
ASSUMED_BATCH_TOKENS = 2**22
WORK_UNIT_FLOPS = 1e12  # what counts as one token where only total_flops is known


def completed(job: dict[str, Any], model_spec: Callable[[Any], ModelSpec]) -> dict[str, Any]:
    """A job's raw keys with what is missing filled in and said in `assumed`; what is malformed is left as it is."""
    said = job.get("assumed")
    assumed = list(said) if isinstance(said, list | tuple) else []
    positions = 0
    if job.get("model") is not None:
        try:
            job["model"] = model_spec(job["model"])
        except ValueError:
            pass  # the field's own validation reports it
        else:
            positions = job["model"].learned_positions
    elif job.get("mfu") is None:
        job["mfu"] = ASSUMED_MFU
        assumed.append(f"MFU of {ASSUMED_MFU} assumed: the architecture is unknown")
    if not job.get("phases") and (work := _only_phase_tokens(job, assumed)) is not None:
        job["phases"] = [{"tokens": work}]
    if isinstance(job.get("phases"), list | tuple):
        said_of_phases: list[str] = []
        job["phases"] = [_completed_phase(phase, positions, said_of_phases) for phase in job["phases"]]
        if job.get("model") is not None:  # without an architecture, sequence and batch do not matter
            assumed += said_of_phases
    return job | {"assumed": assumed}


def _only_phase_tokens(job: Mapping[str, Any], assumed: list[str]) -> int | None:
    """Tokens of a job without phases; units of work where only its total FLOPs are known."""
    if job.get("tokens") is not None:
        return _readable(tokens, job["tokens"])
    flops = _readable(lambda value: real(value, FLOPS), job.get("total_flops"))
    if flops is None:
        return None
    assumed.append("tokens unknown: work is counted in units of 1e12 FLOP")
    return max(1, round(flops / WORK_UNIT_FLOPS))


def _completed_phase(phase: Any, positions: int, assumed: list[str]) -> Any:
    if not isinstance(phase, Mapping):
        return phase
    phase = dict(phase)
    where = f"phase {phase.get('name', 'train')}"
    if phase.get("sequence_length") is None:
        phase["sequence_length"] = min(ASSUMED_SEQUENCE_LENGTH, positions or ASSUMED_SEQUENCE_LENGTH)
        assumed.append(f"{where}: sequence length of {phase['sequence_length']:,} assumed")
    length = _readable(whole, phase["sequence_length"])
    if phase.get("global_batch_tokens") is None and length is not None:
        phase["global_batch_tokens"] = max(1, ASSUMED_BATCH_TOKENS // length) * length
        assumed.append(f"{where}: global batch of {phase['global_batch_tokens']:,} tokens assumed")
    return phase


def _readable(reader: Callable[[Any], Number], value: Any) -> Number | None:
    try:
        return reader(value)
    except ValueError:
        return None
