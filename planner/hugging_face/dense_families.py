"""The dense families: the reader and the defaults of each `model_type`."""

from __future__ import annotations

from planner.hugging_face import dense
from planner.hugging_face.family import SIZES, Family, family, sizes

_LLAMA = family(dense.llama, **sizes(32, 4096, 11008, 32, None, 32000))

DENSE: dict[str, Family] = {
    "arcee": family(dense.arcee),
    "baichuan": _LLAMA,
    "bloom": family(dense.bloom, SIZES, tie_word_embeddings=True),
    "codegen": family(dense.gpt_j, SIZES),
    "cohere": family(dense.cohere, tie_word_embeddings=True, use_qk_norm=False),
    "cohere2": family(dense.cohere2, tie_word_embeddings=True, sliding_window=4096, sliding_window_pattern=4),
    "ernie4_5": family(dense.ernie, head_dim=128, tie_word_embeddings=True, use_bias=False),
    "exaone4": family(dense.exaone4, sliding_window=4096, sliding_window_pattern=4),
    "falcon": family(
        dense.falcon,
        SIZES,
        tie_word_embeddings=True,
        new_decoder_architecture=False,
        num_ln_in_parallel_attn=None,
        multi_query=True,
        parallel_attn=True,
        bias=False,
    ),
    "gemma": family(dense.llama, **sizes(28, 3072, 24576, 16, 16, 256000), head_dim=256, tie_word_embeddings=True),
    "gemma2": family(
        dense.gemma2,
        **sizes(26, 2304, 9216, 8, 4, 256000),
        head_dim=256,
        tie_word_embeddings=True,
        sliding_window=4096,
        sliding_window_pattern=2,
    ),
    "gemma3_text": family(
        dense.gemma3,
        **sizes(26, 2304, 9216, 8, 4, 262208),
        head_dim=256,
        tie_word_embeddings=True,
        sliding_window=4096,
        sliding_window_pattern=6,
    ),
    "glm": family(dense.glm, num_key_value_heads=2, head_dim=128, attention_bias=True),
    "glm4": family(dense.glm4, num_key_value_heads=2, head_dim=128, attention_bias=True),
    "gpt2": family(dense.gpt2, SIZES, tie_word_embeddings=True, max_position_embeddings=1024),
    "gpt_bigcode": family(
        dense.gpt_bigcode, SIZES, tie_word_embeddings=True, max_position_embeddings=1024, multi_query=True
    ),
    "gpt_neo": family(
        dense.gpt_neo,
        SIZES,
        tie_word_embeddings=True,
        max_position_embeddings=2048,
        attention_types=[[["global", "local"], 12]],
        window_size=256,
    ),
    "gpt_neox": family(dense.gpt_neox, attention_bias=True),
    "gptj": family(dense.gpt_j, SIZES),
    "granite": family(dense.llama),
    "helium": family(dense.llama, num_key_value_heads=20, head_dim=128),
    "hunyuan_v1_dense": family(dense.hunyuan, use_cla=False),
    "internlm": family(dense.internlm, bias=True),
    "internlm2": family(dense.internlm, bias=True),
    "llama": _LLAMA,
    "mistral": family(dense.mistral, **sizes(32, 4096, 14336, 32, 8, 32000), sliding_window=4096),
    "mpt": family(
        dense.mpt,
        SIZES,
        tie_word_embeddings=True,
        attn_config=None,
        expansion_ratio=4,
        max_position_embeddings=2048,
        no_bias=True,
    ),
    "nemotron": family(dense.nemotron),
    "olmo": family(dense.olmo),
    "olmo2": family(dense.olmo2),
    "olmo3": family(dense.olmo2, sliding_window=4096, sliding_window_pattern=4),
    "opt": family(
        dense.opt,
        tie_word_embeddings=True,
        max_position_embeddings=2048,
        word_embed_proj_dim=None,
        do_layer_norm_before=True,
        _remove_final_layer_norm=False,
        enable_bias=True,
        layer_norm_elementwise_affine=True,
    ),
    "phi": family(dense.phi, qk_layernorm=False),
    "phi3": family(dense.mistral, **sizes(32, 3072, 8192, 32, None, 32064)),
    "qwen": family(dense.qwen, kv_channels=128, no_bias=True),
    "qwen2": family(
        dense.qwen2,
        **sizes(32, 4096, 22016, 32, 32, 151936),
        use_sliding_window=False,
        sliding_window=4096,
        max_window_layers=28,
    ),
    "qwen3": family(
        dense.qwen3,
        **sizes(32, 4096, 22016, 32, 32, 151936),
        head_dim=128,
        use_sliding_window=False,
        sliding_window=4096,
        max_window_layers=28,
    ),
    "seed_oss": family(
        dense.seed_oss, num_key_value_heads=8, head_dim=128, attention_bias=True, attention_out_bias=False
    ),
    "smollm3": family(dense.smollm3, num_key_value_heads=4, use_sliding_window=False),
    "stablelm": family(
        dense.stablelm, num_key_value_heads=32, use_qkv_bias=False, qk_layernorm=False, use_parallel_residual=False
    ),
    "starcoder2": family(dense.starcoder2, num_key_value_heads=2, tie_word_embeddings=True, use_bias=True),
}
