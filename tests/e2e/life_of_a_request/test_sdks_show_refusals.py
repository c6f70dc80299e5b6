"""The newest SDKs show the sentence in each form that docs/decisions/0001-status-codes.md chose."""

import pytest

from outcomes import shown
from refusal_forms import FORMS, SENTENCE
from scripted_server import ScriptedServer
from sdk_client import SDKS, SdkClient

ANYWHERE = [
    "200, code -32602",
    "200, isError",
    "400, code -32700, id null",
    "413, code -32600, id null",
]
CHOSEN = {
    "legacy": [*ANYWHERE, "200, code 40300"],
    "modern": [
        *ANYWHERE,
        "429, code 42900",
        "403, code 40300",
        "400, code -32020",
        "503, code 50300",
    ],
}


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.label)
def test_it_shows_its_sentence_in_each_form_that_was_chosen(installation, sdk):
    server = ScriptedServer(FORMS, SENTENCE)
    with SdkClient(sdk, server.url, installation.home) as client:
        client.tools()
        shows = {form: shown(client.call("refuse", {"form": form})) for form in CHOSEN[sdk.era]}
    server.close()
    assert [form for form, text in shows.items() if SENTENCE not in text] == []
