// An MCP client on either official TypeScript SDK, driven line by line; the lines are those of `call.py`.
//
//     node call.mjs URL modern|legacy client|sdk
//
// The packages are found below the folder that NODE_CLIENTS names, so that this program need not lie beside them.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const require = createRequire(join(process.env.NODE_CLIENTS, 'package.json'));
const [url, era, sdk] = process.argv.slice(2);
const identity = { name: 'portcullis-tests', version: '1' };

function connection() {
    if (sdk === 'client') {
        const { Client, StreamableHTTPClientTransport } = require('@modelcontextprotocol/client');
        const options = era === 'modern' ? { versionNegotiation: { mode: 'auto' } } : {};
        return { client: new Client(identity, options), transport: new StreamableHTTPClientTransport(new URL(url)) };
    }
    const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
    const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');
    return { client: new Client(identity), transport: new StreamableHTTPClientTransport(new URL(url)) };
}

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');

function seen(error) {
    return { error: { type: error.constructor.name, message: error.message, code: error.code ?? null, data: error.data ?? null } };
}

async function answer(client, request) {
    try {
        if (request.call === undefined) return { result: await client.listTools() };
        return { result: await client.callTool({ name: request.call, arguments: request.arguments ?? {} }) };
    } catch (error) {
        return seen(error);
    }
}

const { client, transport } = connection();
let negotiated;
const setProtocolVersion = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (version) => {
    negotiated = version;
    setProtocolVersion?.(version);
};
await client.connect(transport);
say({ connected: client.getNegotiatedProtocolVersion?.() ?? negotiated });
for await (const line of createInterface({ input: process.stdin })) say(await answer(client, JSON.parse(line)));
await client.close();
