// Calls the tools through the gateway with the official SDK: `npm install @modelcontextprotocol/client`.
//
//     node examples/typescript_client.ts [URL]
//
// It looks at a table, queries PostgreSQL and Spark side by side, and reads a large result block by
// block. Node runs it as it stands, from version 22.18 on.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

interface Rows {
    columns: { name: string; type: string }[];
    rows?: unknown[][];
    row_count: number;
    result?: { uri: string; blocks: number };
}

const url = new URL(process.argv[2] ?? 'http://127.0.0.1:10000/mcp');
const client = new Client(
    { name: 'typescript_client', version: '1' },
    { versionNegotiation: { mode: 'auto' } },
);

/** Calls a tool and returns its structured answer; the sentence of a failure is thrown. */
async function call<T>(name: string, args: Record<string, unknown>): Promise<T> {
    const result = await client.callTool({ name, arguments: args });
    const [first] = result.content;
    if (result.isError) throw new Error(first?.type === 'text' ? first.text : 'no reason given');
    return result.structuredContent as T;
}

/** Returns all lines of a large result, each an array of the row's values. */
async function readWhole(uri: string, blocks: number): Promise<unknown[][]> {
    const texts: string[] = [];
    for (let block = 0; block < blocks; block++) {
        const { contents } = await client.readResource({ uri: `${uri}?block=${block}` });
        for (const part of contents) if ('text' in part) texts.push(part.text);
    }
    const lines = texts.join('').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line));
}

await client.connect(new StreamableHTTPClientTransport(url));

const schema = await call<{ primary_key: string[] }>('get_table_schema', { table: 'events' });
console.log(`events of PostgreSQL: primary key ${schema.primary_key.join(', ')}`);

const count = 'SELECT kind, count(*) AS events FROM events GROUP BY kind ORDER BY kind';
const [inPostgres, inSpark] = await Promise.all([
    call<Rows>('execute_query', { sql: count }),
    call<Rows>('execute_spark_sql', { sql: count }),
]);
console.log('PostgreSQL', inPostgres.rows, 'Spark', inSpark.rows);

const large = await call<Rows>('execute_query', {
    sql: 'SELECT event_id, kind FROM events ORDER BY event_id LIMIT $1',
    parameters: [50_000],
    use_block_transport: true,
});
const whole = await readWhole(large.result!.uri, large.result!.blocks);
console.log(`${whole.length} rows in ${large.result!.blocks} blocks`);

await client.close();
