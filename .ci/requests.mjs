// Sends the requests of docs/movie-bag.http to `cargo local` on an empty database, in their order, and checks that each
// response has the status and the error code at the end of the request's title.
//
// httpyac parses and sends the requests. It has no references such as `login.response.body.$.token`, so this script
// passes it the responses in that form. It also inserts the address of the API and, like a person, the token of a mail.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { serve } from './local_api.mjs';

const { cli, send, store } = createRequire(new URL('../target/ci/requests/', import.meta.url))('httpyac');
const FILE = 'docs/movie-bag.http';
const TITLE = /^(.+) \((\d{3})(?: ([a-z_]+))?\)$/;
const folder = mkdtempSync(join(tmpdir(), 'movie-bag-requests-'));

// Returns the text with the value of a variable replaced.
function withVariable(text, name, value) {
  const definition = new RegExp(`^@${name} = .*$`, 'gm');
  assert.equal(text.match(definition)?.length, 1, `${FILE} does not define @${name} once`);
  return text.replace(definition, () => `@${name} = ${value}`);
}

// Returns the requests of a text, as httpyac parses them.
async function parse(text) {
  parse.version = (parse.version ?? 0) + 1;
  const files = new store.HttpFileStore();
  return files.getOrCreate(resolve(FILE), async () => text, parse.version, { workingDir: resolve('.') });
}

// Sends one request and returns its response. Fails if a part of it cannot be evaluated.
async function respond(httpFile, httpRegion, variables) {
  let response;
  await send({ httpFile, httpRegion, variables, logResponse: (received) => { response = received; } });
  const errors = httpRegion.testResults?.filter((result) => result.status !== 'SUCCESS') ?? [];
  assert.deepEqual(errors.map((error) => error.message), []);
  assert.ok(response, 'no response');
  return response;
}

const { address, until, stop } = await serve(folder);
try {
  cli.initIOProvider();
  cli.initFileProvider();
  let text = withVariable(readFileSync(FILE, 'utf8'), 'api', `${address}/api`);
  let file = await parse(text);
  const variables = {};
  let sent = 0;
  for (let index = 0; index < file.httpRegions.length; index += 1) {
    if (/^@reset_token = /m.test(file.httpRegions[index].symbol.source)) {
      const token = await until((lines) => lines.map((line) => /(?:^|\s)([\w-]{43})$/.exec(line)?.[1]).find(Boolean));
      text = withVariable(text, 'reset_token', token);
      file = await parse(text);
    }
    const region = file.httpRegions[index];
    if (!region.request) {
      continue;
    }
    const { title, name } = region.metaData;
    // Otherwise, httpyac makes a variable of this name, with a value of another form.
    delete region.metaData.name;
    const [, , status, code] = TITLE.exec(title) ?? assert.fail(`${title}: the title has no status`);
    const response = await respond(file, region, variables);
    const body = response.body ? JSON.parse(response.body) : {};
    assert.deepEqual([response.statusCode, body.code], [Number(status), code], `${title}: ${response.body}`);
    if (name) {
      variables[name] = { response: { body: { $: body }, headers: response.headers } };
    }
    console.log(`ok ${title}`);
    sent += 1;
  }
  assert.ok(sent >= 30, `only ${sent} requests were found`);
  console.log(`requests: the responses to all ${sent} have the status in ${FILE}`);
} finally {
  await stop();
  rmSync(folder, { recursive: true });
}
