// What the page's browser tests share.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

export const SHOTS = process.env.ANTEROOM_SHOTS ? new URL('./shots/', import.meta.url).pathname : null;
export const SIZES = { narrow: { width: 360, height: 740 }, middle: { width: 820, height: 1100 }, wide: { width: 1440, height: 900 } };

/** A server that is built already may hold an older page: the one of ui/dist is laid over it. */
const laidOver = process.env.ANTEROOM_E2E_SERVER !== undefined;

/** A browser of its own, with its own profile. */
export async function launch(args = []) {
  const profile = await mkdtemp(join(tmpdir(), 'anteroom-e2e-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    locale: 'en-GB',
    viewport: SIZES.wide,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // A page laid over has no address; Chromium would not let it reach this machine.
      ...(laidOver ? ['--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets'] : []),
      ...args,
    ],
  });
  context.setDefaultTimeout(10_000);
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** What the browser complains about: script errors and breaches of the content security policy. */
export function watch(page) {
  const complaints = [];
  page.on('pageerror', (e) => complaints.push(`${e}`));
  page.on('console', (m) => {
    // A refused or cut connection is part of what is tested here.
    if (m.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(m.text())) complaints.push(m.text());
  });
  return complaints;
}

export async function layOver(page) {
  if (!laidOver) return;
  const types = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', woff2: 'font/woff2' };
  await page.route(/^http:\/\/[^/]+\/(handset|assets\/[^/]+)?$/, async (route) => {
    const path = new URL(route.request().url()).pathname.slice(1);
    const file = path === '' || path === 'handset' ? 'index.html' : path;
    // The headers are the server's, above all its content security policy.
    const response = await route.fetch({ url: new URL('/', route.request().url()).href });
    const body = await readFile(new URL(`../dist/${file}`, import.meta.url));
    const headers = { ...response.headers(), 'content-type': types[file.split('.').pop()], 'content-length': `${body.length}` };
    await route.fulfill({ status: 200, headers, body });
  });
}

/** Gives a check: without sideways scrolling and accessible, in both colour schemes and all sizes; or accessible in those of
 * `thorough` alone, for pages of many states. */
export const looks = (page, thorough = null) => async (name) => {
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      await page.waitForTimeout(50);
      if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}-${size}-${scheme}.png`) });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${name}: ${wide} px too wide at ${size}`);
      if (thorough !== null && !thorough.includes(`${size}-${scheme}`)) continue;
      // The bar at the foot covers what is scrolled under it; at the end of the page it covers nothing.
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      const { violations } = await new AxeBuilder({ page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
        .analyze();
      const told = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
      assert.deepEqual(told, [], `${name} ${size} ${scheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(SIZES.wide);
};
