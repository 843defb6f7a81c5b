// Checks in a real browser that people can use the page about the API: with a mouse, with the keyboard and on a phone.
// The page must cause no error, break no policy and contact no other host.
// Usage: node docs.mjs BROWSER ADDRESS, for an API that is served at ADDRESS, such as http://127.0.0.1:9000
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launch } from './tools.mjs';

const PASSWORD = 'a bag full of films';

// Opens the page in a new tab, and waits until it shows the operations. Records what must not happen.
async function open(context, address, size = { width: 1280, height: 900 }) {
  const page = await context.newPage();
  await page.setViewportSize(size);
  const problems = [];
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(message.text()));
  page.on('requestfailed', (request) => problems.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== address && protocol !== 'data:') problems.push(`another host: ${request.url()}`);
  });
  const response = await page.goto(`${address}/api/docs`);
  assert.equal(response.status(), 200);
  await page.locator('.opblock').first().waitFor();
  return { page, problems };
}

const operation = (page, id) => page.locator(`.opblock[id$="-${id}"]`);

// Waits until an element has been there for a second. When Swagger UI has read the schemas of an operation that was just
// opened, it replaces the elements, and a key that is pressed at that moment reaches none of them.
const rendered = (page, selector) => page.waitForFunction((selector) => {
  const element = document.querySelector(selector);
  if (element !== window.latest?.element) window.latest = { element, since: performance.now() };
  return element && performance.now() - window.latest.since > 1000;
}, selector);

// Sends a request from the page, and returns the status and the body that the page then shows.
async function execute(page, id, body) {
  const block = operation(page, id);
  if (!(await block.locator('.execute').isVisible())) {
    await block.locator('.opblock-summary-control').click();
    await rendered(page, `.opblock[id$="-${id}"] .execute`);
  }
  if (body) await block.locator('textarea.body-param__text').fill(JSON.stringify(body));
  // The examples of parameters would find other movies.
  for (const field of await block.locator('.parameters input').all()) await field.fill('');
  await block.locator('.execute').click();
  return shown(block);
}

async function shown(block) {
  const response = block.locator('.live-responses-table .response');
  await response.waitFor();
  const status = await response.locator('.response-col_status').innerText();
  const text = await response.locator('.response-col_description pre.microlight').first().innerText();
  return { status, text, block };
}

// A person signs up, logs in, sets the token, creates a movie, lists it, and sees what an error means.
async function story(context, address) {
  const { page, problems } = await open(context, address);
  assert.equal(await page.title(), 'Movie bag API');
  // From within the page, because Node.js does not resolve every name that the browser does.
  const contract = await page.evaluate(async () => (await fetch('openapi.json')).json());
  const ids = Object.values(contract.paths).flatMap((path) => Object.values(path).map((each) => each.operationId));
  const expected = ids.filter(Boolean);
  assert.equal(await page.locator('.opblock').count(), expected.length, 'the page shows every operation');

  const email = `ann-${randomUUID()}@example.com`;
  assert.equal((await execute(page, 'signup', { email, password: PASSWORD })).status, '200');
  const login = await execute(page, 'login', { email, password: PASSWORD });
  assert.equal(login.status, '200');
  const { token } = JSON.parse(login.text);

  const name = `Film ${randomUUID()}`;
  const movie = { name, casts: ['Tilda Swinton'], genres: ['Drama'] };
  const anonymous = await execute(page, 'create-movie', movie);
  assert.equal(anonymous.status, '401');
  assert.match(anonymous.text, /missing_token/);
  await page.locator('.scheme-container .authorize, .auth-wrapper .authorize').first().click();
  const dialog = page.locator('.dialog-ux .modal-ux');
  await dialog.locator('input').fill(token);
  await dialog.getByRole('button', { name: 'Apply credentials' }).or(dialog.locator('button.authorize')).first().click();
  await dialog.locator('.btn-done').click();

  await operation(page, 'create-movie').locator('.btn-clear').click();
  const created = await execute(page, 'create-movie', movie);
  assert.equal(created.status, '200', created.text);
  const { id } = JSON.parse(created.text);
  await until(async () => {
    const found = await execute(page, 'list-movies');
    return found.status === '200' && found.text.includes(id);
  }, 'the list contains the movie');

  await operation(page, 'create-movie').locator('.btn-clear').click();
  const taken = await execute(page, 'create-movie', movie);
  assert.equal(taken.status, '409');
  assert.match(taken.text, /movie_name_taken/);
  assert.equal(await taken.block.locator('.response-undocumented').count(), 0, 'the description has this status');
  const meaning = taken.block.locator('.responses-table:not(.live-responses-table) .response[data-code="409"]');
  assert.match(await meaning.innerText(), /\w+ \w+/, 'the page says what the status means');

  // The browser itself reports each error of the API.
  const own = problems.filter((problem) => !/^Failed to load resource:.* status of (401|409)/.test(problem));
  assert.deepEqual(own, []);
  assert.equal(problems.length, 2, 'the two errors above are all');
  const stored = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
  assert.deepEqual(stored, [0, 0, ''], 'the token is stored nowhere');
  await page.close();
}

