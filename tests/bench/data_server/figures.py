"""The figures of the rounds: medians with their spread, and ratios taken within each round."""

from servers import DBHUB, FLOOR, OURS, TOOLBOX, Server
from table import spread

FIGURES = ("calls_s", "cpu_us", "p50_us", "p99_us")
BESIDE = (TOOLBOX, DBHUB, FLOOR)


def summary(rounds: dict[str, list[dict]]) -> dict:
    """For each server its figures, and how ours compares with the others in the same round."""
    figures = {
        name: {figure: spread([burst[figure] for burst in bursts]) for figure in FIGURES}
        for name, bursts in rounds.items()
    }
    others = [name for name in BESIDE if name in rounds]
    return {
        "servers": figures,
        "ratios": {
            name: {figure: ratio(rounds, name, figure) for figure in ("calls_s", "p50_us")}
            for name in others
        },
    }


def ratio(rounds: dict[str, list[dict]], other: str, figure: str) -> dict[str, float]:
    pairs = zip(rounds[OURS], rounds[other], strict=True)
    return spread([ours[figure] / theirs[figure] for ours, theirs in pairs])


def rows(title: str, result: dict) -> list[str]:
    heads = ("calls/s", "half of the rounds", "CPU µs/call", "p50 µs", "p99 µs")
    lines = [title, f"{'':20}{heads[0]:>9}{heads[1]:>20}{heads[2]:>13}{heads[3]:>9}{heads[4]:>9}"]
    for name, figures in result["servers"].items():
        calls = figures["calls_s"]
        between = f"{calls['low']:.0f} … {calls['high']:.0f}"
        lines.append(
            f"{name:20}{calls['median']:9.0f}{between:>20}{figures['cpu_us']['median']:13.1f}"
            f"{figures['p50_us']['median']:9.0f}{figures['p99_us']['median']:9.0f}"
        )
    for name, figures in result["ratios"].items():
        calls, p50 = figures["calls_s"], figures["p50_us"]["median"]
        lines.append(
            f"portcullis : {name} = {calls['median']:.2f} : 1 in calls/s "
            f"({calls['low']:.2f} … {calls['high']:.2f}), {p50:.2f} : 1 in p50"
        )
    return lines


def list_sizes(servers: list[Server]) -> dict[str, dict[str, int]]:
    """The bytes of each server's `tools/list`, and about how many tokens that is: four bytes each.

    What an agent reads before its first question.
    """
    sizes = {}
    for server in servers:
        if server.name == FLOOR:
            continue
        body = server.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
        sizes[server.name] = {"bytes": len(body), "tokens": len(body) // 4}
    return sizes
