"""Every official SDK shows its user the sentence of every refusal: docs/decisions/0001-status-codes.md rests on it."""

import pytest

from outcomes import shown
from refusal_forms import FORMS, SENTENCE
from scripted_server import ScriptedServer
from sdk_client import SDKS, SdkClient

CHOSEN = [
    "429, code 42900",
    "403, code 40300",
    "200, code -32602",
    "200, isError",
    "400, code -32020",
    "400, code -32700, id null",
    "413, code -32600, id null",
    "503, code 50300",
]
with_each_sdk = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.label)


@with_each_sdk
def test_each_form_that_was_chosen_shows_its_sentence(installation, sdk):
    server = ScriptedServer(FORMS, SENTENCE)
    with SdkClient(sdk, server.url, installation.home) as client:
        client.tools()
        hidden = [form for form in CHOSEN if SENTENCE not in shown(client.call("refuse", {"form": form}))]
    server.close()
    assert hidden == []
