"""Patterns over the layers: which attend within a window only, and which are mixtures of experts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from planner.errors import Problem
from planner.quantities import shown
from planner.read import Invalid

Config = dict[str, Any]

_WINDOWED = ("sliding_attention", "chunked_attention")


def window(config: Config) -> dict[str, Any]:
    """The attention window of a family that has one, as fields of a model spec; none when it is switched off.

    The layers within the window are those named in `layer_types`, else all but every `sliding_window_pattern`-th, else
    those from `max_window_layers` on.
    """
    size = config["sliding_window"]
    if not size or not config["use_sliding_window"]:
        return {}
    count = config["num_hidden_layers"]
    if config["layer_types"]:
        return windowed_layers(size, _windowed(config["layer_types"], count), "layer_types")
    if every := config["sliding_window_pattern"]:
        return windowed_layers(size, [bool((layer + 1) % every) for layer in range(count)], "sliding_window_pattern")
    limited = [layer >= config["max_window_layers"] for layer in range(count)]
    return windowed_layers(size, limited, "max_window_layers")


def windowed_layers(size: int | None, limited: Sequence[bool], key: str) -> dict[str, Any]:
    """A window of `size`, if any, in the layers marked in `limited`; Invalid at `key` unless the others are even."""
    if not size or not any(limited):
        return {}
    free = [layer for layer, one in enumerate(limited) if not one]
    if not free:
        return {"sliding_window": size}
    every = _spacing(free) or len(limited)
    if len(limited) // every != len(free):
        raise Invalid(Problem("layers that attend globally must be evenly spaced for a model spec", field=key))
    return {"sliding_window": size, "global_attention_every": every}


def expert_layers(routed: Sequence[bool], key: str) -> dict[str, Any]:
    """`dense_layers` and `moe_every` of the layers marked in `routed`; Invalid at `key` unless evenly spaced."""
    layers = [layer for layer, one in enumerate(routed) if one]
    every = _spacing(layers) or len(routed) - layers[0]
    dense = max(layers[0] + 1 - every, 0)
    if (len(routed) - dense) // every != len(layers):
        raise Invalid(
            Problem("layers with experts must be evenly spaced, after dense ones, for a model spec", field=key)
        )
    return {"dense_layers": dense, "moe_every": every}


def _spacing(layers: Sequence[int]) -> int:
    """The distance between neighbours when it is always the same, and 0 otherwise (also for a single layer)."""
    gaps = {after - before for before, after in pairwise(layers)}
    return gaps.pop() if len(gaps) == 1 else 0


def _windowed(types: Any, count: int) -> list[bool]:
    known = (*_WINDOWED, "full_attention")
    if not isinstance(types, list) or any(one not in known for one in types):
        odd = next((one for one in types if one not in known), types) if isinstance(types, list) else types
        raise Invalid(Problem(f"expected a list of {', '.join(known)}, got {shown(odd)}", field="layer_types"))
    if len(types) != count:
        message = f"expected one entry for each of the {count} layers, got {len(types)}"
        raise Invalid(Problem(message, field="layer_types"))
    return [one in _WINDOWED for one in types]
