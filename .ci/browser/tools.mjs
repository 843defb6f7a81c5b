// What the checks in a browser share.
import { createRequire } from 'node:module';

const { chromium } = createRequire(new URL('../../target/ci/browser/', import.meta.url))('playwright-core');

// Starts the browser with this executable. It contacts nothing by itself, and finds `evil.example` on this machine.
export const launch = (executablePath, profile) =>
  chromium.launchPersistentContext(profile, {
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP evil.example 127.0.0.1'],
  });
