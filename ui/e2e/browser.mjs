// What the page's browser tests share.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

export const SHOTS = process.env.ANTEROOM_SHOTS ? new URL('./shots/', import.meta.url).pathname : null;
export const SIZES = { narrow: { width: 360, height: 740 }, middle: { width: 820, height: 1100 }, wide: { width: 1440, height: 900 } };

/** How long anything may take before it counts as not happening: a busy machine is slow, and no step measures time. */
const PATIENCE_MS = 20_000;

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
  context.setDefaultTimeout(PATIENCE_MS);
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** Asks again until `holds` gives true; else fails with what it gave last. What a page shows, it shows a frame or an event
 * after its cause. */
export async function eventually(what, holds, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const last = await holds();
    if (last === true) return;
    if (Date.now() >= end) assert.fail(`${what}: ${typeof last === 'string' ? last : JSON.stringify(last)}`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

/** Waits until `look` gives `wanted`. */
export const becomes = (what, look, wanted) =>
  eventually(what, async () => {
    const now = await look();
    return isDeepStrictEqual(now, wanted) || `${JSON.stringify(now)} instead of ${JSON.stringify(wanted)}`;
  });

/** Waits until it has the focus. */
export const focused = (what, locator) => becomes(what, () => locator.evaluate((e) => e === document.activeElement), true);

/** Waits until there is none of it to be seen. */
export const gone = (locator) => becomes(`${locator}`, () => locator.count(), 0);

/** Goes through the steps that are `wanted` until one fails; `complaints` gives what browsers said against each, `failed` has
 * whatever helps to understand, and `stop` ends it all. */
export async function walk(steps, { wanted = () => true, complaints, failed, stop }) {
  process.exitCode = 1;
  if (SHOTS) await mkdir(SHOTS, { recursive: true });
  try {
    for (const [n, [name, step]] of Object.entries(steps).entries()) {
      if (!wanted(name, n)) continue;
      try {
        await step();
        assert.deepEqual(complaints(), [], 'the browser complained');
        console.log(`ok   ${name}`);
      } catch (e) {
        console.log(`FAIL ${name}\n${e.stack ?? e}\n${complaints().join('\n')}\n${(await failed()) ?? ''}`);
        return;
      }
    }
    process.exitCode = 0;
  } finally {
    await stop();
  }
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

/** Nothing sticks out to the side. */
export const fits = (page, what) =>
  eventually(
    what,
    async () => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      return wide <= 0 || `${wide} px too wide`;
    },
    3_000,
  );

/** Gives a check: without sideways scrolling and accessible, in both colour schemes and all sizes; or accessible in those of
 * `thorough` alone, for pages of many states. */
export const looks = (page, thorough = null) => async (name) => {
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      await page.waitForTimeout(50);
      if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}-${size}-${scheme}.png`) });
      await fits(page, `${name} at ${size}`);
      if (thorough !== null && !thorough.includes(`${size}-${scheme}`)) continue;
      // The bar at the foot covers what is scrolled under it; at the end of the page it covers nothing.
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      // A look in mid-change (colours fade, a card goes) is no look; what is wrong stays so.
      await eventually(
        `${name} ${size} ${scheme}`,
        async () => {
          const { violations } = await new AxeBuilder({ page })
            .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
            .analyze();
          return violations.length === 0 || violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
        },
        3_000,
      );
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(SIZES.wide);
};
