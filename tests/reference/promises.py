"""The members that the announced form of an answer promises.

An output schema requires nothing, because clients hold failures against it, too: what is not in
every answer says in its description when it is.
"""

SOMETIMES = ("With ", "Without ", "Where ")
"""The first word of the description of a member that is not in every answer."""


def is_always_there(schema: dict) -> bool:
    """Whether the member of this schema is in every answer that is no failure."""
    return not schema.get("description", "").startswith(SOMETIMES)


def promised(schema: dict) -> dict:
    """The announced schema of an answer that is no failure, with every member that it then has."""
    whole = dict(schema)
    if members := schema.get("properties"):
        whole["properties"] = {name: promised(member) for name, member in members.items()}
        whole["required"] = [name for name, member in members.items() if is_always_there(member)]
    if "items" in schema:
        whole["items"] = promised(schema["items"])
    return whole
