"""What the rounds say: one row per variant, with differences to the plain router and the ratio that matters."""

from dataclasses import dataclass
from statistics import quantiles

from listeners import NATIVE, OURS, ROUTER, VARIANTS


@dataclass(frozen=True)
class Case:
    """A size of call and the way it is sent."""

    bytes: int
    rate: int | None
    """Requests a second, or as fast as answers come."""

    @property
    def title(self) -> str:
        way = f"{self.rate} calls/s" if self.rate else "closed loop, 8 connections"
        return f"{self.bytes} B, {way}"


def lower_decile(values: list[float]) -> float:
    """The value that the quietest tenth of the rounds reached: other load on the machine only ever adds."""
    return quantiles(values, n=10, method="inclusive")[0] if len(values) > 1 else values[0]


def summary(rounds: dict[str, list[dict]]) -> dict:
    """For each variant its figures, and how much less our filter adds than Envoy's own."""
    figures = {
        variant: {key: lower_decile([one[key] for one in rounds[variant]]) for key in ("cpu_us", "p50_us", "p99_us")}
        for variant in VARIANTS
    }
    base = figures[ROUTER]["cpu_us"]
    for of_variant in figures.values():
        of_variant["added_cpu_us"] = of_variant["cpu_us"] - base
        of_variant["cpu_ratio"] = of_variant["cpu_us"] / base
    added_by_native = figures[NATIVE]["added_cpu_us"]
    ratio = figures[OURS]["added_cpu_us"] / added_by_native if added_by_native > 0 else None
    return {"variants": figures, "added_ours_to_native": ratio}


def rows(case: Case, result: dict) -> list[str]:
    lines = [
        f"{case.title}",
        f"{'':20}{'CPU µs/call':>12}{'added':>8}{'× router':>10}{'p50 µs':>9}{'p99 µs':>9}",
    ]
    for variant, one in result["variants"].items():
        lines.append(
            f"{variant:20}{one['cpu_us']:12.1f}{one['added_cpu_us']:+8.1f}{one['cpu_ratio']:10.2f}"
            f"{one['p50_us']:9.0f}{one['p99_us']:9.0f}"
        )
    ratio = result["added_ours_to_native"]
    if ratio is not None:
        lines.append(f"CPU that portcullis adds : CPU that the native filter adds = {ratio:.2f} : 1")
    return lines
