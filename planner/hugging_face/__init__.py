"""Hugging Face configurations (`config.json`) of decoder-only transformers, read into the fields of a model spec.

config           the entry: which family, which keys are missing, what is refused
family           what a family is; dense_families, expert_families: the reader and the defaults of each `model_type`
dense, experts   the readers
patterns         which layers attend within a window only, which have experts

Key names and defaults are those of the configuration classes of `transformers` 4.57, or of the code published with the
weights where the library does not hold the family.
"""
