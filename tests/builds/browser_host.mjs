// Answers questions to the policy engine as a package for browsers, in Node:
// `browser_host.mjs FOLDER`. `component_host.py` says what is asked and answered.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const file = (name) => `${folder}/${name}`;
const { compile, Counts, initSync } = await import(pathToFileURL(file("policy-engine.js")));
initSync({ module: readFileSync(file("policy-engine_bg.wasm")) });

/** The faults that a function throws, or what it gives. */
function answered(ask) {
  try {
    return ask();
  } catch (error) {
    if (!Array.isArray(error.cause)) throw error;
    return { faults: error.cause };
  }
}

function answer({ configuration, questions }) {
  const policy = answered(() => compile(new TextEncoder().encode(configuration)));
  if ("faults" in policy) return policy;
  const counts = new Counts(1n, 2n);
  const answers = questions.map(({ call, now, explain }) =>
    answered(() =>
      explain ? policy.explain(...explain) : policy.decide(call, counts, BigInt(now)),
    ),
  );
  counts.free();
  policy.free();
  return { answers };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
