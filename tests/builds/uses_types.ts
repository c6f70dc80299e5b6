// A program that uses the types of the package for browsers, and must fit them.

import init, { compile, Counts, type Call, type Decision, type Fault } from "./policy-engine.js";

export async function sentence(configuration: Uint8Array, call: Call): Promise<string> {
  await init();
  const policy = compile(configuration);
  const decision: Decision = policy.decide(call, new Counts(1n, 2n), 3n);
  const rule: string | undefined = decision.rules.allow;
  if (decision.decision === "allow") {
    const wait: number = decision.timeout_ms ?? 0;
    return `${decision.server} ${decision.cluster} ${wait} ${decision.arguments_read} ${rule}`;
  }
  const places: string[] = (decision.violations ?? []).map(({ pointer }) => pointer);
  return `${decision.sentence} ${decision.retry_after_seconds} ${places.join(" ")}`;
}

export const call: Call = {
  endpoint: "/mcp",
  tool: "query",
  arguments: "{}",
  principal: { subject: "ada", claims: { groups: ["analysts"] } },
};

export const note: Call = { endpoint: "/mcp", method: "notifications/x", form: "notification" };

export function places(error: Error): string[] {
  return (error.cause as Fault[]).map(({ path, reason }) => `${path}: ${reason}`);
}
