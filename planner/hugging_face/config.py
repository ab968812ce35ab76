"""The entry: a parsed `config.json` to the fields of a model spec, or Invalid with all that stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from planner.errors import Problem, nearest
from planner.hugging_face.dense_families import DENSE
from planner.hugging_face.expert_families import MIXTURES
from planner.hugging_face.family import Family
from planner.quantities import shown, whole
from planner.read import Invalid

FAMILIES: Mapping[str, Family] = MappingProxyType(DENSE | MIXTURES)
# The text part of multimodal models, by its own name or by that of the whole when it has none.
TEXT_MODELS: Mapping[str, str] = MappingProxyType(
    {
        "gemma3": "gemma3_text",
        "glm4v_moe_text": "glm4_moe",
        "llama4": "llama4_text",
        "llava": "llama",
        "mistral3": "mistral",
        "paligemma": "gemma",
        "qwen2_vl": "qwen2",
        "qwen2_vl_text": "qwen2",
        "qwen2_5_vl": "qwen2",
        "qwen2_5_vl_text": "qwen2",
        "qwen3_vl_text": "qwen3",
        "qwen3_vl_moe_text": "qwen3_moe",
    }
)
# Families a model spec cannot express, and what they have that it has no field for.
_INEXPRESSIBLE = MappingProxyType(
    dict.fromkeys(("bamba", "falcon_h1", "granitemoehybrid", "jamba", "nemotron_h", "zamba2"), "state-space layers")
    | dict.fromkeys(("falcon_mamba", "mamba", "mamba2", "rwkv", "xlstm"), "recurrent layers instead of attention")
    | dict.fromkeys(("kimi_linear", "lfm2", "minimax", "minimax_text_01", "qwen3_next"), "linear attention")
    | dict.fromkeys(("recurrent_gemma",), "recurrent layers")
    | dict.fromkeys(("bert", "modernbert", "roberta", "deberta-v2", "electra"), "an encoder only")
    | dict.fromkeys(("bart", "mt5", "t5", "whisper", "switch_transformers"), "an encoder and a decoder")
)
# Weights published in the format they were trained in (or in no other): the quantised configuration is the original.
_ORIGINAL_FORMAT = MappingProxyType({"deepseek_v3": "fp8", "kimi_k2": "fp8", "gpt_oss": "mxfp4"})
# Other names of a key: what a family's `attribute_map` translates, or its own code calls it.
_OTHER_NAMES = MappingProxyType(
    {
        "n_layer": "num_hidden_layers",
        "n_layers": "num_hidden_layers",
        "num_layers": "num_hidden_layers",
        "n_embd": "hidden_size",
        "n_embed": "hidden_size",
        "d_model": "hidden_size",
        "n_head": "num_attention_heads",
        "n_heads": "num_attention_heads",
        "num_heads": "num_attention_heads",
        "num_kv_heads": "num_key_value_heads",
        "n_inner": "intermediate_size",
        "ffn_dim": "intermediate_size",
        "ffn_hidden_size": "intermediate_size",
        "n_positions": "max_position_embeddings",
        "max_seq_len": "max_position_embeddings",
        "num_local_experts": "num_experts",
        "n_routed_experts": "num_experts",
        "moe_num_experts": "num_experts",
        "experts_per_token": "num_experts_per_tok",
        "moe_k": "num_experts_per_tok",
        "moe_topk": "num_experts_per_tok",
    }
)
# The key behind each field of a model spec whose own name differs.
_KEYS_OF_FIELDS = MappingProxyType(
    {
        "layers": "num_hidden_layers",
        "hidden_size": "hidden_size",
        "ffn_size": "intermediate_size",
        "heads": "num_attention_heads",
        "kv_heads": "num_key_value_heads",
        "vocabulary": "vocab_size",
        "head_size": "head_dim",
        "experts": "num_experts",
        "experts_per_token": "num_experts_per_tok",
        "expert_ffn_size": "moe_intermediate_size",
        "dense_layers": "first_k_dense_replace",
        "latent_rank": "kv_lora_rank",
        "query_rank": "q_lora_rank",
        "rope_head_size": "qk_rope_head_dim",
        "value_head_size": "v_head_dim",
        "mtp_layers": "num_nextn_predict_layers",
        "tied_embeddings": "tie_word_embeddings",
        "sliding_window": "sliding_window",
    }
)
_NEEDED = ("layers", "hidden_size", "ffn_size", "heads", "kv_heads", "vocabulary")
_MOST_LAYERS = 10_000
_LISTS = ("attention_types", "layer_types", "mlp_only_layers", "moe_layers", "no_rope_layers")
_OBJECTS = ("attn_config", "ffn_config")
_NONE_WHEN_NULL = ("attention_chunk_size", "q_lora_rank", "sliding_window")
_STEPS = ("decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_freq", "moe_layer_interval")
_AT_LEAST_ONE = (*_STEPS, "no_rope_layer_interval", "num_hidden_layers", "hidden_size", "num_attention_heads")


@dataclass(frozen=True, slots=True)
class Imported:
    """The fields of a model spec, and for each the key of the file that it was read from."""

    fields: Mapping[str, Any]
    keys: Mapping[str, str]

    def placed(self, problem: Problem) -> Problem:
        """A problem with a field of the model spec, at the key of the file."""
        return replace(problem, field=self.keys.get(problem.field, problem.field))


def read_config(config: Mapping[str, Any]) -> Imported:
    """The fields of a model spec from a parsed config.json; Invalid with every missing or wrong key.

    The `text_config` of a multimodal model is read and its other parts are left out, which `source` says.
    """
    kind, inner, prefix = _text_part(config)
    if not kind:
        raise Invalid(Problem("missing; it says which family of models this is", field=f"{prefix}model_type"))
    if kind not in FAMILIES:
        raise Invalid(_unknown(kind, inner, prefix))
    family = FAMILIES[kind]
    stated, written = _canonical(inner, prefix)
    if prefix and "tie_word_embeddings" in config:
        stated.setdefault("tie_word_embeddings", config["tie_word_embeddings"])
    missing = [key for key in family.required if key not in stated and not (prefix and family.defaults.get(key))]
    problems = [Problem(f"missing; a {kind} configuration states it", field=prefix + key) for key in missing]
    for place, one in {"": config, prefix: inner}.items():
        problems += _quantised(kind, one, place)
    values = dict(family.defaults)
    for key, value in stated.items():
        if key in values or key in family.required:
            try:
                values[key] = _value(key, value, family)
            except ValueError as error:
                problems.append(Problem(str(error), field=written.get(key, key)))
    if problems:
        raise Invalid(*problems)
    try:
        fields = family.read(values)
    except Invalid as error:
        placed = (replace(one, field=written.get(one.field, prefix + one.field)) for one in error.problems)
        raise Invalid(*placed) from None
    keys = {field: written.get(key, prefix + key) for field, key in _KEYS_OF_FIELDS.items()}
    return Imported({"source": _source(config, kind, prefix), **fields}, keys)


def _text_part(config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], str]:
    """The family, the configuration of the text model and the path of its keys."""
    inner, prefix = config.get("text_config"), "text_config."
    if not isinstance(inner, Mapping):
        inner, prefix = config, ""
    kind = str(inner.get("model_type") or config.get("model_type") or "")
    return TEXT_MODELS.get(kind, kind), inner, prefix


def _canonical(config: Mapping[str, Any], prefix: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration under one name for each key, and the path under which the file has it."""
    stated: dict[str, Any] = {}
    written: dict[str, str] = {}
    for key, value in config.items():
        name = _OTHER_NAMES.get(key, key)
        if name == key or name not in config:
            stated[name] = value
            written[name] = prefix + key
    return stated, written


