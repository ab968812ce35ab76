"""Time of one optimizer step, by part."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from planner.performance.collectives import exchange_time, exposed, gather_time, reduce_time, send_time
from planner.performance.compute import expert_tokens, layer_time, loss_time, matmul_time, optimizer_time, tokens
from planner.performance.hardware import Machine
from planner.performance.layout import Degrees
from planner.performance.parameters import Number, Shape, layers_per_stage, stage_experts, stage_parameters
from planner.performance.pipeline import bubble, slowest_stage
from planner.performance.topology import path


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds of one step; the total is the sum of the parts. Per-stage parts are those of the average stage."""

    matmul: Number
    experts: Number
    attention: Number
    elementwise: Number
    loss: Number
    recompute: Number
    tensor_communication: Number
    context_communication: Number
    expert_communication: Number
    pipeline_communication: Number
    uneven_stages: Number
    bubble: Number
    data_communication: Number
    optimizer: Number
    overhead: Number

    @property
    def total(self) -> Number:
        """Sum of the parts."""
        return sum((getattr(self, part.name) for part in fields(self)), start=0.0)


def width(machine: Machine) -> Number:
    """Bytes of one activation or gradient on the wire: 2, or 4 when training in 32 bits."""
    return np.maximum(machine.bytes_operand, 2.0)


def tensor_time(shape: Shape, degrees: Degrees, machine: Machine, total: Number) -> Number:
    """Seconds of tensor-parallel communication of one layer, one direction, one micro-batch, all of it.

    Two all-reduces of 2 n h bytes (one for a parallel block): Shoeybi et al. (arXiv:1909.08053), section 3; with
    sequence parallelism the same bytes as all-gathers and reduce-scatters: Korthikanti et al. (arXiv:2205.05198),
    4.2.2.
    """
    links = path(machine, degrees.t, np.ones_like(degrees.t), total)
    X = width(machine) * tokens(shape, degrees) * shape.h
    return (2.0 - shape.parallel) * reduce_time(X, degrees.t, links.x, links.alpha)


def context_time(shape: Shape, degrees: Degrees, machine: Machine, total: Number) -> Number:
    """Seconds to pass keys and values round the context-parallel ring for one layer, one direction.

    Ring attention (Liu et al. 2023, arXiv:2310.01889), section 3: c - 1 sends of one rank's keys and values.
    """
    links = path(machine, degrees.c, degrees.t, total)
    heads = np.maximum(shape.k / degrees.t, 1.0)
    X = width(machine) * tokens(shape, degrees) * heads * (shape.d + shape.d_v)
    return np.where(degrees.c > 1, (degrees.c - 1.0) * send_time(X, links.x, machine.alpha1), 0.0)


def expert_time(shape: Shape, degrees: Degrees, machine: Machine, total: Number) -> Number:
    """Seconds to send the tokens of one layer to their experts' ranks and back, one direction, mean over the layers.

    Two all-to-alls of 2 h bytes a token (dispatch and combine): GShard (arXiv:2006.16668), section 3.2.
    Experts lie on neighbouring ranks (Megatron Core's folding of parallel groups, arXiv:2504.14960). On a torus a copy
    crosses a quarter of each axis on average (JAX Scaling Book, "Sharded matrices", all-to-all).
    """
    X = width(machine) * expert_tokens(shape, degrees, machine) / np.maximum(shape.r, 1.0) * shape.h
    inside = np.minimum(np.maximum(machine.n1, machine.n2), degrees.e)
    hops = np.where(machine.axes > 1, np.maximum(machine.axes * degrees.e ** (1.0 / machine.axes) / 4.0, 1.0), 1.0)
    x = path(machine, inside, 1.0, total).x / hops
    alpha = machine.alpha1 + np.where(degrees.e > inside, machine.alpha3 * np.log2(degrees.e / inside), 0.0)
    return shape.L_m / shape.L * 2.0 * exchange_time(X, shape.r, degrees.e, inside, x, machine.x3, alpha)


