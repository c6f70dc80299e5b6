"""Readings of an outcome: the `{"result": …}` or `{"error": …}` that a client program printed."""


def structured(outcome: dict) -> dict:
    """Returns the structured content of a call that went well."""
    assert "result" in outcome, outcome
    assert not outcome["result"].get("isError"), outcome
    return outcome["result"]["structuredContent"]


def failure(outcome: dict) -> str:
    """Returns the text of a call that failed where the model reads it."""
    assert "result" in outcome and outcome["result"].get("isError"), outcome
    return text_of(outcome)


def shown(outcome: dict) -> str:
    """Returns the sentence of a refusal that the client's user, or the model behind it, reads."""
    return text_of(outcome) if "error" in outcome else failure(outcome)


def text_of(outcome: dict) -> str:
    """Returns all text that a user or a model reads of an outcome, good or bad."""
    if "error" in outcome:
        return outcome["error"]["message"]
    return "".join(part.get("text", "") for part in outcome["result"]["content"])


def form_of(outcome: dict, sentence: str) -> str:
    """Names how the sentence of a refusal reached the user, in the words of docs/clients.md."""
    if sentence not in text_of(outcome):
        return "hidden"
    if "result" in outcome:
        return "result"
    if '"jsonrpc"' in text_of(outcome):
        return "raw JSON"
    code = outcome["error"]["code"]
    return "exception" if code is None else str(code)
