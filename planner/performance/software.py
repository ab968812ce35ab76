"""What training software can do, by its year."""

from __future__ import annotations

from dataclasses import dataclass

EARLIEST_FUSED_ATTENTION = (
    2023  # FlashAttention is of May 2022 (arXiv:2205.14135), in the large frameworks a year later
)
EARLIEST_FUSED_ROUTING = 2026  # NVIDIA's releases between 25.11 and 26.04 (Megatron-Bridge performance-summary.md)


@dataclass(frozen=True, slots=True)
class Software:
    """What a run's software does; today's by default.

    Without `fused_attention` (before 2023) attention scores go through memory, gradients are summed by kernels of their
    own and sequence parallelism is not in use. Without `fused_routing` (before 2026) tokens are sorted and sent to
    experts by separate kernels. `dropless` routing keeps every token; with a fixed capacity of each expert a graph can
    launch all kernels together. `overlap` false: no communication is hidden. `balanced_experts`: every expert gets the
    same number of tokens (benchmarks).
    """

    fused_attention: bool = True
    fused_routing: bool = True
    dropless: bool = True
    overlap: bool = True
    balanced_experts: bool = False


TODAY = Software()


def software_of(year: int | None) -> Software:
    """The usual software of a year; today's for None."""
    if year is None:
        return TODAY
    return Software(fused_attention=year >= EARLIEST_FUSED_ATTENTION, fused_routing=year >= EARLIEST_FUSED_ROUTING)
