"""A real Envoy reports its traffic to the control plane, which sums it up."""

from managed_gateway import CALLS, CONFIGURATION
from mcp_messages import Era, call, has_passed
from polling import until


def traffic(managed) -> dict:
    answer = managed.control_plane.get("/api/v1/traffic")
    assert answer.status == 200, answer.body
    return answer.json


def counted(managed) -> dict[str, dict]:
    """What was counted of each tool, by its name."""
    return {tool["tool"]: tool for tool in traffic(managed)["tools"]}


def test_it_counts_calls_refusals_and_the_times_of_servers(managed):
    until("the Envoy reports", lambda: managed.control_plane.reporting() == 1)
    # What was called before the first report is not counted; this tool was not.
    for _ in range(5):
        assert has_passed(managed.send(call(Era.MODERN, "note_other", {})))
    for era in Era:
        assert not has_passed(managed.send(call(era, "get_weather", {"city": 7})))
        assert not has_passed(managed.send(call(era, "nothing", {})))

    def is_counted() -> bool:
        now = counted(managed)
        return (
            {"note_other", "get_weather", "none"} <= now.keys()
            and now["note_other"]["calls"] == {"total": 5, "last_minute": 5}
            and now["get_weather"]["refused_for"]["bad_arguments"]["total"] == len(Era)
            and now["none"]["refused_for"]["unknown_tool"]["total"] == len(Era)
        )

    until("all of it was reported", is_counted)
    servers = {server["server"]: server for server in traffic(managed)["servers"]}
    assert servers["weather"]["requests"]["total"] >= 5
    assert servers["weather"]["failures"]["total"] == 0
    times = servers["weather"]["answered_within_ms"]
    assert 0 <= times["p50"] <= times["p90"] <= times["p99"]


def test_it_counts_the_failures_of_servers_whatever_their_callers_read(managed):
    until("something is counted", lambda: managed.passes("add") and "add" in counted(managed))
    managed.upstreams["math"].stop()
    # Under 200, because clients of this revision end their session on any other status.
    assert managed.send(CALLS["add"]).status == 200

    def failures() -> int:
        servers = {server["server"]: server for server in traffic(managed)["servers"]}
        return servers["math"]["failures"]["total"]

    until("the failure was reported", lambda: failures() == 1)


def test_it_goes_on_counting_after_the_control_plane_was_started_again(managed):
    until("something is counted", lambda: managed.passes("add") and "add" in counted(managed))
    managed.control_plane.crash()
    for _ in range(100):
        assert managed.passes("add")
    managed.control_plane.start_again()
    until("something is counted", lambda: managed.passes("add") and "add" in counted(managed))
    assert counted(managed)["add"]["calls"]["total"] < 100
    assert len(managed.envoy.stats(CONFIGURATION)) == 1
