"""Readers of dense models: the keys of a configuration, with defaults filled in, to the fields of a model spec."""

from __future__ import annotations

from typing import Any

from planner.errors import Problem
from planner.hugging_face.patterns import Config, window, windowed_layers
from planner.read import Invalid

Fields = dict[str, Any]


def shape(config: Config) -> Fields:
    """What every decoder states: sizes, heads, vocabulary and whether the embedding is tied."""
    return {
        "layers": config["num_hidden_layers"],
        "hidden_size": config["hidden_size"],
        "ffn_size": config["intermediate_size"],
        "heads": config["num_attention_heads"],
        "kv_heads": config["num_key_value_heads"] or config["num_attention_heads"],
        "head_size": config["head_dim"] or 0,
        "vocabulary": config["vocab_size"],
        "tied_embeddings": config["tie_word_embeddings"],
    }


def llama(config: Config) -> Fields:
    """Llama and what follows it to the letter: RMSNorm, rotary positions, gated feed-forward, biases if asked for."""
    attention, mlp = config["attention_bias"], config["mlp_bias"]
    return shape(config) | {"qkv_biases": attention, "output_bias": attention, "mlp_biases": mlp}


def mistral(config: Config) -> Fields:
    """Mistral and Phi-3: a Llama without biases that may attend within a window."""
    return shape(config) | window(config)


def qwen(config: Config) -> Fields:
    """The first Qwen: `intermediate_size` counts both matrices of the gated feed-forward block."""
    biases = {"qkv_biases": True, "mlp_biases": not config["no_bias"], "output_bias": not config["no_bias"]}
    return shape(config) | biases | {"ffn_size": config["intermediate_size"] // 2, "head_size": config["kv_channels"]}


def qwen2(config: Config) -> Fields:
    """Qwen 2: biases on query, key and value; a window only where `use_sliding_window` says so."""
    return mistral(config) | {"qkv_biases": True}


def qwen3(config: Config) -> Fields:
    """Qwen 3 (and SmolLM 3 without its norms): each query and key head is normalised."""
    return llama(config) | window(config) | {"qk_norm": True}


def smollm3(config: Config) -> Fields:
    """SmolLM 3: a Llama whose every fourth layer has no rotary positions."""
    return llama(config) | window(config)


def gemma2(config: Config) -> Fields:
    """Gemma 2: norms after attention and feed-forward too; every other layer attends globally."""
    return smollm3(config) | {"post_norms": True}


def gemma3(config: Config) -> Fields:
    """Gemma 3: Gemma 2 with normalised query and key heads; every sixth layer attends globally."""
    return gemma2(config) | {"qk_norm": True}


def glm(config: Config) -> Fields:
    """GLM-4: `attention_bias` is on query, key and value alone."""
    return shape(config) | {"qkv_biases": config["attention_bias"]}


def glm4(config: Config) -> Fields:
    """GLM-4-0414: GLM-4 with norms after attention and feed-forward too."""
    return glm(config) | {"post_norms": True}


def seed_oss(config: Config) -> Fields:
    """Seed-OSS: the bias of attention's output projection has a key of its own."""
    return llama(config) | {"output_bias": config["attention_out_bias"]}


def hunyuan(config: Config) -> Fields:
    """Hunyuan: a Llama with normalised query and key heads."""
    if config["use_cla"]:
        raise Invalid(Problem("keys and values shared between layers are not supported", field="use_cla"))
    return llama(config) | {"qk_norm": True}


def ernie(config: Config) -> Fields:
    """ERNIE 4.5: one key for all biases."""
    return shape(config) | {"linear_biases": config["use_bias"], "head_bias": config["use_bias"]}


def internlm(config: Config) -> Fields:
    """InternLM and InternLM 2: `bias` is on the projections of attention."""
    return shape(config) | {"qkv_biases": config["bias"], "output_bias": config["bias"]}


def cohere(config: Config) -> Fields:
    """Command R: attention and feed-forward from one norm without bias, optionally a norm of query and key heads."""
    return llama(config) | {"parallel_block": True, "qk_norm_whole": config["use_qk_norm"]}


def cohere2(config: Config) -> Fields:
    """Command R7B and Command A: every fourth layer attends globally."""
    return llama(config) | window(config) | {"parallel_block": True}


def nemotron(config: Config) -> Fields:
    """Nemotron-4 and Minitron: LayerNorm with bias, squared ReLU without gate."""
    return llama(config) | {"gated_mlp": False, "layer_norm": True}


def arcee(config: Config) -> Fields:
    """AFM: a Llama with squared ReLU without gate."""
    return llama(config) | {"gated_mlp": False}


def olmo(config: Config) -> Fields:
    """OLMo: LayerNorm without parameters."""
    return llama(config) | {"unweighted_norms": True}


def olmo2(config: Config) -> Fields:
    """OLMo 2 and 3: all query and all key heads normalised together; the two norms stand after the blocks."""
    return llama(config) | window(config) | {"qk_norm_whole": True}


def exaone4(config: Config) -> Fields:
    """EXAONE 4: norms after the blocks, normalised query and key heads, a window pattern such as LLLG."""
    return mistral(config) | {"qk_norm": True}


def stablelm(config: Config) -> Fields:
    """StableLM: LayerNorm with bias; StableLM 2 12B computes attention and feed-forward from one norm."""
    return shape(config) | {
        "layer_norm": True,
        "qkv_biases": config["use_qkv_bias"],
        "qk_norm_whole": config["qk_layernorm"],
        "parallel_block": config["use_parallel_residual"],
    }


def starcoder2(config: Config) -> Fields:
    """StarCoder 2: LayerNorm, biases, no gate, optionally a window."""
    return mistral(config) | {"gated_mlp": False, "layer_norm": True, "linear_biases": config["use_bias"]}


def phi(config: Config) -> Fields:
    """Phi-1 and Phi-2: one LayerNorm per layer, biases everywhere."""
    if config["qk_layernorm"]:
        raise Invalid(Problem("norms of query and key heads with a bias are not supported", field="qk_layernorm"))
    ours = {"gated_mlp": False, "layer_norm": True, "parallel_block": True, "linear_biases": True, "head_bias": True}
    return shape(config) | ours


def gpt2(config: Config) -> Fields:
    """GPT-2: LayerNorm, biases everywhere, learned positions, feed-forward of four times the width unless stated."""
    return _four_times(config) | {"linear_biases": True, "learned_positions": config["max_position_embeddings"]}


def gpt_bigcode(config: Config) -> Fields:
    """SantaCoder and StarCoder: a GPT-2 whose queries share one key and value head."""
    return gpt2(config) | ({"kv_heads": 1} if config["multi_query"] else {})


def gpt_neo(config: Config) -> Fields:
    """GPT-Neo: no bias on query, key and value; layers alternate between global and local attention."""
    kinds: list[Any] = []
    for entry in config["attention_types"] or []:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], list) and type(entry[1]) is int):
            raise Invalid(Problem("expected entries such as [[global, local], 12]", field="attention_types"))
        kinds += entry[0] * min(entry[1], config["num_hidden_layers"] + 1)
    if len(kinds) != config["num_hidden_layers"]:
        message = f"expected {config['num_hidden_layers']} layers, got {len(kinds)}"
        raise Invalid(Problem(message, field="attention_types"))
    limited = [kind == "local" for kind in kinds]
    biases = {"output_bias": True, "mlp_biases": True, "learned_positions": config["max_position_embeddings"]}
    return _four_times(config) | biases | windowed_layers(config["window_size"], limited, "attention_types")


