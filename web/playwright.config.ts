/** The page in a real browser against the real binary. `CHROMIUM` names the browser; none is ever downloaded. */

import { defineConfig } from '@playwright/test'

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  reporter: 'list',
  // Each test has a manager with its workers, which take all cores of a small machine.
  workers: 1,
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  projects: [
    // `npm run e2e`: what must hold.
    { name: 'promises', testMatch: '*.spec.ts' },
    // `npm run figures`: how long it takes.
    { name: 'figures', testMatch: '*.figures.ts' },
    // `npm run screens`: what it looks like, for the documentation.
    { name: 'screens', testMatch: '*.screens.ts' },
  ],
  use: {
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        // Root in a container has no sandbox; the only pages opened are our own.
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
})
