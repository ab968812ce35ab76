"""Fields of a model spec that contradict each other are refused, each with its own words."""

from __future__ import annotations

from typing import Any

import pytest

from planner.architecture import from_fields
from planner.read import Invalid

DENSE = {"layers": 4, "hidden_size": 64, "ffn_size": 256, "heads": 4, "kv_heads": 2, "vocabulary": 100}
MIXTURE = DENSE | {"experts": 8, "experts_per_token": 2, "expert_ffn_size": 32}
LATENT = DENSE | {"kv_heads": 4, "head_size": 24, "latent_rank": 16, "rope_head_size": 8, "value_head_size": 16}
WINDOW = DENSE | {"sliding_window": 128}


@pytest.mark.parametrize(
    "fields",
    [
        DENSE,
        MIXTURE,
        MIXTURE | {"experts_per_token": 8, "shared_ffn_size": 32, "shared_gate": True, "router_bias": True},
        MIXTURE | {"dense_layers": 3, "moe_every": 1},
        MIXTURE | {"dense_layers": 2, "moe_every": 2},
        LATENT,
        LATENT | {"kv_heads": 3},  # every head has keys of its own, whatever kv_heads says
        LATENT | {"query_rank": 8, "rope_head_size": 23},
        WINDOW | {"global_attention_every": 2},
        WINDOW | {"global_attention_every": 4, "chunked_attention": True},
    ],
)
def test_fields_that_go_together_are_accepted(fields: dict[str, Any]) -> None:
    assert from_fields(fields).parameters > 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            DENSE | {"heads": 3, "kv_heads": 3},
            ["heads: expected a divisor of hidden_size (64) unless head_size is given, got 3"],
        ),
        (DENSE | {"kv_heads": 3}, ["kv_heads: expected a divisor of heads (4), got 3"]),
        (DENSE | {"experts_per_token": 2}, ["experts_per_token: only with experts"]),
        (
            DENSE | {"dense_layers": 1, "moe_every": 2},
            ["dense_layers: only with experts", "moe_every: only with experts"],
        ),
        (DENSE | {"shared_ffn_size": 2}, ["shared_ffn_size: only with experts"]),
        (
            DENSE | {"experts": 8},
            [
                "experts_per_token: missing; a mixture of experts needs it",
                "expert_ffn_size: missing; a mixture of experts needs it",
            ],
        ),
        (MIXTURE | {"experts_per_token": 9}, ["experts_per_token: expected at most experts (8), got 9"]),
        (MIXTURE | {"shared_gate": True}, ["shared_gate: only with shared_ffn_size"]),
        (MIXTURE | {"dense_layers": 4}, ["dense_layers: expected less than layers (4), got 4"]),
        (MIXTURE | {"moe_every": 0}, ["moe_every: expected 1 to 4 (layers - dense_layers), got 0"]),
        (
            MIXTURE | {"dense_layers": 1, "moe_every": 4},
            ["moe_every: expected 1 to 3 (layers - dense_layers), got 4"],
        ),
        (DENSE | {"rope_head_size": 8}, ["rope_head_size: only with latent_rank"]),
        (DENSE | {"query_rank": 8}, ["query_rank: only with latent_rank"]),
        (LATENT | {"rope_head_size": 24}, ["rope_head_size: expected less than head_size (24), got 24"]),
        (LATENT | {"head_size": 0}, ["head_size: missing; latent attention needs the size of a query head"]),
        (LATENT | {"qk_norm": True}, ["qk_norm: not with latent attention (latent_rank)"]),
        (LATENT | {"linear_biases": True}, ["linear_biases: not with latent attention (latent_rank)"]),
        (DENSE | {"global_attention_every": 2}, ["global_attention_every: only with sliding_window"]),
        (DENSE | {"chunked_attention": True}, ["chunked_attention: only with sliding_window"]),
        (
            WINDOW | {"global_attention_every": 1},
            [
                "global_attention_every: expected at least 2, got 1: where every layer attends globally, leave "
                "sliding_window out"
            ],
        ),
        (WINDOW | {"global_attention_every": 5}, ["global_attention_every: expected at most layers (4), got 5"]),
        (DENSE | {"qk_norm": True, "qk_norm_whole": True}, ["qk_norm_whole: not together with qk_norm"]),
        (DENSE | {"layer_norm": True, "unweighted_norms": True}, ["unweighted_norms: not together with layer_norm"]),
    ],
)
def test_fields_that_contradict_each_other_are_named(fields: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        from_fields(fields)
    assert list(map(str, caught.value.problems)) == expected


# Attention 2 x 64^2 + 2 x 64 x 32 = 12,288 and two norms of 64 in each of 4 layers, a last norm of 64, embeddings
# 2 x 100 x 64 = 12,800; experts of 3 x 64 x 32 = 6144, 8 x 64 of router in each layer.
ACTIVE = 4 * (12_288 + 128 + 8 * 64 + 2 * 6144) + 64 + 12_800
ALL = ACTIVE + 4 * 6 * 6144


@pytest.mark.parametrize(
    "stated",
    [
        {"parameters": ALL, "active_parameters": ACTIVE},
        {"parameters_rounded": ALL * 1.02, "active_parameters_rounded": ACTIVE * 0.98},
    ],
)
def test_published_counts_that_agree_are_accepted(stated: dict[str, Any]) -> None:
    spec = from_fields(MIXTURE | stated)
    assert (spec.parameters, spec.active_parameters) == (ALL, ACTIVE)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"parameters": ALL - 1}, f"parameters: the fields give {ALL:,} parameters, got {ALL - 1}"),
        ({"active_parameters": 7}, f"active_parameters: the fields give {ACTIVE:,} active parameters, got 7"),
        (
            {"active_parameters_rounded": "120k"},
            f"active_parameters_rounded: the fields give {ACTIVE:,} active parameters, got '120k'",
        ),
    ],
)
def test_a_published_count_that_differs_is_refused(stated: dict[str, Any], expected: str) -> None:
    with pytest.raises(Invalid) as caught:
        from_fields(MIXTURE | stated)
    assert list(map(str, caught.value.problems)) == [expected]
