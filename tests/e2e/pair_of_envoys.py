"""Two Envoys on one port, of which one gets each change first."""

from dataclasses import dataclass

from envoy import Envoy
from managed_gateway import CONFIGURATION, ManagedGateway


@dataclass
class Pair:
    """Two Envoys on one port, of which one gets each change first."""

    gateway: ManagedGateway
    envoys: dict[str, Envoy]

    def rollout(self) -> dict:
        return self.gateway.control_plane.get("/api/v1/rollouts").json["rollouts"][0]

    def split(self) -> tuple[str, str]:
        """The names of the Envoy that was given the change, and of the other one."""
        (canary,) = [node["id"] for node in self.rollout()["waves"][0]["nodes"]]
        (other,) = [name for name in self.envoys if name != canary]
        return canary, other

    def want(self, verb: str, body: object = None) -> dict:
        path = f"/api/v1/rollouts/{self.rollout()['id']}/{verb}"
        answer = self.gateway.control_plane.request("POST", path, body)
        assert answer.status == 200, answer.body
        return answer.json

    def configurations(self) -> dict[str, dict[str, int]]:
        """What the worker of each Envoy says that it has taken."""
        return {name: envoy.stats(CONFIGURATION) for name, envoy in self.envoys.items()}

    def attempts(self) -> dict[str, int]:
        """How often each Envoy was sent listeners."""
        name = "listener_manager.lds.update_attempt"
        return {of: envoy.stats(name)[name] for of, envoy in self.envoys.items()}
