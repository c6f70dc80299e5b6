"""What the rounds say: one row per variant, with differences to the plain router and the ratios
that matter.
"""

import json
from pathlib import Path
from statistics import median, quantiles

from calls import Case
from listeners import IO, NATIVE, OURS, ROUTER

FIGURES = ("cpu_us", "worker_us", "p50_us", "p99_us")


def write_figures(results: dict, file: Path) -> None:
    """Writes the results as JSON, and prints where they are."""
    file.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    print(f"the figures are in {file}")


def spread(values: list[float]) -> dict[str, float]:
    """The median, and the quartiles around it: half of the rounds lie between those."""
    low, middle, high = (
        quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    )
    return {"median": middle, "low": low, "high": high}


def summary(rounds: dict[str, list[dict]]) -> dict:
    """For each variant its figures.

    What a variant adds is taken within each round, against the router's burst of the same round:
    what else the machine does changes from round to round, and hits both.
    """
    variants = {}
    for variant, bursts in rounds.items():
        pairs = list(zip(bursts, rounds[ROUTER], strict=True))
        figures = {name: spread([burst[name] for burst in bursts]) for name in FIGURES}
        figures["added_us"] = spread(
            [burst["cpu_us"] - router["cpu_us"] for burst, router in pairs]
        )
        figures["times_router"] = spread(
            [burst["cpu_us"] / router["cpu_us"] for burst, router in pairs]
        )
        variants[variant] = figures
    return {"variants": variants, "ratios": ratios(rounds)}


def ratios(rounds: dict[str, list[dict]]) -> dict[str, float | None]:
    """What ours adds, as a multiple of what another variant adds; nothing where that is within the
    noise.
    """

    def added(variant: str) -> list[float]:
        pairs = zip(rounds[variant], rounds[ROUTER], strict=True)
        return [burst["cpu_us"] - router["cpu_us"] for burst, router in pairs]

    base = {variant: median(added(variant)) for variant in (NATIVE, IO)}
    ours = median(added(OURS))
    return {variant: ours / cost if cost > 0 else None for variant, cost in base.items()}


def rows(case: Case, result: dict) -> list[str]:
    heads = (
        f"{'CPU µs/call':>13}{'worker':>9}{'added':>9}{'half of the rounds':>20}"
        f"{'× router':>10}{'p50 µs':>9}{'p99 µs':>9}"
    )
    lines = [case.title, f"{'':20}{heads}"]
    for variant, figures in result["variants"].items():
        middle = {name: figures[name]["median"] for name in figures}
        between = f"{figures['added_us']['low']:+.1f} … {figures['added_us']['high']:+.1f}"
        lines.append(
            f"{variant:20}{middle['cpu_us']:13.1f}{middle['worker_us']:9.1f}"
            f"{middle['added_us']:+9.1f}{between:>20}"
            f"{middle['times_router']:10.2f}{middle['p50_us']:9.0f}{middle['p99_us']:9.0f}"
        )
    for variant, ratio in result["ratios"].items():
        if ratio is not None:
            lines.append(f"CPU that portcullis adds : CPU that `{variant}` adds = {ratio:.2f} : 1")
    return lines
