"""The static example works as shipped, but for its ports and the module's path."""

from envoy import Envoy, validate
from free_ports import free_port
from gateway_parameters import in_both_eras
from mcp_messages import call
from gateway_under_test import answered_by
from recording_upstream import RecordingUpstream
from static_gateway import EXAMPLE


def rendered(installation, ports: dict[str, str]) -> str:
    """The file's text with other ports and the module where it was built."""
    text = EXAMPLE.read_text()
    for shipped, port in ports.items():
        assert f"port_value: {shipped}}}" in text, f"the example no longer uses port {shipped}"
        text = text.replace(f"port_value: {shipped}}}", f"port_value: {port}}}")
    return text.replace("target/filters/mcp-filter.wasm", str(installation.module))


def test_envoy_accepts_it(installation, directory):
    file = directory / "static-example.yaml"
    file.write_text(rendered(installation, {}))
    checked = validate(installation.home, file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_envoy_refuses_it_when_the_policy_does_not_compile(installation, directory):
    file = directory / "static-example.yaml"
    file.write_text(rendered(installation, {}).replace('"minLength"', '"minimalLength"'))
    checked = validate(installation.home, file)
    assert checked.returncode != 0
    assert "minimalLength" in checked.stdout + checked.stderr


@in_both_eras
def test_it_serves_calls_of_both_eras(installation, directory, era):
    upstreams = {"8001": RecordingUpstream("weather"), "8002": RecordingUpstream("math")}
    ports = {shipped: str(upstream.port) for shipped, upstream in upstreams.items()}
    ports |= {"9901": str(free_port()), "10000": str(free_port())}
    envoy = Envoy(installation.home, rendered(installation, ports), int(ports["9901"]), directory)
    try:
        gateway = int(ports["10000"])
        assert answered_by(call(era, "get_weather", {"city": "Oslo"}).post_once(gateway)) == "weather"
        assert answered_by(call(era, "add", {"a": 1, "b": 2}).post_once(gateway)) == "math"
        assert call(era, "subtract", {}).post_once(gateway).json["error"]["code"] == -32602
        limited = [call(era, "get_weather", {"city": "Oslo"}).post_once(gateway).status for _ in range(11)]
        assert 429 in limited
    finally:
        envoy.stop()
        for upstream in upstreams.values():
            upstream.stop()