def _value(key: str, value: Any, family: Family) -> Any:
    """A value of the kind its default has; ValueError when it is of another."""
    default = family.defaults.get(key)
    if key in _LISTS or key in _OBJECTS:
        kind, words = (list, "a list") if key in _LISTS else (dict, "keys and values")
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"expected {words}, got {shown(value)}")
        return value
    if isinstance(default, bool):
        if value is not None and not isinstance(value, bool):
            raise ValueError(f"expected true or false, got {shown(value)}")
        return default if value is None else value
    if value is None and key not in family.required:
        return None if key in _NONE_WHEN_NULL else default
    if key == "sliding_window_pattern" and isinstance(value, str) and value:
        return len(value)  # a pattern spelt out, such as LLLG
    if isinstance(value, list) and value and all(one == value[0] for one in value):
        value = value[0]  # one entry for each layer
    most = _MOST_LAYERS if key == "num_hidden_layers" else 10**9
    least = -1 if key == "moe_layer_end_index" else 1 if key in _AT_LEAST_ONE else 0
    return whole(value, minimum=least, maximum=most)


def _quantised(kind: str, config: Mapping[str, Any], prefix: str) -> list[Problem]:
    quantisation = config.get("quantization_config")
    method = quantisation.get("quant_method") if isinstance(quantisation, Mapping) else None
    if not quantisation or (method and method == _ORIGINAL_FORMAT.get(kind)):
        return []
    message = "a quantised checkpoint cannot be trained: use the config of the original model"
    return [Problem(message, field=f"{prefix}quantization_config")]


def _unknown(kind: str, config: Mapping[str, Any], prefix: str) -> Problem:
    """What to do about a family that is not known: which fields the file seems to give, which must be found out."""
    if kind in _INEXPRESSIBLE:
        why = f"'{kind}' models have {_INEXPRESSIBLE[kind]}, which a model spec cannot express"
        return Problem(f"{why}: give parameters and tokens instead of a model", field=f"{prefix}model_type")
    stated, _written = _canonical(config, "")
    given = [field for field in _NEEDED if stated.get(_KEYS_OF_FIELDS[field]) is not None]
    lacking = [field for field in _NEEDED if field not in given]
    seems = f"this file seems to give {', '.join(given) or 'none of them'}"
    if lacking:
        seems += f", not {', '.join(lacking)}"
    message = (
        f"'{kind}' models cannot be read from config.json: write a YAML file with the fields of a model spec "
        f"({seems}), or give parameters and tokens instead of a model; known are {', '.join(sorted(FAMILIES))}"
    )
    return Problem(message, field=f"{prefix}model_type", nearest=nearest(kind, FAMILIES))


def _source(config: Mapping[str, Any], kind: str, prefix: str) -> str:
    if not prefix:
        return f"Hugging Face config.json, model_type {kind}"
    whole_model = config.get("model_type", "multimodal")
    return f"Hugging Face config.json, text_config ({kind}) of a {whole_model} model, whose other parts are left out"
