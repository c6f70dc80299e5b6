// Sends POSTs over one HTTP/2 connection, all at once, and prints their answers in order as one
// line of JSON.
//
//     node http2_post.mjs PORT < requests.json
//
// A request is {"headers": [[name, value], …], "body": "… in Base64",
// "trailers": {…}?}; an answer {"status": 200, "headers": {…}, "body": "…"}.

import { connect } from 'node:http2';
import { text } from 'node:stream/consumers';

const [port] = process.argv.slice(2);
const session = connect(`http://127.0.0.1:${port}`);

function collected(pairs) {
    const headers = { ':method': 'POST' };
    for (const [name, value] of pairs) {
        const repeated = name in headers && !name.startsWith(':');
        headers[name] = repeated ? [headers[name], value].flat() : value;
    }
    return headers;
}

function post({ headers, body, trailers }) {
    return new Promise((resolve, reject) => {
        const options = { waitForTrailers: trailers !== undefined };
        const stream = session.request(collected(headers), options);
        stream.on('wantTrailers', () => stream.sendTrailers(trailers));
        stream.on('error', reject);
        stream.on('response', async (answer) => {
            const { ':status': status, ...rest } = answer;
            resolve({ status, headers: rest, body: await text(stream) });
        });
        stream.end(Buffer.from(body, 'base64'));
    });
}

const answers = await Promise.allSettled(JSON.parse(await text(process.stdin)).map(post));
session.close();
console.log(JSON.stringify(answers.map((one) => one.value ?? { error: one.reason.message })));
