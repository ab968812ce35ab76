"""Checks of a model spec: fields that contradict each other, and counts that differ from what is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from planner.errors import Problem
from planner.model_spec import ModelSpec
from planner.quantities import PARAMETERS, quantity, shown

ROUNDED_TOLERANCE = 0.03  # how far a rounded figure may be from the exact count
# Keys that state a published count: the property they are checked against and how far it may be off.
STATED = {
    "parameters": ("parameters", 0.0),
    "parameters_rounded": ("parameters", ROUNDED_TOLERANCE),
    "active_parameters": ("active_parameters", 0.0),
    "active_parameters_rounded": ("active_parameters", ROUNDED_TOLERANCE),
}
_OF_EXPERTS = ("experts_per_token", "expert_ffn_size", "shared_ffn_size", "shared_gate", "router_bias", "dense_layers")
_OF_LATENT = ("query_rank", "rope_head_size")
_NOT_WITH_LATENT = ("qkv_biases", "output_bias", "linear_biases", "qk_norm", "qk_norm_whole", "attention_sinks")
_OF_WINDOW = ("global_attention_every", "chunked_attention")


def inconsistencies(spec: ModelSpec, fields: Mapping[str, Any]) -> list[Problem]:
    """What is wrong between the fields of a model spec; `fields` as written, before defaults were filled in."""
    return [*_heads(spec, fields), *_latent(spec, fields), *_experts(spec, fields), *_window(spec), *_pairs(spec)]


def miscounts(spec: ModelSpec, fields: Mapping[str, Any]) -> list[Problem]:
    """The stated counts that differ from those of the fields."""
    problems: list[Problem] = []
    for key, (counted, tolerance) in STATED.items():
        if fields.get(key) is None:
            continue
        try:
            stated = float(quantity(fields[key], PARAMETERS))
        except ValueError as error:
            problems.append(Problem(str(error), field=key))
            continue
        count: int = getattr(spec, counted)
        if abs(count - stated) > tolerance * stated:
            words = counted.replace("_", " ")
            problems.append(Problem(f"the fields give {count:,} {words}, got {shown(fields[key])}", field=key))
    return problems


def _heads(spec: ModelSpec, fields: Mapping[str, Any]) -> Iterator[Problem]:
    if spec.heads % spec.kv_heads and not spec.latent_rank:
        yield Problem(f"expected a divisor of heads ({spec.heads}), got {spec.kv_heads}", field="kv_heads")
    if not fields.get("head_size") and spec.hidden_size % spec.heads:
        message = f"expected a divisor of hidden_size ({spec.hidden_size}) unless head_size is given, got {spec.heads}"
        yield Problem(message, field="heads")


def _latent(spec: ModelSpec, fields: Mapping[str, Any]) -> Iterator[Problem]:
    if not spec.latent_rank:
        yield from _only_with("latent_rank", _OF_LATENT, spec)
        return
    if not fields.get("head_size"):
        yield Problem("missing; latent attention needs the size of a query head", field="head_size")
    elif spec.rope_head_size >= spec.head_size:
        message = f"expected less than head_size ({spec.head_size}), got {spec.rope_head_size}"
        yield Problem(message, field="rope_head_size")
    for field in _NOT_WITH_LATENT:
        if getattr(spec, field):
            yield Problem("not with latent attention (latent_rank)", field=field)


def _experts(spec: ModelSpec, fields: Mapping[str, Any]) -> Iterator[Problem]:
    if not spec.experts:
        yield from _only_with("experts", _OF_EXPERTS, spec)
        if fields.get("moe_every", 1) != 1:
            yield Problem("only with experts", field="moe_every")
        return
    for field in ("experts_per_token", "expert_ffn_size"):
        if not getattr(spec, field):
            yield Problem("missing; a mixture of experts needs it", field=field)
    if spec.experts_per_token > spec.experts:
        message = f"expected at most experts ({spec.experts}), got {spec.experts_per_token}"
        yield Problem(message, field="experts_per_token")
    if spec.shared_gate and not spec.shared_ffn_size:
        yield Problem("only with shared_ffn_size", field="shared_gate")
    if spec.dense_layers >= spec.layers:
        message = f"expected less than layers ({spec.layers}), got {spec.dense_layers}"
        yield Problem(message, field="dense_layers")
    elif not 1 <= spec.moe_every <= spec.layers - spec.dense_layers:
        most = spec.layers - spec.dense_layers
        yield Problem(f"expected 1 to {most} (layers - dense_layers), got {spec.moe_every}", field="moe_every")


def _window(spec: ModelSpec) -> Iterator[Problem]:
    if not spec.sliding_window:
        yield from _only_with("sliding_window", _OF_WINDOW, spec)
    elif spec.global_attention_every == 1:
        message = "expected at least 2, got 1: where every layer attends globally, leave sliding_window out"
        yield Problem(message, field="global_attention_every")
    elif spec.global_attention_every > spec.layers:
        message = f"expected at most layers ({spec.layers}), got {spec.global_attention_every}"
        yield Problem(message, field="global_attention_every")


def _pairs(spec: ModelSpec) -> Iterator[Problem]:
    """Pairs of flags that say different things of the same weights."""
    for field, other in (("unweighted_norms", "layer_norm"), ("qk_norm_whole", "qk_norm")):
        if getattr(spec, field) and getattr(spec, other):
            yield Problem(f"not together with {other}", field=field)


def _only_with(field: str, others: tuple[str, ...], spec: ModelSpec) -> Iterator[Problem]:
    for other in others:
        if getattr(spec, other):
            yield Problem(f"only with {field}", field=other)
