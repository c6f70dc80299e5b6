"""What a client's call came to."""


def structured(outcome: dict) -> dict:
    """The structured content of a call that went well."""
    assert "result" in outcome, outcome
    assert not outcome["result"].get("isError"), outcome
    return outcome["result"]["structuredContent"]


def failure(outcome: dict) -> str:
    """The text of a call that failed where the model reads it."""
    assert "result" in outcome and outcome["result"].get("isError"), outcome
    return outcome["result"]["content"][0]["text"]