def merge_time(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Seconds to add the ring's partial results to 32-bit sums for one layer, forward; backward takes twice as long.

    Each of c - 1 steps reads the sum and its own part and writes the sum, 12 bytes a value: Liu et al. 2023
    (arXiv:2310.01889), algorithm 1; backward sums the gradients of queries, and of keys and values.
    """
    values = tokens(shape, degrees) * shape.a * shape.d_v / degrees.t
    return (degrees.c - 1.0) * 12.0 * values / machine.E


def pipeline_time(shape: Shape, degrees: Degrees, machine: Machine, total: Number) -> Number:
    """Seconds one stage sends activations and gradients of one micro-batch: 2 v sends of 2 n h / t bytes.

    Megatron SC21 (arXiv:2104.04473), sections 3.2 and 4.1 (scatter/gather optimisation: each of t ranks sends 1/t).
    """
    links = path(machine, degrees.p, degrees.t * degrees.c * degrees.D, total)
    X = width(machine) * tokens(shape, degrees) * shape.h / degrees.t
    return np.where(degrees.p > 1, 2.0 * degrees.v * send_time(X, links.x, machine.alpha3), 0.0)


def data_time(shape: Shape, degrees: Degrees, machine: Machine, total: Number, m: Number) -> tuple[Number, Number]:
    """Seconds of data-parallel communication of one step: what may hide behind one micro-batch, and behind all of them.

    ZeRO (arXiv:1910.02054), section 7: gradients reduce-scattered and weights gathered once a step up to stage 2 (as
    much as an all-reduce); stage 3 (FSDP, arXiv:2304.11277) gathers weights forward and backward and reduce-scatters
    gradients for every micro-batch, layer by layer. Otherwise buckets of max(40 million, a million times the ranks)
    parameters pay the ring's latency (Megatron Core, DistributedDataParallelConfig). With hybrid sharding the shards
    are then all-reduced between groups.
    """
    n = degrees.D * degrees.c
    held = stage_parameters(shape, degrees.t, degrees.p, degrees.v)
    layers = layers_per_stage(shape.L, degrees.p, degrees.v)
    once, always = shard_time(held, n, degrees.t, layers, shape, degrees, machine, total, m)
    experts = stage_experts(shape, degrees.e, degrees.p, degrees.v)
    replicas = np.maximum(degrees.t * n / degrees.e, 1.0)
    once_e, always_e = shard_time(experts, replicas, degrees.e, layers, shape, degrees, machine, total, m)
    return once + once_e, always + always_e


def shard_time(
    held: Number,
    n: Number,
    stride: Number,
    layers: Number,
    shape: Shape,
    degrees: Degrees,
    machine: Machine,
    total: Number,
    m: Number,
) -> tuple[Number, Number]:
    """The same for `held` parameters on each of n ranks that lie `stride` accelerators apart."""
    Psi = width(machine) * held
    trained = 1.0 - shape.lora
    S = np.minimum(degrees.S, n)
    group = path(machine, S, stride, total)
    between = path(machine, n / S, stride * S, total)
    whole = path(machine, n, stride, total)
    buckets = np.maximum(Psi / 2.0 / np.maximum(40e6, 1e6 * n), 1.0)
    some = held > 0
    once = reduce_time(Psi, n, whole.x, buckets * whole.alpha)
    hybrid = reduce_time(Psi / S, n / S, between.x, between.alpha)
    gather = gather_time(Psi, S, group.x, layers * group.alpha)
    fsdp = m * (2.0 + trained) * gather
    per_step = trained * np.where(degrees.z >= 3, np.where(n > S, hybrid, 0.0), once)
    return np.where(some, per_step, 0.0), np.where(some & (degrees.z >= 3), fsdp, 0.0)


def step_time(shape: Shape, degrees: Degrees, machine: Machine) -> StepTime:
    """Time of one step, by part.

    The slowest stage works m micro-batches one after the other; filling and draining add the bubble. Tensor-parallel
    communication hides all but `tensor_exposed` of itself behind the products it feeds; pipeline sends likewise; the
    context ring hides behind attention; the experts' exchange hides all but `exchange_exposed`; gradients reduced once
    a step hide behind the last backward and first forward micro-batch; FSDP hides behind `data_overlap` of all
    computation. Clipping, optimizer launches and logging take longer the more parameter tensors a stage has, up to the
    time `step`, and wait for every host: their small collectives cross log2(1 + hosts) levels of a tree.
    """
    p, v = degrees.p, degrees.v
    total = degrees.t * degrees.c * degrees.D * p
    m = np.maximum(np.ceil(shape.B / (degrees.D * degrees.b)), 1.0)
    layer = layer_time(shape, degrees, machine)
    T_tensor = machine.tensor_exposed * tensor_time(shape, degrees, machine, total)
    T_context = context_time(shape, degrees, machine, total)
    context = exposed(T_context, layer.attention_forward, 0.1) + exposed(2.0 * T_context, layer.attention_backward, 0.1)
    context = context + 3.0 * merge_time(shape, degrees, machine)
    T_expert = machine.exchange_exposed * expert_time(shape, degrees, machine, total)
    experts = layer.experts_forward + layer.experts_backward
    forward = layer.matmul_forward + layer.experts_forward + layer.attention_forward + layer.elementwise_forward
    again = degrees.full * forward
    cheap = layer.elementwise_forward + layer.latent_forward
    again = again + degrees.selective * np.where(machine.fused > 0, cheap, layer.attention_forward)
    tensor = (2.0 + degrees.full) * T_tensor
    exchange = (2.0 + degrees.full) * T_expert
    matmul = layer.matmul_forward + layer.matmul_backward
    attention = layer.attention_forward + layer.attention_backward
    elementwise = layer.elementwise_forward + layer.elementwise_backward
    T_layer = matmul + experts + attention + elementwise + again + tensor + context + exchange
    join = 3.0 * matmul_time(tokens(shape, degrees), 2.0 * shape.h, shape.h, machine.G, machine.bytes_operand, machine)
    loss = loss_time(shape, degrees, machine) + shape.mtp * (T_layer + join)
    T_slowest = slowest_stage(shape.L, p, v, T_layer, loss)
    T_stages = shape.L * T_layer + loss
    T_send = machine.pipeline_exposed * pipeline_time(shape, degrees, machine, total)
    once, always = data_time(shape, degrees, machine, total, m)
    data = exposed(once, machine.data_overlap * T_slowest, machine.data_floor) + exposed(
        always, machine.data_overlap * m * T_slowest, machine.data_floor
    )
    shard = np.where(degrees.z >= 1, degrees.S, 1.0)
    shard_e = np.where(degrees.z >= 1, np.maximum(degrees.t * degrees.D * degrees.c / degrees.e, 1.0), 1.0)
    held = stage_parameters(shape, degrees.t, p, v) / shard + stage_experts(shape, degrees.e, p, v) / shard_e
    update = optimizer_time(held, 1.0, 1.0 - shape.lora, machine)
    share = m * shape.L / p
    wait = bubble(p, v, T_stages, T_slowest)
    busy = m * (T_slowest + T_send) + wait + data + update
    hosts = np.maximum(total / machine.n2, 1.0)
    return StepTime(
        matmul=share * matmul,
        experts=share * experts,
        attention=share * attention,
        elementwise=share * elementwise,
        loss=m * loss / p,
        recompute=share * again,
        tensor_communication=share * tensor,
        context_communication=share * context,
        expert_communication=share * exchange,
        pipeline_communication=m * T_send,
        uneven_stages=m * (T_slowest - T_stages / p),
        bubble=wait,
        data_communication=data,
        optimizer=update,
        overhead=machine.step
        * np.minimum(layers_per_stage(shape.L, p, v) / machine.step_layers, 1.0)
        * np.log2(1.0 + hosts)
        + machine.straggler * np.log2(hosts) * busy,
    )
