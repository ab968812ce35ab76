"""The accelerators, links and memory of a slice, and the letters the equations use for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import Accelerator
from planner.errors import InputError, Problem, nearest
from planner.performance.efficiency import Efficiency
from planner.performance.efficiency import efficiency as shipped
from planner.performance.parameters import Number
from planner.performance.software import TODAY, Software

GIB = 2.0**30
CUBE = 64  # chips of a 4 x 4 x 4 cube, whose faces optical switches join (TPU v4: Jouppi et al. 2023, arXiv:2304.01433)
PRECISIONS = ("bf16", "fp16", "fp8", "fp32", "int8", "fp4")


@dataclass(frozen=True, slots=True)
class Hardware:
    """One kind of node. Rates in FLOP/s and bytes/s (links: each direction, per accelerator), memory in GiB."""

    name: str
    accelerator: str
    family: str
    accelerators_per_node: int
    memory_gib: float
    memory_bandwidth: float
    peak_16bit: float
    peak_8bit: float
    peak_int8: float
    peak_4bit: float
    peak_32bit: float
    scale_up: float
    domain: int
    scale_out: float
    torus_axes: int
    wraps_from: int  # accelerators from which on the axes of a torus close into rings
    mesh: bool
    watts: float  # power limit, 0 where unknown

    def peak(self, precision: str) -> float:
        """Dense peak in FLOP/s at a precision; raises InputError when the accelerator has none."""
        peaks = {
            "bf16": self.peak_16bit,
            "fp16": self.peak_16bit,
            "fp8": self.peak_8bit,
            "fp32": self.peak_32bit,
            "int8": self.peak_int8,
            "fp4": self.peak_4bit,
        }
        if precision not in peaks:
            raise InputError(
                Problem(
                    f"unknown precision '{precision}', expected one of {', '.join(PRECISIONS)}",
                    field="precision",
                    nearest=nearest(precision, PRECISIONS),
                )
            )
        if not peaks[precision]:
            can = ", ".join(name for name, value in peaks.items() if value)
            raise InputError(
                Problem(f"{self.accelerator} cannot train in {precision}, only in {can}", field="precision")
            )
        return peaks[precision]


@dataclass(frozen=True, slots=True)
class Machine:
    """The letters of a hardware at a precision, as numbers or arrays of equal length."""

    peak: Number  # dense peak at the precision
    G: Number
    U: Number
    A: Number
    W: Number
    E: Number
    bytes_operand: Number  # bytes of one operand of a linear layer
    cast: Number  # 1 when operands are quantised from 16 bits
    scaled: Number  # 1 when the loss is scaled (fp16)
    x1: Number
    x2: Number
    x3: Number
    n1: Number
    n2: Number
    axes: Number
    wrap: Number  # accelerators from which on the torus wraps round
    mesh: Number
    alpha1: Number
    alpha3: Number
    roofline: Number
    tensor_exposed: Number
    pipeline_exposed: Number
    data_overlap: Number
    data_floor: Number
    launch: Number
    step: Number
    step_layers: Number
    straggler: Number
    backward: Number
    head_size: Number
    depth: Number
    adapters: Number
    grouped: Number
    routing: Number
    imbalance: Number
    exchange_exposed: Number
    expert_launch: Number
    tile: Number
    fused: Number  # fused (flash) attention, no dropout, 16-bit gradients
    memory: Number  # bytes
    reserve: Number  # bytes
    fragmentation: Number  # bytes lost to it per byte of activations


def hardware(catalog: Catalog, instance_type: str) -> Hardware:
    """The hardware of an instance type of the catalog; its network replaces the accelerator's usual one."""
    if instance_type not in catalog.instance_types:
        raise InputError(
            Problem(
                f"unknown instance type '{instance_type}'",
                field="instance_type",
                nearest=nearest(instance_type, catalog.instance_types),
            )
        )
    kind = catalog.instance_types[instance_type]
    accelerator = catalog.accelerators[kind.accelerator]
    gbps = kind.network_gbps / kind.accelerators if kind.network_gbps else None
    return of_accelerator(accelerator, kind.accelerators, gbps, name=instance_type)


def hardware_of_accelerator(catalog: Catalog, accelerator: str) -> Hardware:
    """The hardware of an accelerator in its usual host; raises InputError with the nearest name."""
    if accelerator not in catalog.accelerators:
        raise InputError(
            Problem(
                f"unknown accelerator '{accelerator}'",
                field="accelerator",
                nearest=nearest(accelerator, catalog.accelerators),
            )
        )
    return of_accelerator(catalog.accelerators[accelerator])


