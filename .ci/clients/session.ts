// Plays the session of docs/TUTORIAL.md with the TypeScript types that docs/CLIENTS.md generates.
//
// run.py sets the environment variables API to the address of the API, and OUTPUT to a file with the output of
// `cargo local`. tsc checks this file, so it compiles only if the generated types have the members that it reads.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import createClient from 'openapi-fetch';
import type { components, paths } from './movie-bag.js';

type Movie = components['schemas']['Movie'];

const ANN = 'typescript-ann@clients.example';
const BOB = 'typescript-bob@clients.example';
const api = createClient<paths>({ baseUrl: process.env['API']! });

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const movieId = (id: string) => ({ params: { path: { id } } });

async function until<T>(what: string, find: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 60_000; Date.now() < end; await setTimeout(50)) {
    const found = await find();
    if (found !== undefined) return found;
  }
  throw new Error(`${what}: waited for a minute`);
}

async function logIn(email: string, password: string) {
  const { data } = await api.POST('/api/auth/login', { body: { email, password } });
  assert(data && data.token_type === 'Bearer' && data.expires_in === 7 * 24 * 60 * 60);
  return bearer(data.token);
}

async function listed(query: { added_by: string; name_prefix?: string }) {
  const { data } = await api.GET('/api/movies', { params: { query } });
  assert(data);
  return data.map((movie) => movie.name);
}

// Sign up and log in.
const signup = await api.POST('/api/auth/signup', { body: { email: ANN, password: 'a bag full of films' } });
assert(signup.data);
const user = signup.data.id;
const takenEmail = await api.POST('/api/auth/signup', { body: { email: ANN, password: 'a bag full of films' } });
assert(takenEmail.error?.code === 'email_taken');
assert.equal(takenEmail.error.status satisfies 409, 409);
let ann = await logIn(ANN, 'a bag full of films');

// Add a movie and read it without a token.
const body = { name: 'The Shawshank Redemption', casts: ['Tim Robbins', 'Morgan Freeman'], genres: ['Drama'] };
const added = await api.POST('/api/movies', { ...ann, body });
assert(added.data);
const movie: Movie = added.data;
assert.deepEqual([movie.name, movie.added_by, movie.created_at], [body.name, user, movie.updated_at]);
assert.equal(added.response.headers.get('location'), `/api/movies/${movie.id}`);
assert.deepEqual((await api.GET('/api/movies/{id}', movieId(movie.id))).data, movie);
assert.deepEqual((await api.GET('/api/movies')).data, [movie]);

// Change it, but only as it was last seen.
const changed = await api.PUT('/api/movies/{id}',
  { ...ann, ...movieId(movie.id), body: { genres: ['Drama', 'Crime'] } });
assert.deepEqual(changed.data?.genres, ['Drama', 'Crime']);
const tag = changed.response.headers.get('etag')!;
const unchanged = await api.GET('/api/movies/{id}',
  { params: { path: { id: movie.id }, header: { 'if-none-match': tag } } });
assert.equal(unchanged.response.status, 304);
const recast = {
  ...ann,
  params: { path: { id: movie.id }, header: { 'if-match': tag } },
  body: { casts: ['Tim Robbins', 'Morgan Freeman', 'Bob Gunton'] },
};
assert.equal((await api.PUT('/api/movies/{id}', recast)).data?.casts.length, 3);
assert((await api.PUT('/api/movies/{id}', recast)).error?.code === 'precondition_failed');

// Handle errors.
const takenName = await api.POST('/api/movies', { ...ann, body: { ...body, name: 'the  shawshank redemption' } });
assert(takenName.error?.code === 'movie_name_taken');
assert.equal(takenName.error.movie_id, movie.id);
const faulty = await api.POST('/api/movies', { ...ann, body: { name: '', casts: ['Al Pacino'], genres: [] } });
assert(faulty.error?.code === 'validation_failed');
assert.deepEqual(faulty.error.errors.map(({ field }) => field), ['name', 'genres']);
assert(faulty.error.errors.every(({ message }) => message.length > 0));
assert((await api.DELETE('/api/movies/{id}', movieId(movie.id))).error?.code === 'missing_token');

