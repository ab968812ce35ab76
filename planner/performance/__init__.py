"""Physics of one training step of one phase on one slice; knows no prices.

Every equation is a pure function of numbers, elementwise on arrays: what explains one placement searches a million.
The letters, in SI units (FLOP, bytes, seconds, FLOP/s, bytes/s):

| letter | meaning |
|---|---|
| L, h, f | layers, hidden size, feed-forward size |
| a, k, d, d_v | query heads, key/value heads, size of a query or key head, of a value head |
| l_q, l_kv | ranks of latent attention: of queries, of keys and values with the shared rotary key |
| q, r, y | routed experts, those a token passes, width of one; L_m layers have them |
| V, s, B | vocabulary, sequence length, global batch in sequences |
| g | matrices of the feed-forward block: 3 gated (SwiGLU), 2 otherwise (GELU) |
| t, p, v | tensor, pipeline and virtual pipeline (chunks per stage) degrees |
| D, c, e, b | data, context and expert parallel degrees, micro-batch in sequences |
| z, S | ZeRO stage, size of the group that shards (hybrid sharding) |
| m | micro-batches per pipeline and step, B / (D b) |
| n | tokens of one micro-batch on one context-parallel rank, s b / c |
| F, X | floating-point operations, bytes moved |
| G, U, A | FLOP/s reached by linear layers, by half-precision matrix multiplies, by attention |
| W, E | bytes/s of device memory: peak, reached by elementwise kernels |
| x1, x2, x3 | bytes/s, each direction, per accelerator: scale-up domain, inside the host, scale-out network |
| n1, n2 | accelerators of a scale-up domain, of a host |

Sources named in the docstrings: Megatron SC21 (Narayanan et al. 2021, arXiv:2104.04473), Korthikanti et al. 2022
(arXiv:2205.05198), ZeRO (Rajbhandari et al. 2020, arXiv:1910.02054), FSDP (Zhao et al. 2023, arXiv:2304.11277), PaLM
(Chowdhery et al. 2022, arXiv:2204.02311), FlashAttention (Dao et al. 2022, arXiv:2205.14135; Dao 2023,
arXiv:2307.08691), the JAX Scaling Book (Austin et al. 2025, jax-ml.github.io/scaling-book), Thakur et al. 2005
(doi:10.1177/1094342005051521).
"""
