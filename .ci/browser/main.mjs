// Checks in a real browser what pages can do on a machine where `cargo local` runs. A page of another origin can use the API
// only as the CORS rules of template.yaml allow, and cannot use the database. The page about the API works; see docs.mjs.
// Usage: node main.mjs BROWSER
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve } from '../local_api.mjs';
import { docs } from './docs.mjs';
import { launch } from './tools.mjs';

const folder = mkdtempSync(join(tmpdir(), 'movie-bag-browser-'));

// A request to the database with the headers that the AWS SDK sends.
const call = (operation, body) => ({
  method: 'POST',
  headers: {
    'content-type': 'application/x-amz-json-1.0',
    'x-amz-target': `DynamoDB_20120810.${operation}`,
    'x-amz-date': '20260701T000000Z',
    authorization: 'AWS4-HMAC-SHA256 Credential=local/20260701/eu-west-1/dynamodb/aws4_request, ' +
      'SignedHeaders=host;x-amz-date;x-amz-target, Signature=0',
  },
  body: JSON.stringify(body),
});
const put = call('PutItem', { TableName: 'MoviesTable', Item: { pk: { S: 'a page was here' } } });
const count = call('Scan', { TableName: 'MoviesTable', Select: 'COUNT' });

// Runs in the page. Returns the response, or the error that `fetch` throws.
const ask = ({ url, options }) => fetch(url, options).then(
  async (response) => ({
    type: response.type,
    status: response.status,
    body: await response.text(),
    headers: Object.fromEntries(response.headers),
  }),
  (error) => ({ refused: error.name }));

async function api(page, address) {
  const send = (path, options) => page.evaluate(ask, { url: address + path, options });
  const json = { 'content-type': 'application/json' };
  const post = (path, body, headers = {}) =>
    send(path, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) });

  const list = await send('/api/movies');
  assert.deepEqual([list.type, list.status, list.body], ['cors', 200, '[]']);
  const account = { email: 'ann@example.com', password: 'a bag full of films' };
  assert.equal((await post('/api/auth/signup', account)).status, 200);
  const { token } = JSON.parse((await post('/api/auth/login', account)).body);
  const authorization = `Bearer ${token}`;
  const movie = { name: 'Alien', casts: ['Sigourney Weaver'], genres: ['Horror'] };
  const created = await post('/api/movies', movie, { authorization });
  assert.equal(created.status, 200);
  assert.match(created.headers.location, /^\/api\/movies\//, 'an exposed header is readable');
  assert.equal(created.headers['x-content-type-options'], undefined, 'any other header is not');
  const change = { method: 'PUT', headers: { ...json, authorization }, body: '{"name": "Aliens"}' };
  const changed = await send(created.headers.location, change);
  assert.deepEqual([changed.status, JSON.parse(changed.body).name], [200, 'Aliens']);

  const { etag } = changed.headers;
  const read = await send(created.headers.location, { headers: { 'if-none-match': etag }, cache: 'no-store' });
  assert.deepEqual([read.status, read.body], [304, ''], 'a page can ask whether a movie has changed');
  const conditional = { ...change, headers: { ...change.headers, 'if-match': created.headers.etag } };
  const stale = await send(created.headers.location, conditional);
  assert.deepEqual([stale.status, JSON.parse(stale.body).code], [412, 'precondition_failed']);
  // The browser revalidates what it has stored, by itself: the page sees a 200.
  for (const expected of ['Aliens', 'Aliens']) {
    const stored = await send(created.headers.location);
    assert.deepEqual([stored.status, JSON.parse(stored.body).name], [200, expected]);
  }

  const refused = { refused: 'TypeError' };
  assert.deepEqual(await send(created.headers.location, { ...change, method: 'PATCH' }), refused);
  assert.deepEqual(await send('/api/movies', { headers: { 'x-amz-target': 'x' } }), refused);
  assert.deepEqual(await send('/api/movies', { credentials: 'include' }), refused);
}

async function database(page, address) {
  const items = async () => {
    const response = await fetch(address, count);
    assert.equal(response.status, 200);
    return (await response.json()).Count;
  };
  // The requests below succeed when a program sends them.
  assert.equal((await fetch(address, put)).status, 200);
  const before = await items();
  const wipe = call('DeleteTable', { TableName: 'MoviesTable' });
  const statuses = [];
  page.on('response', (response) => response.url().startsWith(address) && statuses.push(response.status()));

  for (const options of [put, wipe, count, {}]) {
    assert.deepEqual(await page.evaluate(ask, { url: address, options }), { refused: 'TypeError' });
  }
  // The second is sent without an `Origin`, as the request for an image is.
  for (const options of [{ method: 'POST', mode: 'no-cors', body: put.body }, { mode: 'no-cors' }]) {
    assert.equal((await page.evaluate(ask, { url: address, options })).type, 'opaque');
  }

  // DNS rebinding: the name of the page now resolves to this machine.
  const rebound = address.replace('127.0.0.1', 'evil.example');
  assert.equal((await page.goto(rebound)).status(), 403);
  for (const options of [put, wipe, count]) {
    assert.equal((await page.evaluate(ask, { url: rebound, options })).status, 403);
  }
  assert.ok(statuses.length > 0 && statuses.every((status) => status === 403), `statuses of the database: ${statuses}`);
  assert.equal(await items(), before, 'no item has changed');
}

const site = createServer((_, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>A page of another origin</title>');
}).listen(0, '127.0.0.1');
await once(site, 'listening');
let local, browser;
try {
  local = await serve(folder);
  browser = await launch(process.argv[2], join(folder, 'profile'));
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await api(page, local.address);
  await database(page, /^AWS_ENDPOINT_URL_DYNAMODB=(.*)$/m.exec(readFileSync(local.environment, 'utf8'))[1]);
  await docs(browser, local.address);
  console.log(`browser: a page can use the API as allowed, and cannot use the database (${browser.browser()?.version()})`);
} finally {
  await browser?.close();
  site.close();
  await local?.stop();
  rmSync(folder, { recursive: true, force: true });
}
