"""The architecture being trained, and its exact parameter count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A decoder-only transformer; sizes are counts of units, never bytes.

    `learned_positions` is the length of a learned position table (0 with rotary or ALiBi positions). `parallel_block`
    computes attention and feed-forward from one norm, as PaLM and GPT-J do. `linear_biases` are biases on every
    linear layer (GPT-3, OPT, BLOOM); `qkv_biases` only on the query, key and value projections (Qwen 2).
    """

    name: str
    layers: int
    hidden_size: int
    ffn_size: int
    heads: int
    kv_heads: int
    vocabulary: int
    head_size: int = 0
    gated_mlp: bool = True
    tied_embeddings: bool = False
    learned_positions: int = 0
    parallel_block: bool = False
    linear_biases: bool = False
    qkv_biases: bool = False
    layer_norm: bool = False  # LayerNorm (weight and bias) rather than RMSNorm (weight)
    embedding_norm: bool = False  # BLOOM normalises the embeddings too
    sliding_window: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        if not self.head_size:
            object.__setattr__(self, "head_size", self.hidden_size // self.heads)

    @property
    def attention_parameters(self) -> int:
        """Parameters of one layer's attention: query, key, value and output projections."""
        query = self.heads * self.head_size
        key_value = self.kv_heads * self.head_size
        weights = self.hidden_size * (query + 2 * key_value) + query * self.hidden_size
        biases = (query + 2 * key_value) * (
            self.linear_biases or self.qkv_biases
        ) + self.hidden_size * self.linear_biases
        return weights + biases

    @property
    def mlp_parameters(self) -> int:
        """Parameters of one layer's feed-forward block."""
        matrices = 3 if self.gated_mlp else 2
        biases = ((matrices - 1) * self.ffn_size + self.hidden_size) * self.linear_biases
        return matrices * self.hidden_size * self.ffn_size + biases

    @property
    def norm_parameters(self) -> int:
        """Parameters of one normalisation."""
        return self.hidden_size * (2 if self.layer_norm else 1)

    @property
    def layer_parameters(self) -> int:
        """Parameters of one transformer layer."""
        norms = self.norm_parameters * (1 if self.parallel_block else 2)
        return self.attention_parameters + self.mlp_parameters + norms

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the input embedding, the output projection when untied, and learned positions."""
        tables = 1 if self.tied_embeddings else 2
        return (tables * self.vocabulary + self.learned_positions) * self.hidden_size

    @property
    def parameters(self) -> int:
        """All trainable parameters, as the published checkpoint counts them."""
        extra_norms = self.norm_parameters * (2 if self.embedding_norm else 1)
        return self.layers * self.layer_parameters + self.embedding_parameters + extra_norms
