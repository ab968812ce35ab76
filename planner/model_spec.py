"""The architecture being trained, and its exact parameter count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A decoder-only transformer, dense or mixture of experts; sizes are counts of units, never bytes.

    `head_size` is the size of a query and key head, `value_head_size` of a value head (0: the same). `latent_rank`
    above 0 is multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1): keys and values are expanded
    from a latent of that size, queries from one of `query_rank` (0: projected directly), and `rope_head_size` of the
    head size carries the position, shared by all key heads. `sliding_window` limits how far back a token attends, in
    all layers or all but every `global_attention_every`-th; `chunked_attention` makes the window a fixed chunk.

    `ffn_size` is the width of a dense feed-forward block. With `experts` above 0 every `moe_every`-th layer after the
    first `dense_layers` routes each token to `experts_per_token` of them, each of width `expert_ffn_size`, and passes
    all tokens through shared experts of `shared_ffn_size` together (`shared_gate`: weighted by a gate, Qwen2-MoE).

    `learned_positions` is the length of a learned position table (0 with rotary or ALiBi positions). `parallel_block`
    computes attention and feed-forward from one norm, as PaLM and GPT-J do. `linear_biases` are biases on every
    linear layer (GPT-3, OPT, BLOOM, gpt-oss) but the output projection to the vocabulary (`head_bias`: Phi-2);
    `qkv_biases` only on the query, key and value projections (Qwen 2), `output_bias` on the output projection of
    attention, `mlp_biases` on the feed-forward block (GPT-J). `unweighted_norms` have no parameters (OLMo 1).
    `qk_norm` normalises each query and key head (Qwen 3), `qk_norm_whole` all heads together (OLMo 2). `post_norms`
    normalise the outputs of attention and feed-forward too (Gemma 2). `mtp_layers` are extra layers that predict
    further tokens (DeepSeek-V3, arXiv:2412.19437, section 2.2); like all layers here they are trained, though
    published counts may leave them out (`parameters`).
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
    output_bias: bool = False
    mlp_biases: bool = False
    head_bias: bool = False
    unweighted_norms: bool = False
    layer_norm: bool = False  # LayerNorm (weight and bias) rather than RMSNorm (weight)
    embedding_norm: bool = False  # BLOOM normalises the embeddings too
    post_norms: bool = False
    qk_norm: bool = False
    qk_norm_whole: bool = False
    attention_sinks: bool = False  # gpt-oss: one learned logit per head
    sliding_window: int = 0
    global_attention_every: int = 0
    chunked_attention: bool = False
    latent_rank: int = 0
    query_rank: int = 0
    rope_head_size: int = 0
    value_head_size: int = 0
    experts: int = 0
    experts_per_token: int = 0
    expert_ffn_size: int = 0
    shared_ffn_size: int = 0
    shared_gate: bool = False
    router_bias: bool = False  # per-expert correction of the routing scores (DeepSeek-V3)
    dense_layers: int = 0
    moe_every: int = 1
    mtp_layers: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        if not self.head_size:
            object.__setattr__(self, "head_size", self.hidden_size // self.heads)
        if not self.value_head_size:
            object.__setattr__(self, "value_head_size", self.head_size)

    @property
    def moe_layers(self) -> int:
        """Layers whose feed-forward block is a mixture of experts."""
        return (self.layers - self.dense_layers) // self.moe_every if self.experts else 0

    @property
    def attention_parameters(self) -> int:
        """Parameters of one layer's attention: query, key, value and output projections, norms of heads, sinks."""
        h, a, d = self.hidden_size, self.heads, self.head_size
        out = a * self.value_head_size * h
        if self.latent_rank:
            query = self.query_rank * (h + 1 + a * d) if self.query_rank else h * a * d
            nope = d - self.rope_head_size
            latent = h * (self.latent_rank + self.rope_head_size) + self.latent_rank
            return query + latent + self.latent_rank * a * (nope + self.value_head_size) + out
        inputs = (a + self.kv_heads) * d + self.kv_heads * self.value_head_size
        biases = inputs * (self.linear_biases or self.qkv_biases) + h * (self.linear_biases or self.output_bias)
        norms = 2 * d * self.qk_norm + (a + self.kv_heads) * d * self.qk_norm_whole
        return h * inputs + out + biases + norms + a * self.attention_sinks

    @property
    def mlp_parameters(self) -> int:
        """Parameters of one dense layer's feed-forward block."""
        return self._feed_forward(self.ffn_size)

    @property
    def expert_parameters(self) -> int:
        """Parameters of one routed expert."""
        return self._feed_forward(self.expert_ffn_size)

    @property
    def shared_parameters(self) -> int:
        """Parameters of one mixture-of-experts layer outside its routed experts: router and shared experts."""
        router = self.experts * (self.hidden_size + (self.linear_biases or self.router_bias))
        shared = self._feed_forward(self.shared_ffn_size) if self.shared_ffn_size else 0
        return router + shared + self.hidden_size * self.shared_gate

    def _feed_forward(self, width: int) -> int:
        matrices = 3 if self.gated_mlp else 2
        biases = ((matrices - 1) * width + self.hidden_size) * (self.linear_biases or self.mlp_biases)
        return matrices * self.hidden_size * width + biases

    @property
    def norm_parameters(self) -> int:
        """Parameters of one normalisation."""
        return 0 if self.unweighted_norms else self.hidden_size * (2 if self.layer_norm else 1)

    @property
    def block_parameters(self) -> int:
        """Parameters of one layer outside its feed-forward block: attention and norms."""
        norms = (1 if self.parallel_block else 2) * (2 if self.post_norms else 1)
        return self.attention_parameters + norms * self.norm_parameters

    @property
    def layer_parameters(self) -> int:
        """Parameters of one dense transformer layer."""
        return self.block_parameters + self.mlp_parameters

    @property
    def moe_layer_parameters(self) -> int:
        """Parameters of one mixture-of-experts layer, all experts counted."""
        return self.block_parameters + self.shared_parameters + self.experts * self.expert_parameters

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the input embedding, the output projection (its own when untied) and learned positions."""
        tables = 1 if self.tied_embeddings else 2
        head_bias = self.vocabulary * self.head_bias
        return (tables * self.vocabulary + self.learned_positions) * self.hidden_size + head_bias

    @property
    def mtp_parameters(self) -> int:
        """Parameters of the multi-token prediction modules: two norms, a projection of 2 h, one layer, a last norm."""
        layer = self.moe_layer_parameters if self.experts else self.layer_parameters
        return self.mtp_layers * (layer + 2 * self.hidden_size**2 + 3 * self.norm_parameters)

    @property
    def parameters(self) -> int:
        """All parameters of the main model, as the published checkpoint counts them; without `mtp_parameters`."""
        extra_norms = self.norm_parameters * (2 if self.embedding_norm else 1)
        dense = self.layers - self.moe_layers
        layers = dense * self.layer_parameters + self.moe_layers * self.moe_layer_parameters
        return layers + self.embedding_parameters + extra_norms

    @property
    def active_parameters(self) -> int:
        """Parameters of the main model that one token passes: `experts_per_token` of the routed experts."""
        idle = self.experts - self.experts_per_token
        return self.parameters - self.moe_layers * idle * self.expert_parameters
