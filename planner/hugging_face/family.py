"""What a family of configurations is: a reader, the keys it needs, and the defaults of the keys it may leave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from planner.hugging_face.patterns import Config

SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
FEED_FORWARD = (*SIZES, "intermediate_size")
EXPERTS = (*FEED_FORWARD, "num_experts", "num_experts_per_tok")
_COMMON = {
    "intermediate_size": None,
    "num_key_value_heads": None,
    "head_dim": None,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
    "sliding_window": None,
    "use_sliding_window": True,
    "sliding_window_pattern": 0,
    "max_window_layers": 0,
    "layer_types": None,
}


@dataclass(frozen=True, slots=True)
class Family:
    """How the configurations of one `model_type` are read: the reader, the keys it needs and the defaults of others."""

    read: Callable[[Config], dict[str, Any]]
    required: tuple[str, ...]
    defaults: Mapping[str, Any]


def family(
    read: Callable[[Config], dict[str, Any]], /, required: tuple[str, ...] = FEED_FORWARD, **defaults: Any
) -> Family:
    """A family with the defaults that differ from those most families share."""
    return Family(read, required, MappingProxyType(_COMMON | defaults))


def sizes(layers: int, hidden: int, ffn: int, heads: int, kv_heads: int | None, vocabulary: int) -> dict[str, Any]:
    """Defaults of the sizes, for families whose `text_config` may leave them out."""
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
    }
