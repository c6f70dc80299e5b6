"""A change is taken back while calls flow, and none of them fails."""

from managed_gateway import CALLS, TOOLS, listed
from polling import until
from raw_http import Connection
from recording_upstream import RecordingUpstream, answers_with
from traffic import Traffic


def test_it_goes_back_to_an_earlier_revision_without_a_failed_call(managed):
    rest = managed.control_plane
    managed.upstreams["moved"] = RecordingUpstream("moved")
    managed.upstreams["moved"].responder = answers_with(listed(TOOLS["weather"]))
    before = rest.get("/api/v1/config").json["revision"]
    server = rest.get("/api/v1/servers/weather").json
    server.pop("endpoints", None)
    server["url"] = f"http://127.0.0.1:{managed.upstreams['moved'].port}/mcp"
    with Traffic(managed.port, CALLS) as traffic:
        traffic.flows()
        moved = rest.request("PUT", "/api/v1/servers/weather", server)
        assert moved.status == 200, moved.body
        until("calls arrive at the new place", managed.upstreams["moved"].calls)
        traffic.flows()
        tried = rest.request("POST", "/api/v1/rollback?dry_run=true", {"to": before})
        assert tried.status == 200, tried.body
        # The same calls go to another place: whoever goes back need not say that it is meant.
        assert "loosens" not in tried.json, tried.body
        back = rest.request("POST", "/api/v1/rollback", {"to": before})
        assert back.status == 200, back.body
        assert back.json["outcome"] == "accepted"
        seen = len(managed.upstreams["weather"].calls())
        until(
            "calls arrive at the old place again",
            lambda: len(managed.upstreams["weather"].calls()) > seen,
        )
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    difference = rest.get(f"/api/v1/versions/{before}/diff/{back.json['revision']}").json
    assert difference["changes"] == []
    with Connection(rest.rest_port) as connection:
        records = connection.request("GET", "/api/v1/audit?what=POST%20/api/v1/rollback", [])
    assert [record["revision"] for record in records.json["records"]] == [back.json["revision"]]
