"""Model specs by name, from a file, from a Hugging Face `config.json`, or from fields written in the workload."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from planner.errors import InputError, Problem, nearest
from planner.model_spec import ModelSpec
from planner.quantities import PARAMETERS, quantity, shown, whole
from planner.read import Document, Invalid, read

DIRECTORY = Path(__file__).parent / "architectures"
ROUNDED_TOLERANCE = 0.03  # how far a `parameters_rounded` figure may be from the exact count
_PATH_ENDINGS = (".yaml", ".yml", ".json")


def model_names() -> tuple[str, ...]:
    """The names of the bundled architectures, sorted."""
    return tuple(sorted(path.stem for path in DIRECTORY.glob("*.yaml")))


def model(name_or_path: str | Path, relative_to: Path | None = None) -> ModelSpec:
    """The model spec of a bundled name (in any case), a YAML file of the same shape, or a Hugging Face `config.json`.

    A text with a slash or an ending of .yaml, .yml or .json is a path, relative to `relative_to` or to the current
    directory. InputError with the nearest name, or with file:line of what is wrong in the file.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.casefold().endswith(_PATH_ENDINGS):
        return read_model((relative_to or Path()) / Path(text).expanduser())
    known = {name.casefold(): name for name in model_names()}
    if text.casefold() not in known:
        raise InputError(
            Problem(
                f"'{text}' is not a known model: expected a bundled name, or a path of a YAML file or config.json",
                nearest=nearest(text, known.values()),
            )
        )
    return _bundled(known[text.casefold()])


def read_model(path: Path) -> ModelSpec:
    """The model spec in a YAML file of `planner/architectures`' shape or a Hugging Face `config.json`."""
    document = read(path)
    try:
        if isinstance(document.data, dict) and "model_type" in document.data:
            return from_hugging_face(document.data, path.resolve().parent.name)
        return from_fields(document.data, path.stem)
    except Invalid as error:
        raise InputError(_located(error, document)) from None


def from_fields(fields: Any, name: str = "inline") -> ModelSpec:
    """A model spec from a mapping with the fields of ModelSpec; Invalid with every problem.

    Two more keys may state what is published, and are checked against the count the fields give: `parameters` to the
    parameter, `parameters_rounded` within 3 %.
    """
    if not isinstance(fields, Mapping):
        raise Invalid(Problem(f"expected the fields of an architecture (layers, ...), got {shown(fields)}"))
    problems: list[Problem] = []
    values: dict[str, Any] = {"name": name}
    known = {field.name: field for field in dataclasses.fields(ModelSpec)}
    for key, value in fields.items():
        if key in ("parameters", "parameters_rounded"):
            continue
        if key not in known:
            problems.append(Problem("unknown key", field=key, nearest=nearest(key, [*known, "parameters"])))
            continue
        try:
            optional = known[key].default is not dataclasses.MISSING
            values[key] = _READERS[str(known[key].type)](value, 0 if optional else 1)
        except ValueError as error:
            problems.append(Problem(str(error), field=key))
    for key, field in known.items():
        if field.default is dataclasses.MISSING and key not in values and key not in fields:
            problems.append(Problem("missing", field=key))
    if problems:
        raise Invalid(*problems)
    spec = ModelSpec(**values)
    if problems := [*_inconsistencies(spec, fields), *_miscounts(spec, fields)]:
        raise Invalid(*problems)
    return spec


def from_hugging_face(config: Mapping[str, Any], name: str = "") -> ModelSpec:
    """A model spec from a Hugging Face `config.json` of a dense decoder; Invalid for any other architecture."""
    kind = str(config.get("model_type"))
    if kind not in _HUGGING_FACE:
        raise Invalid(
            Problem(
                f"'{kind}' models cannot be read from config.json (known: {', '.join(_HUGGING_FACE)}): write the "
                "fields of the architecture, or give parameters and tokens instead of a model",
                field="model_type",
                nearest=nearest(kind, _HUGGING_FACE),
            )
        )
    title = str(config.get("_name_or_path") or name or kind).rstrip("/").rpartition("/")[2]
    try:
        fields = _HUGGING_FACE[kind](config)
    except KeyError as error:
        raise Invalid(Problem(f"missing key '{error.args[0]}' of a {kind} model", field=str(error.args[0]))) from None
    except TypeError as error:
        raise Invalid(Problem(f"not a {kind} configuration: {error}")) from None
    if config.get("quantization_config"):
        raise Invalid(
            Problem(
                "a quantised checkpoint cannot be trained: use the config of the original model",
                field="quantization_config",
            )
        )
    return from_fields({"source": f"Hugging Face config.json, model_type {kind}", **fields}, title)


def _llama(config: Mapping[str, Any]) -> dict[str, Any]:
    if config.get("mlp_bias", False) or config.get("attention_bias", False):
        raise Invalid(
            Problem(
                "biases of attention or feed-forward in a llama model are not supported",
                field="mlp_bias" if config.get("mlp_bias") else "attention_bias",
            )
        )
    return {
        "layers": config["num_hidden_layers"],
        "hidden_size": config["hidden_size"],
        "ffn_size": config["intermediate_size"],
        "heads": config["num_attention_heads"],
        "kv_heads": config.get("num_key_value_heads") or config["num_attention_heads"],
        "head_size": config.get("head_dim") or 0,
        "vocabulary": config["vocab_size"],
        "tied_embeddings": config.get("tie_word_embeddings", False),
    }


