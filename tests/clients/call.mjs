// An MCP client on the official TypeScript SDKs; the lines are those of `lines.py`.
//
//     node call.mjs SERVER modern|legacy client|sdk|sdk-1.20|sdk-1.12|mcp-remote
//
// SERVER is the URL of an MCP endpoint; to `sdk` also that of an event stream (`…/sse`), or the
// path of a program that speaks MCP on its standard streams when it is told `--stdio`.
// `mcp-remote` is called as desktop clients call it: an SDK's client on its standard input and
// output. The packages are found below the folder that NODE_CLIENTS names, so that this program
// need not lie beside them.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const packages = join(process.env.NODE_CLIENTS, 'node_modules');
const require = createRequire(join(process.env.NODE_CLIENTS, 'package.json'));
const [url, era, name] = process.argv.slice(2);
const identity = { name: 'portcullis-tests', version: '1' };
const folder = name === 'client' || name === 'sdk' ? `@modelcontextprotocol/${name}` : name;

function connection() {
    if (name === 'client') {
        const { Client, StreamableHTTPClientTransport } = require(folder);
        const options = era === 'modern' ? { versionNegotiation: { mode: 'auto' } } : {};
        const transport = new StreamableHTTPClientTransport(new URL(url));
        return { client: new Client(identity, options), transport };
    }
    if (name === 'mcp-remote') {
        const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
        const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');
        const proxy = join(packages, 'mcp-remote/dist/proxy.js');
        const transport = new StdioClientTransport({
            command: process.execPath,
            args: [proxy, url, '--allow-http', '--transport', 'http-only'],
            env: { ...process.env, MCP_REMOTE_CONFIG_DIR: temporaryFolder() },
        });
        return { client: new Client(identity), transport };
    }
    const { Client } = require(`${folder}/client/index.js`);
    if (!url.startsWith('http')) {
        const { StdioClientTransport } = require(`${folder}/client/stdio.js`);
        const program = { command: url, args: ['--stdio'], env: process.env };
        return { client: new Client(identity), transport: new StdioClientTransport(program) };
    }
    if (url.endsWith('/sse')) {
        const { SSEClientTransport } = require(`${folder}/client/sse.js`);
        return { client: new Client(identity), transport: new SSEClientTransport(new URL(url)) };
    }
    const { StreamableHTTPClientTransport } = require(`${folder}/client/streamableHttp.js`);
    const transport = new StreamableHTTPClientTransport(new URL(url));
    return { client: new Client(identity), transport };
}

function temporaryFolder() {
    const folder = mkdtempSync(join(tmpdir(), 'portcullis-mcp-remote-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    return folder;
}

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');

function described(error) {
    const { message, code = null, data = null } = error;
    return { type: error.constructor.name, message, code, data };
}

const LISTS = {
    tools: (client) => client.listTools(),
    resources: (client) => client.listResources(),
    templates: (client) => client.listResourceTemplates(),
    prompts: (client) => client.listPrompts(),
};

async function answer(client, request) {
    try {
        if (request.list) return { result: await LISTS[request.list](client) };
        if (request.read) return { result: await client.readResource({ uri: request.read }) };
        if (request.complete) return { result: await client.complete(request.complete) };
        if (request.prompt) {
            const prompt = { name: request.prompt, arguments: request.arguments ?? {} };
            return { result: await client.getPrompt(prompt) };
        }
        const call = { name: request.call, arguments: request.arguments ?? {} };
        return { result: await client.callTool(call) };
    } catch (error) {
        return { error: described(error) };
    }
}

// Older SDKs keep the negotiated revision to themselves: each tells it its transport, or has read
// it in the answer to `initialize`.
function learnRevision(transport, learn) {
    const setProtocolVersion = transport.setProtocolVersion?.bind(transport);
    transport.setProtocolVersion = (revision) => {
        learn(revision);
        setProtocolVersion?.(revision);
    };
    const start = transport.start.bind(transport);
    transport.start = () => {
        const onmessage = transport.onmessage;
        transport.onmessage = (message, extra) => {
            if (message.result?.protocolVersion) learn(message.result.protocolVersion);
            onmessage(message, extra);
        };
        return start();
    };
}

const { client, transport } = connection();
let negotiated;
client.onerror = (error) => console.error(error);
learnRevision(transport, (revision) => (negotiated = revision));
await client.connect(transport);
const stated = JSON.parse(readFileSync(join(packages, folder, 'package.json')));
say({
    connected: client.getNegotiatedProtocolVersion?.() ?? negotiated,
    package: `${stated.name} ${stated.version}`,
});
for await (const line of createInterface({ input: process.stdin })) {
    say(await answer(client, JSON.parse(line)));
}
await client.close();