def gpt_j(config: Config) -> Fields:
    """GPT-J and CodeGen: one LayerNorm per layer, biases of feed-forward and output only."""
    return _four_times(config) | {"parallel_block": True, "mlp_biases": True, "head_bias": True}


def gpt_neox(config: Config) -> Fields:
    """GPT-NeoX and Pythia: the block is parallel but keeps two norms, so `parallel_block` (one norm) stays off."""
    biases = {"linear_biases": True} if config["attention_bias"] else {"mlp_biases": True}
    return _four_times(config) | biases


def opt(config: Config) -> Fields:
    """OPT and Galactica; the position table has two extra rows, an offset for padding."""
    problems = []
    if (config["word_embed_proj_dim"] or config["hidden_size"]) != config["hidden_size"]:
        problems.append(Problem("projected embeddings (OPT-350M) are not supported", field="word_embed_proj_dim"))
    if not config["do_layer_norm_before"] or config["_remove_final_layer_norm"]:
        problems.append(Problem("norms after the blocks (OPT-350M) are not supported", field="do_layer_norm_before"))
    if problems:
        raise Invalid(*problems)
    weighted = config["layer_norm_elementwise_affine"]
    return _four_times(config) | {
        "linear_biases": config["enable_bias"],
        "layer_norm": weighted,
        "unweighted_norms": not weighted,
        "learned_positions": config["max_position_embeddings"] + 2,
    }


def bloom(config: Config) -> Fields:
    """BLOOM: a GPT-2 with ALiBi instead of learned positions and a norm of the embeddings."""
    return _four_times(config) | {"linear_biases": True, "embedding_norm": True}


def falcon(config: Config) -> Fields:
    """Falcon: one norm per layer in the 7B, two in the 40B and 180B ("new decoder architecture")."""
    new, heads = config["new_decoder_architecture"], config["num_attention_heads"]
    two_norms = config["num_ln_in_parallel_attn"] in (None, 2) if new else not config["parallel_attn"]
    kv_heads = 1 if config["multi_query"] and not new else config["num_key_value_heads"] or heads
    return _four_times(config) | {
        "kv_heads": kv_heads,
        "parallel_block": not two_norms,
        "linear_biases": config["bias"],
    }


def mpt(config: Config) -> Fields:
    """MPT: LayerNorm without bias, no biases, ALiBi or learned positions."""
    attention = config["attn_config"] or {}
    if not config["no_bias"] or attention.get("qk_ln"):
        field = "attn_config.qk_ln" if config["no_bias"] else "no_bias"
        raise Invalid(Problem("biases and norms of query and key are not supported in an mpt model", field=field))
    alibi = attention.get("alibi", True)
    return _four_times(config) | {
        "ffn_size": config["expansion_ratio"] * config["hidden_size"],
        "kv_heads": attention.get("kv_n_heads") or config["num_attention_heads"],
        "layer_norm": False,
        "learned_positions": 0 if alibi else config["max_position_embeddings"],
    }


def _four_times(config: Config) -> Fields:
    """GPT-2 and its descendants: LayerNorm, no gate, feed-forward of four times the width unless stated."""
    width = config["intermediate_size"] or 4 * config["hidden_size"]
    return shape(config) | {"ffn_size": width, "gated_mlp": False, "layer_norm": True}