def _mistral(config: Mapping[str, Any]) -> dict[str, Any]:
    return _llama(config) | {"sliding_window": config.get("sliding_window") or 0}


def _qwen2(config: Mapping[str, Any]) -> dict[str, Any]:
    window = config.get("sliding_window") if config.get("use_sliding_window") else 0
    return _llama(config) | {"qkv_biases": True, "sliding_window": window or 0}


def _gemma(config: Mapping[str, Any]) -> dict[str, Any]:
    return _llama(config) | {"tied_embeddings": config.get("tie_word_embeddings", True)}


def _biased(config: Mapping[str, Any], layers: str, hidden: str, heads: str) -> dict[str, Any]:
    """What GPT-2 and its descendants share: LayerNorm, biases everywhere, feed-forward of four times the width."""
    return {
        "layers": config[layers],
        "hidden_size": config[hidden],
        "heads": config[heads],
        "kv_heads": config[heads],
        "ffn_size": 4 * config[hidden],
        "vocabulary": config["vocab_size"],
        "gated_mlp": False,
        "layer_norm": True,
        "linear_biases": True,
        "tied_embeddings": config.get("tie_word_embeddings", True),
    }


def _gpt2(config: Mapping[str, Any]) -> dict[str, Any]:
    shape = _biased(config, "n_layer", "n_embd", "n_head") | {"learned_positions": config["n_positions"]}
    return shape | ({"ffn_size": config["n_inner"]} if config.get("n_inner") else {})


def _gpt_neox(config: Mapping[str, Any]) -> dict[str, Any]:
    # The block is parallel but keeps two norms, so `parallel_block` (one norm) stays off.
    shape = _biased(config, "num_hidden_layers", "hidden_size", "num_attention_heads")
    return shape | {
        "ffn_size": config["intermediate_size"],
        "tied_embeddings": config.get("tie_word_embeddings", False),
    }


def _opt(config: Mapping[str, Any]) -> dict[str, Any]:
    if config.get("word_embed_proj_dim", config["hidden_size"]) != config["hidden_size"]:
        raise Invalid(Problem("projected embeddings (OPT-350M) are not supported", field="word_embed_proj_dim"))
    shape = _biased(config, "num_hidden_layers", "hidden_size", "num_attention_heads")
    # OPT's position table has two extra rows (an offset for padding).
    return shape | {"ffn_size": config["ffn_dim"], "learned_positions": config["max_position_embeddings"] + 2}


def _bloom(config: Mapping[str, Any]) -> dict[str, Any]:
    layers = "n_layer" if "n_layer" in config else "num_hidden_layers"
    hidden = "n_embed" if "n_embed" in config else "hidden_size"
    heads = "n_head" if "n_head" in config else "num_attention_heads"
    return _biased(config, layers, hidden, heads) | {"embedding_norm": True}


def _falcon(config: Mapping[str, Any]) -> dict[str, Any]:
    new = config.get("new_decoder_architecture", False)
    heads = config["num_attention_heads"]
    one_norm = config.get("parallel_attn", True) and not new
    return {
        "layers": config["num_hidden_layers"],
        "hidden_size": config["hidden_size"],
        "ffn_size": config.get("ffn_hidden_size") or 4 * config["hidden_size"],
        "heads": heads,
        "kv_heads": config["num_kv_heads"] if new else 1 if config.get("multi_query", True) else heads,
        "vocabulary": config["vocab_size"],
        "gated_mlp": False,
        "layer_norm": True,
        "parallel_block": one_norm,
        "linear_biases": config.get("bias", False),
        "tied_embeddings": config.get("tie_word_embeddings", True),
    }


_HUGGING_FACE: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "llama": _llama,
    "mistral": _mistral,
    "qwen2": _qwen2,
    "gemma": _gemma,
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "opt": _opt,
    "bloom": _bloom,
    "falcon": _falcon,
}


@cache
def _bundled(name: str) -> ModelSpec:
    return read_model(DIRECTORY / f"{name}.yaml")


def _located(error: Invalid, document: Document) -> list[Problem]:
    return [document.problem(problem.field, problem.message, problem.nearest) for problem in error.problems]


def _inconsistencies(spec: ModelSpec, fields: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    if spec.heads % spec.kv_heads:
        problems.append(Problem(f"expected a divisor of heads ({spec.heads}), got {spec.kv_heads}", field="kv_heads"))
    if not fields.get("head_size") and spec.hidden_size % spec.heads:
        problems.append(
            Problem(
                f"expected a divisor of hidden_size ({spec.hidden_size}) unless head_size is given, got {spec.heads}",
                field="heads",
            )
        )
    return problems


def _miscounts(spec: ModelSpec, fields: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    for key, tolerance in (("parameters", 0.0), ("parameters_rounded", ROUNDED_TOLERANCE)):
        if fields.get(key) is None:
            continue
        try:
            stated = float(quantity(fields[key], PARAMETERS))
        except ValueError as error:
            problems.append(Problem(str(error), field=key))
            continue
        if abs(spec.parameters - stated) > tolerance * stated:
            message = f"the fields give {spec.parameters:,} parameters, got {shown(fields[key])}"
            problems.append(Problem(message, field=key))
    return problems


def _count(value: Any, minimum: int) -> int:
    return whole(value, minimum=minimum, maximum=10**9)


def _flag(value: Any, _minimum: int) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {shown(value)}")
    return value


def _text(value: Any, _minimum: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {shown(value)}")
    return value


_READERS: dict[str, Callable[[Any, int], Any]] = {"int": _count, "bool": _flag, "str": _text}
