"""The families with mixtures of experts: the reader and the defaults of each `model_type`."""

from __future__ import annotations

from planner.hugging_face import experts
from planner.hugging_face.family import EXPERTS, SIZES, Family, family, sizes

_OWN_WIDTH = (*EXPERTS, "moe_intermediate_size")
_SPARSE = {"use_sliding_window": False, "decoder_sparse_step": 1, "mlp_only_layers": None}
_AFTER_DENSE = {
    "first_k_dense_replace": 0,
    "moe_layer_freq": 1,
    "n_shared_experts": None,
    "num_nextn_predict_layers": 0,
}
_LATENT = {
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}
_DEEPSEEK_V3 = family(
    experts.deepseek_v3,
    _OWN_WIDTH,
    **sizes(61, 7168, 18432, 128, 128, 129280),
    **_AFTER_DENSE | {"first_k_dense_replace": 3, "n_shared_experts": 1},
    **_LATENT,
    num_experts=256,
    num_experts_per_tok=8,
    moe_intermediate_size=2048,
)

MIXTURES: dict[str, Family] = {
    "dbrx": family(experts.dbrx, SIZES, attn_config=None, ffn_config=None),
    "deepseek": family(experts.deepseek, _OWN_WIDTH, **_AFTER_DENSE),
    "deepseek_v2": family(
        experts.deepseek_v2,
        _OWN_WIDTH,
        **_AFTER_DENSE | {"n_shared_experts": 2},
        **_LATENT,
    ),
    "deepseek_v3": _DEEPSEEK_V3,
    "dots1": family(
        experts.dots1,
        _OWN_WIDTH,
        **_AFTER_DENSE,
        sliding_window=4096,
        max_window_layers=62,
    ),
    "ernie4_5_moe": family(
        experts.ernie,
        _OWN_WIDTH,
        tie_word_embeddings=True,
        use_bias=False,
        moe_num_shared_experts=2,
        moe_layer_start_index=1,
        moe_layer_end_index=-1,
        moe_layer_interval=1,
    ),
    "glm4_moe": family(
        experts.glm4_moe,
        _OWN_WIDTH,
        **_AFTER_DENSE | {"first_k_dense_replace": 1, "n_shared_experts": 1},
        num_key_value_heads=8,
        use_qk_norm=False,
    ),
    "gpt_oss": family(
        experts.gpt_oss,
        EXPERTS,
        head_dim=64,
        num_key_value_heads=8,
        sliding_window=128,
        sliding_window_pattern=2,
    ),
    "granitemoe": family(experts.granitemoe, EXPERTS, shared_intermediate_size=0),
    "granitemoeshared": family(experts.granitemoe, EXPERTS, shared_intermediate_size=0),
    "grok-1": family(experts.grok, EXPERTS),
    "hunyuan_v1_moe": family(experts.hunyuan, EXPERTS, use_cla=False),
    "kimi_k2": _DEEPSEEK_V3,
    "llama4_text": family(
        experts.llama4,
        EXPERTS,
        **sizes(48, 5120, 8192, 40, 8, 202048),
        head_dim=128,
        intermediate_size_mlp=16384,
        num_experts=16,
        num_experts_per_tok=1,
        moe_layers=None,
        interleave_moe_layer_step=1,
        no_rope_layers=None,
        no_rope_layer_interval=4,
        attention_chunk_size=8192,
    ),
    "mixtral": family(experts.mixtral, EXPERTS, num_key_value_heads=8),
    "olmoe": family(experts.olmoe, EXPERTS),
    "phimoe": family(experts.phimoe, EXPERTS, num_key_value_heads=8, lm_head_bias=False),
    "qwen2_moe": family(
        experts.qwen2_moe,
        _OWN_WIDTH,
        **_SPARSE,
        num_key_value_heads=16,
        sliding_window=4096,
        max_window_layers=28,
        shared_expert_intermediate_size=5632,
        qkv_bias=True,
    ),
    "qwen3_moe": family(
        experts.qwen3_moe,
        _OWN_WIDTH,
        **_SPARSE,
        **sizes(24, 2048, 6144, 32, 4, 151936),
        sliding_window=4096,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
    ),
}