// Only the owner can change a movie.
assert((await api.POST('/api/auth/signup', { body: { email: BOB, password: 'popcorn and a soda' } })).data);
const bob = await logIn(BOB, 'popcorn and a soda');
const refused = await api.DELETE('/api/movies/{id}', { ...bob, ...movieId(movie.id) });
assert(refused.error?.code === 'not_owner');
assert(refused.error.request_id.length > 0);
const alien = await api.POST('/api/movies',
  { ...bob, body: { name: 'Alien', casts: ['Sigourney Weaver'], genres: ['Science Fiction'] } });
assert(alien.data);

// Page through the list, and find movies.
const page = await api.GET('/api/movies', { params: { query: { limit: 1 } } });
assert.deepEqual(page.data, [alien.data]);
const next = /^<(.*)>/.exec(page.response.headers.get('link')!)![1]!;
const cursor = new URL(next, 'http://localhost').searchParams.get('cursor')!;
const rest = await api.GET('/api/movies', { params: { query: { limit: 1, cursor } } });
assert.deepEqual(rest.data?.map(({ id }) => id), [movie.id]);
assert.equal(rest.response.headers.get('link'), null);
const madeUp = await api.GET('/api/movies', { params: { query: { cursor: 'made_up' } } });
assert(madeUp.error?.code === 'invalid_cursor');
assert.deepEqual(await listed({ added_by: user }), [movie.name]);
assert.deepEqual(await listed({ added_by: user, name_prefix: 'the  SHAW' }), [movie.name]);
assert.deepEqual(await listed({ added_by: user, name_prefix: 'a' }), []);

// Delete a movie.
assert.deepEqual((await api.DELETE('/api/movies/{id}', { ...ann, ...movieId(movie.id) })).data, { id: movie.id });
assert((await api.GET('/api/movies/{id}', movieId(movie.id))).error?.code === 'movie_not_found');

// Reset a lost password.
assert.equal((await api.POST('/api/auth/forgot', { body: { email: ANN } })).response.status, 202);
const mail = new RegExp(`^Mail to ${ANN}: .*\\n  ([\\w-]{43})$`, 'm');
const reset_token = await until('a mail', async () => mail.exec(readFileSync(process.env['OUTPUT']!, 'utf8'))?.[1]);
const reset = { body: { reset_token, password: 'another bag of films' } };
assert.deepEqual((await api.POST('/api/auth/reset', reset)).data, {});
assert((await api.POST('/api/auth/reset', reset)).error?.code === 'invalid_reset_token');
assert((await api.GET('/api/auth/account', ann)).error?.code === 'invalid_token');

// Change the password and log out.
ann = await logIn(ANN, 'another bag of films');
const guess = { current_password: 'not her password', new_password: 'a third bag of films' };
assert((await api.PUT('/api/auth/password', { ...ann, body: guess })).error?.code === 'invalid_credentials');
const change = { current_password: 'another bag of films', new_password: 'a third bag of films' };
const session = await api.PUT('/api/auth/password', { ...ann, body: change });
assert(session.data);
assert.deepEqual((await api.POST('/api/auth/logout', bearer(session.data.token))).data, {});

// Delete the account.
ann = await logIn(ANN, 'a third bag of films');
const heat = { name: 'Heat', casts: ['Al Pacino', 'Robert De Niro'], genres: ['Crime'] };
assert((await api.POST('/api/movies', { ...ann, body: heat })).data);
const { data: account } = await api.GET('/api/auth/account', ann);
assert(account && account.email === ANN && account.movie_count === 1 && account.movie_limit === 1000);
assert.deepEqual((await api.DELETE('/api/auth/account', ann)).data, { id: user });
const unknown = await api.POST('/api/auth/login', { body: { email: ANN, password: 'a third bag of films' } });
assert(unknown.error?.code === 'invalid_credentials');
await until('the end of the account', async () => (await listed({ added_by: user })).length === 0 || undefined);
assert((await api.DELETE('/api/movies/{id}', { ...bob, ...movieId(alien.data.id) })).data);
console.log('the TypeScript client has played the session');