async function until(condition, message) {
  const end = Date.now() + 30_000;
  while (!(await condition())) assert.ok(Date.now() < end, message);
}

// A person without a mouse gets to an operation, opens it and sends a request. The focus is always visible.
async function keyboard(context, address) {
  const { page, problems } = await open(context, address);
  const focus = () => page.evaluate(() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const { width, height, left } = element.getBoundingClientRect();
    return {
      label: element.getAttribute('aria-label') ?? element.textContent.trim(),
      id: element.id,
      operation: element.closest('.opblock')?.id ?? '',
      type: element.className,
      isVisible: width > 0 && height > 0 && left >= 0 &&
        (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0),
    };
  });
  const tabTo = async (wanted, most) => {
    for (let stops = 1; stops <= most; stops += 1) {
      await page.keyboard.press('Tab');
      const focused = await focus();
      assert.ok(focused.isVisible, `the focus is visible: ${JSON.stringify(focused)}`);
      if (wanted(focused)) return focused;
    }
    throw new assert.AssertionError({ message: `not reached with ${most} tabs: ${wanted}` });
  };
  assert.equal((await tabTo(() => true, 1)).id, 'skip', 'the first stop skips to the operations');
  await page.keyboard.press('Enter');
  await tabTo(({ operation: id, type }) => id.endsWith('-list-movies') && type.includes('summary-control'), 60);
  await page.keyboard.press('Enter');
  await rendered(page, '.opblock[id$="-list-movies"] .execute');
  await tabTo(({ operation: id, type }) => id.endsWith('-list-movies') && type.includes('execute'), 20);
  await page.keyboard.press('Enter');
  assert.equal((await shown(operation(page, 'list-movies'))).status, '200');
  assert.deepEqual(problems, []);
  await page.close();
}

// On a phone, nothing is wider than the screen.
async function phone(context, address) {
  const { page, problems } = await open(context, address, { width: 375, height: 800 });
  const fits = async (what) => {
    const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= screen, `${what} is ${content} pixels wide`);
  };
  await fits('the page');
  for (const block of await page.locator('.opblock').all()) {
    await block.locator('.opblock-summary-control').click();
    await block.locator('.responses-table').first().waitFor();
    await fits(await block.getAttribute('id'));
  }
  await execute(page, 'list-movies');
  await fits('a response');
  await page.locator('.authorize').first().click();
  await page.locator('.dialog-ux .modal-ux').waitFor();
  await fits('the dialog');
  assert.deepEqual(problems, []);
  await page.close();
}

// The browser enforces the policy: whatever gets into the page can run no code and tell no other host.
async function policy(context, address) {
  const { page } = await open(context, address);
  // Another origin, which would respond: the browser finds evil.example on this machine. Its page frames the page.
  let requests = 0;
  const other = createServer((request, response) => {
    requests += 1;
    response.setHeader('content-type', 'text/html').end(`<iframe src="${address}/api/docs"></iframe>`);
  }).listen(0, '127.0.0.1');
  await once(other, 'listening');
  const foreign = `http://evil.example:${other.address().port}/`;
  const allowed = await page.evaluate(async (foreign) => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.head.append(script);
    const style = document.createElement('style');
    style.textContent = 'body { opacity: 0.5 }';
    document.head.append(style);
    const sent = await fetch(foreign, { mode: 'no-cors' }).then(() => true, () => false);
    return { script: window.ran ?? false, style: getComputedStyle(document.body).opacity !== '1', sent };
  }, foreign);
  assert.deepEqual(allowed, { script: false, style: false, sent: false });
  assert.equal(requests, 0, 'the page has contacted another origin');
  await page.close();

  const framing = await context.newPage();
  await framing.goto(foreign);
  assert.notEqual(requests, 0, 'the other origin responds');
  const [, frame] = framing.frames();
  assert.ok(frame, 'there is a frame');
  assert.equal(await frame.locator('main').count(), 0, 'another page frames this one');
  await framing.close();
  other.close();
  other.closeAllConnections();
}

export async function docs(context, address) {
  await story(context, address);
  await keyboard(context, address);
  await phone(context, address);
  await policy(context, address);
  console.log('browser: people can use the page about the API with mouse, keyboard and phone');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const profile = mkdtempSync(join(tmpdir(), 'movie-bag-docs-'));
  const context = await launch(process.argv[2], profile);
  try {
    await docs(context, process.argv[3]);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}
