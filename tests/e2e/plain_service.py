"""A service that speaks plain HTTP and knows nothing of MCP, and the cluster that leads to it."""

import json
import socket
import ssl
from collections.abc import Iterable

from recording_upstream import Exchange, Received, RecordingUpstream


class PlainService(RecordingUpstream):
    """Answers every request with its own name and the request's path, under `status`; over TLS if
    given a context.
    """

    def __init__(self, name: str, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        super().__init__(name)
        self.status = 200
        self.responder = self.answer_plainly

    def _serve(self, peer: socket.socket) -> None:
        if self.tls:
            try:
                peer = self.tls.wrap_socket(peer, server_side=True)
            except OSError:
                # Whoever called does not believe us, or speaks no TLS.
                peer.close()
                return
        super()._serve(peer)

    def answer_plainly(self, received: Received, exchange: Exchange) -> None:
        body = {"service": self.name, "path": received.path}
        exchange.answer(self.status, json.dumps(body).encode())


def cluster(name: str, services: Iterable[RecordingUpstream], **more: object) -> dict:
    """An entry of `clusters`."""
    endpoints = [f"127.0.0.1:{service.port}" for service in services]
    return {"name": name, "endpoints": endpoints, **more}
