"""Answers questions to the policy engine as a component, in wasmtime: `component_host.py FILE`.

Each line of the input is JSON: `configuration`, a text, and `questions`, each either `call` with
`now`, or `explain`. Each line of the output is the answer: `faults` of the configuration, or
`answers`. `browser_host.mjs` answers the same for the package for browsers.
"""

import json
import sys

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker

KEY = (1, 2)


def faults(records: list) -> dict:
    return {"faults": [{"path": record.path, "reason": record.reason} for record in records]}


class PolicyEngine:
    """The interface of the component, by its functions' names."""

    def __init__(self, file: str) -> None:
        engine = Engine()
        self.store = Store(engine)
        self.instance = Linker(engine).instantiate(self.store, Component.from_file(engine, file))
        self.interface = self.instance.get_export_index(
            self.store, "portcullis:policy/engine@0.1.0"
        )

    def __call__(self, name: str, *arguments: object) -> object:
        index = self.instance.get_export_index(self.store, name, self.interface)
        return self.instance.get_func(self.store, index)(self.store, *arguments)


def answer(engine: PolicyEngine, asked: dict) -> dict:
    policy = engine("compile", asked["configuration"].encode())
    if isinstance(policy, list):
        return faults(policy)
    counts = engine("[constructor]counts", *KEY)
    answers = []
    for question in asked["questions"]:
        if "explain" in question:
            text = engine("[method]policy.explain", policy, *question["explain"])
        else:
            text = engine(
                "[method]policy.decide",
                policy,
                json.dumps(question["call"]),
                counts,
                question["now"],
            )
        answers.append(faults(text) if isinstance(text, list) else json.loads(text))
    counts.drop(engine.store)
    policy.drop(engine.store)
    return {"answers": answers}


engine = PolicyEngine(sys.argv[1])
for line in sys.stdin:
    print(json.dumps(answer(engine, json.loads(line))), flush=True)
