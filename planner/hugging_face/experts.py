"""Readers of mixtures of experts: the keys of a configuration, with defaults filled in, to fields of a model spec."""

from __future__ import annotations

from collections.abc import Sequence

from planner.errors import Problem
from planner.hugging_face import dense
from planner.hugging_face.dense import Fields, shape
from planner.hugging_face.patterns import Config, expert_layers, window, windowed_layers
from planner.read import Invalid


def mixtral(config: Config) -> Fields:
    """Mixtral: a Mistral whose every feed-forward block is a mixture of experts."""
    return dense.mistral(config) | _experts(config, config["intermediate_size"])


def olmoe(config: Config) -> Fields:
    """OLMoE: all query and all key heads normalised together."""
    return dense.olmo2(config) | _experts(config, config["intermediate_size"])


def phimoe(config: Config) -> Fields:
    """Phi-3.5-MoE: LayerNorm with bias, biases of attention and of the output."""
    ours = {"layer_norm": True, "head_bias": config["lm_head_bias"]}
    return dense.llama(config) | window(config) | ours | _experts(config, config["intermediate_size"])


def gpt_oss(config: Config) -> Fields:
    """gpt-oss: biases everywhere, a learned sink per head, every other layer attends within a window."""
    ours = {"linear_biases": True, "attention_sinks": True}
    return dense.mistral(config) | ours | _experts(config, config["intermediate_size"])


def qwen2_moe(config: Config) -> Fields:
    """Qwen 1.5 and Qwen 2 MoE: a shared expert behind a gate of its own."""
    ours = {"qkv_biases": config["qkv_bias"]} | _sparse_steps(config)
    if "experts" in ours:
        ours |= {"shared_ffn_size": config["shared_expert_intermediate_size"], "shared_gate": True}
    return dense.mistral(config) | ours


def qwen3_moe(config: Config) -> Fields:
    """Qwen 3 MoE: no shared expert."""
    return dense.qwen3(config) | _sparse_steps(config)


def deepseek(config: Config) -> Fields:
    """DeepSeekMoE (and what follows it): the first layers dense, shared experts counted in widths of one."""
    return dense.llama(config) | _after_dense(config)


def deepseek_v2(config: Config) -> Fields:
    """DeepSeek-V2: DeepSeekMoE with multi-head latent attention."""
    return _latent(config) | _after_dense(config)


def deepseek_v3(config: Config) -> Fields:
    """DeepSeek-V3 and Kimi K2: a correction of the routing scores, layers that predict further tokens."""
    return deepseek_v2(config) | {"router_bias": True, "mtp_layers": config["num_nextn_predict_layers"]}


def glm4_moe(config: Config) -> Fields:
    """GLM-4.5: DeepSeek-V3's experts with grouped-query attention."""
    ours = {"qk_norm": config["use_qk_norm"], "router_bias": True, "mtp_layers": config["num_nextn_predict_layers"]}
    return dense.glm(config) | ours | _after_dense(config)


def dots1(config: Config) -> Fields:
    """dots.llm1: DeepSeek-V3's experts, normalised query and key heads."""
    return dense.qwen3(config) | {"router_bias": True} | _after_dense(config)


def ernie(config: Config) -> Fields:
    """ERNIE 4.5 MoE: layers with experts between two indices, a correction of the routing scores."""
    count, every = config["num_hidden_layers"], config["moe_layer_interval"]
    first, last = config["moe_layer_start_index"], config["moe_layer_end_index"]
    last = count - 1 if last == -1 else last
    routed = [first <= layer <= last and (layer + 1) % every == 0 for layer in range(count)]
    bias, width = config["use_bias"], config["moe_intermediate_size"]
    ours = {"qkv_biases": bias, "output_bias": bias, "mlp_biases": bias, "head_bias": bias}
    experts = _experts(config, width, routed, "moe_layer_start_index")
    if experts:
        experts |= {"shared_ffn_size": config["moe_num_shared_experts"] * width, "router_bias": True}
    return shape(config) | ours | experts


