// Serves the API for a check: `cargo local` on a free port, with a database of its own in memory.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

async function freePort() {
  const socket = createServer().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

// Serves the API until `stop` is called. Returns its address; the file in `folder` with the functions' variables; and
// `until`, which resolves with the result of a function on the printed lines so far, as soon as there is one.
// `target/debug/local` must have been built.
export async function serve(folder) {
  const port = await freePort();
  const environment = join(folder, 'environment');
  const local = spawn('target/debug/local',
    ['--in-memory', '--database-port', '0', '--port', port, '--env-file', environment],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = [];
  const waiting = new Set();
  createInterface({ input: local.stdout }).on('line', (line) => {
    console.log(line);
    output.push(line);
    waiting.forEach((check) => check());
  });
  const until = (find) => new Promise((found, failed) => {
    const check = () => {
      const result = find(output);
      if (result !== undefined) {
        waiting.delete(check);
        clearTimeout(timer);
        found(result);
      }
    };
    const timer = setTimeout(() => failed(new Error(`cargo local did not print: ${find}`)), 600_000);
    local.once('exit', () => failed(new Error('cargo local ended')));
    waiting.add(check);
    check();
  });
  const stop = async () => {
    local.kill('SIGINT');
    await (local.exitCode === null ? once(local, 'exit') : undefined);
  };
  try {
    await until((lines) => lines.find((line) => line.includes('is ready at')));
  } catch (error) {
    await stop();
    throw error;
  }
  return { address: `http://127.0.0.1:${port}`, environment, until, stop };
}
