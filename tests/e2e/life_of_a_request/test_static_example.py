"""The static example works as shipped, but for its ports and the module's path."""

from envoy import Envoy, validate
from free_ports import free_port
from gateway_parameters import in_both_eras
from gateway_under_test import answered_by
from mcp_messages import call, is_refused
from polling import until
from recording_upstream import RecordingUpstream
from rendered_listener import rendered_listener
from static_gateway import EXAMPLE, connection_manager, example_listener


def moved(installation, ports: dict[str, str]) -> str:
    """The file's text with other ports and the module where it was built."""
    text = EXAMPLE.read_text()
    for shipped, port in ports.items():
        assert f"port_value: {shipped}}}" in text, f"the example no longer uses port {shipped}"
        text = text.replace(f"port_value: {shipped}}}", f"port_value: {port}}}")
    return text.replace("target/filters/mcp-filter.wasm", str(installation.module))


def test_it_is_accepted_by_envoy(installation, directory):
    file = directory / "static-example.yaml"
    file.write_text(moved(installation, {}))
    checked = validate(installation.home, file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_answers_for_servers_as_the_rendered_listener_does():
    replies = connection_manager(rendered_listener())["local_reply_config"]["mappers"]
    shipped = connection_manager(example_listener())["local_reply_config"]["mappers"]
    assert [comparable(mapper) for mapper in shipped] == [comparable(mapper) for mapper in replies]


def comparable(mapper: dict) -> tuple:
    """A mapper's parts that matter, whatever defaults are written out."""
    override = mapper["body_format_override"]
    # Where the file breaks a line between two members, YAML leaves a space.
    text = override["text_format_source"]["inline_string"].replace(', "', ',"')
    conditions = [comparable_condition(one) for one in conditions_of(mapper["filter"])]
    headers = [
        (one["header"]["key"], one["header"]["value"], one["append_action"])
        for one in mapper.get("headers_to_add", [])
    ]
    return text, override["content_type"], conditions, mapper.get("status_code"), headers


def conditions_of(filter: dict) -> list[dict]:
    return filter["and_filter"]["filters"] if "and_filter" in filter else [filter]


def comparable_condition(condition: dict) -> object:
    match condition:
        case {"response_flag_filter": {"flags": flags}}:
            return flags
        case {"extension_filter": {"typed_config": config}}:
            return config
        case {"status_code_filter": {"comparison": {"value": value} as comparison}}:
            return comparison.get("op", "EQ"), value
    raise AssertionError(f"a condition of a new kind: {condition}")


def test_it_is_refused_by_envoy_when_the_policy_does_not_compile(installation, directory):
    file = directory / "static-example.yaml"
    file.write_text(moved(installation, {}).replace('"minLength"', '"minimalLength"'))
    checked = validate(installation.home, file)
    assert checked.returncode != 0
    assert "minimalLength" in checked.stdout + checked.stderr


@in_both_eras
def test_it_serves_calls_of_both_eras(installation, directory, wire, era):
    upstreams = {"8001": RecordingUpstream("weather"), "8002": RecordingUpstream("math")}
    ports = {shipped: str(upstream.port) for shipped, upstream in upstreams.items()}
    ports |= {"9901": str(free_port()), "10000": str(free_port())}
    envoy = Envoy(installation.home, moved(installation, ports), int(ports["9901"]), directory)
    try:
        with wire(int(ports["10000"])) as connection:
            weather = call(era, "get_weather", {"city": "Oslo"})
            assert answered_by(weather.post(connection)) == "weather"
            assert answered_by(call(era, "add", {"a": 1, "b": 2}).post(connection)) == "math"
            assert call(era, "subtract").post(connection).json["error"]["code"] == -32602
            # Ten at once and sixty a minute: a caller that is quick enough is refused.
            until("the limit bites", lambda: is_refused(weather.post(connection), 42900), pause=0.0)
    finally:
        envoy.stop()
        for upstream in upstreams.values():
            upstream.stop()