def of_accelerator(
    accelerator: Accelerator, per_node: int | None = None, network_gbps: float | None = None, name: str = ""
) -> Hardware:
    """Hardware of an accelerator with `per_node` of them in a node and `network_gbps` gigabit/s of network for each.

    In a host of another size than usual the scale-up domain is that host, where accelerators share one board (SXM, OAM,
    superchip); cards keep their bridges and meet over PCIe.
    """

    def tera(value: float | None) -> float:
        return 0.0 if value is None else value * 1e12

    per_node = per_node or accelerator.typical_chips_per_host
    domain = accelerator.scale_up_domain_size
    if (
        per_node != accelerator.typical_chips_per_host
        and domain <= 16
        and accelerator.form_factor not in ("PCIe", "NVL")
    ):
        domain = per_node
    half = tera(accelerator.bf16_tflops) or tera(accelerator.fp16_tflops)
    gbps = network_gbps if network_gbps is not None else accelerator.scale_out_bw_gbps_per_chip or 25.0
    axes = {"2d-torus": 2, "3d-torus": 3}.get(accelerator.topology, 1) if accelerator.scale_up_domain_size > 16 else 1
    links = (accelerator.intra_node_bw_gbs or 64.0) * 1e9 / 2.0  # the catalog counts both directions
    return Hardware(
        name=name or accelerator.id,
        accelerator=accelerator.id,
        family=accelerator.family,
        accelerators_per_node=per_node,
        memory_gib=accelerator.memory_gb,
        memory_bandwidth=(accelerator.memory_bw_gbs or 1000.0) * 1e9,
        peak_16bit=half,
        peak_8bit=tera(accelerator.fp8_tflops),
        peak_int8=tera(accelerator.int8_tops) or tera(accelerator.fp8_tflops),
        peak_4bit=tera(accelerator.fp4_tflops),
        peak_32bit=tera(accelerator.fp32_tflops) or half / 16.0,
        scale_up=links,
        domain=domain,
        scale_out=gbps * 1e9 / 8.0,
        torus_axes=axes,
        wraps_from={2: domain, 3: CUBE}.get(axes, 0) if accelerator.form_factor == "TPU-slice" else 0,
        mesh=accelerator.topology.endswith("-mesh") and accelerator.topology != "nvlink-mesh",
        watts=accelerator.tdp_w or 0.0,
    )


def power_share(watts: float, peak: float, reference: float, exponent: float, share: float) -> float:
    """Share of the dense peak a chip reaches under its power limit, from the share of the family's reference chip.

    Dense products draw more than the limit at full clock, so the clock falls: the rate goes as the power per peak
    FLOP/s to an exponent. MI325X over MI300X and GB300 over GB200 share a peak and differ by their limit. At most 0.95.
    """
    return min(share * (watts / peak / reference) ** exponent if watts and reference else share, 0.95)


def machine(
    hardware: Hardware,
    precision: str,
    constants: Efficiency | None = None,
    software: Software = TODAY,
) -> Machine:
    """The letters of a hardware at a precision with the constants of its family, under some software."""
    constants = constants or shipped()

    def one(name: str) -> float:
        return constants[hardware.family, name]

    peak = hardware.peak(precision)
    bits = {"fp8": 8, "int8": 8, "fp4": 4, "fp32": 32}.get(precision, 16)
    share = {8: one("matmul_8bit"), 4: one("matmul_4bit")}.get(bits, one("matmul"))
    half = hardware.peak_16bit if bits < 32 else peak

    def reached(share: float) -> float:
        return power_share(hardware.watts, hardware.peak_16bit, one("watts"), one("power"), share)

    fused = software.fused_attention and one("fused_attention") > 0
    return Machine(
        peak=peak,
        G=peak * reached(share),
        U=half * reached(one("matmul")),
        A=half * reached(one("attention")),
        W=hardware.memory_bandwidth,
        E=hardware.memory_bandwidth * one("memory"),
        bytes_operand=bits / 8.0,
        cast=float(bits < 16),
        scaled=float(precision == "fp16"),
        x1=hardware.scale_up * one("scale_up"),
        x2=one("host_link") * one("scale_up"),
        x3=hardware.scale_out * one("scale_out"),
        n1=float(hardware.domain),
        n2=float(max(hardware.accelerators_per_node, 1)),
        axes=float(hardware.torus_axes),
        wrap=float(hardware.wraps_from),
        mesh=float(hardware.mesh),
        alpha1=one("latency_up"),
        alpha3=one("latency_out"),
        roofline=one("roofline"),
        tensor_exposed=one("tensor_exposed") if software.overlap else 1.0,
        pipeline_exposed=one("pipeline_exposed"),
        data_overlap=one("data_overlap") * software.overlap,
        data_floor=one("data_floor"),
        launch=one("launch" if fused else "launch_unfused"),
        step=one("step"),
        step_layers=one("step_layers"),
        straggler=one("straggler"),
        backward=one("backward"),
        head_size=one("head_size"),
        depth=one("depth"),
        adapters=one("adapters"),
        grouped=one("grouped"),
        routing=one("routing" if software.fused_routing else "routing_unfused"),
        imbalance=1.0 if software.balanced_experts else one("imbalance"),
        exchange_exposed=one("exchange_exposed") if software.overlap else 1.0,
        expert_launch=one("expert_launch") if software.dropless else 0.0,
        tile=one("tile"),
        fused=float(fused),
        memory=hardware.memory_gib * GIB,
        reserve=one("reserve"),
        fragmentation=0.0 if fused else one("fragmentation"),
    )


def per_core(hardware: Hardware, cores: int) -> Hardware:
    """A hardware counted in cores of a chip, which share its rates, memory and links evenly."""

    def part(value: float) -> float:
        return value / cores

    return replace(
        hardware,
        accelerators_per_node=hardware.accelerators_per_node * cores,
        memory_gib=part(hardware.memory_gib),
        memory_bandwidth=part(hardware.memory_bandwidth),
        peak_16bit=part(hardware.peak_16bit),
        peak_8bit=part(hardware.peak_8bit),
        peak_int8=part(hardware.peak_int8),
        peak_4bit=part(hardware.peak_4bit),
        peak_32bit=part(hardware.peak_32bit),
        watts=part(hardware.watts),
        scale_up=part(hardware.scale_up),
        domain=hardware.domain * cores,
        wraps_from=hardware.wraps_from * cores,
        scale_out=part(hardware.scale_out),
    )