def hunyuan(config: Config) -> Fields:
    """Hunyuan-A13B: a shared expert of the width of the others, normalised query and key heads."""
    width = config["intermediate_size"]
    return dense.hunyuan(config) | _experts(config, width) | {"shared_ffn_size": width}


def llama4(config: Config) -> Fields:
    """Llama 4: a shared expert, layers without rotary positions attend globally, the others within a chunk."""
    count, width = config["num_hidden_layers"], config["intermediate_size"]
    every = config["no_rope_layer_interval"]
    chunked = config["no_rope_layers"] or [(layer + 1) % every for layer in range(count)]
    attention = windowed_layers(config["attention_chunk_size"], [bool(one) for one in chunked], "no_rope_layers")
    listed, step = config["moe_layers"], config["interleave_moe_layer_step"]
    routed = [layer in listed if listed else (layer + 1) % step == 0 for layer in range(count)]
    experts = _experts(config, width, routed, "moe_layers" if listed else "interleave_moe_layer_step")
    return (
        dense.llama(config)
        | attention
        | {"ffn_size": config["intermediate_size_mlp"], "chunked_attention": bool(attention)}
        | experts
        | ({"shared_ffn_size": width} if experts else {})
    )


def granitemoe(config: Config) -> Fields:
    """Granite 3 MoE, with a shared expert where `shared_intermediate_size` is given."""
    shared = {"shared_ffn_size": config["shared_intermediate_size"]}
    return dense.llama(config) | _experts(config, config["intermediate_size"]) | shared


def dbrx(config: Config) -> Fields:
    """DBRX: sizes of attention and feed-forward in configurations of their own, norms without bias."""
    attention, ffn = config["attn_config"] or {}, config["ffn_config"] or {}
    width = ffn.get("ffn_hidden_size", 3584)
    experts = {"num_experts": ffn.get("moe_num_experts", 4), "num_experts_per_tok": ffn.get("moe_top_k", 1)}
    flat = config | experts | {"num_key_value_heads": attention.get("kv_n_heads", 1), "intermediate_size": width}
    return shape(flat) | _experts(flat, width)


def grok(config: Config) -> Fields:
    """Grok-1: norms before and after attention and experts."""
    return shape(config) | {"post_norms": True} | _experts(config, config["intermediate_size"])


def _experts(config: Config, width: int, routed: Sequence[bool] = (), key: str = "num_experts") -> Fields:
    """Experts of `width` in the layers marked in `routed` (all when empty), or nothing when there are none."""
    routed = routed or [True] * config["num_hidden_layers"]
    if not config["num_experts"] or not any(routed):
        return {}
    return {
        "experts": config["num_experts"],
        "experts_per_token": config["num_experts_per_tok"],
        "expert_ffn_size": width,
        **expert_layers(routed, key),
    }


def _sparse_steps(config: Config) -> Fields:
    dense_layers = config["mlp_only_layers"] or []
    step, layers = config["decoder_sparse_step"], range(config["num_hidden_layers"])
    routed = [layer not in dense_layers and (layer + 1) % step == 0 for layer in layers]
    key = "mlp_only_layers" if dense_layers else "decoder_sparse_step"
    return _experts(config, config["moe_intermediate_size"], routed, key)


def _after_dense(config: Config) -> Fields:
    first, every = config["first_k_dense_replace"], config["moe_layer_freq"]
    routed = [layer >= first and layer % every == 0 for layer in range(config["num_hidden_layers"])]
    width = config["moe_intermediate_size"]
    experts = _experts(config, width, routed, "moe_layer_freq" if every > 1 else "first_k_dense_replace")
    return experts | ({"shared_ffn_size": (config["n_shared_experts"] or 0) * width} if experts else {})


def _latent(config: Config) -> Fields:
    if config["attention_bias"]:
        raise Invalid(Problem("biases in multi-head latent attention are not supported", field="attention_bias"))
    return shape(config) | {
        "head_size": config["qk_nope_head_dim"] + config["qk_rope_head_dim"],
        "latent_rank": config["kv_lora_rank"],
        "query_rank": config["q_lora_rank"] or 0,
        "rope_head_size": config["qk_rope_head_dim"],
        "value_head_size": config["v_head_dim"],
    }
