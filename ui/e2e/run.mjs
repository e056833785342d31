// The page in a real browser against the real server with scripted calls. `ANTEROOM_SHOTS=1` keeps pictures in e2e/shots.
// `ANTEROOM_E2E_SERVER=program` takes a server that is built already and lays the page of ui/dist over its own, for quick
// turns while working on the page.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { SHOTS, SIZES, becomes, eventually, focused, gone, launch, layOver, looks, walk, watch } from './browser.mjs';
import { program, start } from './server.mjs';

const server = await start(program());
const { context, close } = await launch();
const page = await context.newPage();
const complaints = watch(page);

/** Live streams that go through the test, so that it can cut them. */
const streams = [];
const received = [];
let offline = false;
await page.routeWebSocket(/\/api\/v1\/events/, (ws) => {
  if (offline) {
    void ws.close({ code: 1012 });
    return;
  }
  const upstream = ws.connectToServer();
  upstream.onMessage((m) => {
    received.push(JSON.parse(m).message);
    ws.send(m);
  });
  streams.push(ws);
});
await page.route('**/api/v1/session', (route) => (offline ? route.abort() : route.continue()));
await layOver(page);

const shown = (text) => page.getByText(text).filter({ visible: true }).first().waitFor();

const look = looks(page);

const steps = {
  async 'a link signs in and leaves the address bar'() {
    await page.goto(server.link);
    await shown('Nobody is on the line');
    await becomes('the address', () => new URL(page.url()).hash, '');
    await shown('Demonstration model.');
    await look('empty');
  },

  async 'a call shows its words, also the unfinished ones, and what the answer rests on'() {
    server.do('call');
    await shown('When are you open on Friday?');
    await shown('And do you speak…');
    await shown('answered after 0.6 s');
    await becomes('what is announced', () => page.getByRole('status').first().textContent(), 'New call from 01632 960123');
    // On a narrow screen the card is shown only once it is asked for.
    await page.getByRole('region', { name: 'Calls now' }).getByRole('button').click();
    const chip = page.getByRole('button', { name: 'opening-hours, version 3, score 0.94' });
    await chip.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('sample approver').waitFor();
    await dialog.getByText('We are open Monday to Friday').waitFor();
    await look('citation');
    await dialog.getByRole('button', { name: 'weekend-hours, version 1, score 0.41' }).click();
    await dialog.getByText('We are closed at the weekend.').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await focused('the focus goes back to the chip', chip);
  },

  async 'an unknown question becomes a task, advice is declined'() {
    await page.setViewportSize({ width: 1440, height: 480 });
    const log = page.getByRole('log');
    await log.evaluate((e) => (e.scrollTop = e.scrollHeight));
    await page.waitForTimeout(100);
    server.do('more');
    await shown('And do you speak Polish?');
    await gone(page.getByText('And do you speak…'));
    await shown('unsure');
    await shown('Medical advice declined');
    // They are followed in the next frame or so, whatever came last: words, or the decision under them.
    const last = page.getByText('I cannot give medical advice.');
    await eventually('the latest words are in sight', async () => {
      const box = await last.boundingBox();
      return (box !== null && box.y + box.height <= 480) || box;
    });
    await page.setViewportSize(SIZES.wide);
    await page.getByRole('region', { name: /Tasks/ }).getByText('somebody at the clinic speaks Polish').waitFor();
  },

  async 'an urgent call comes first, with a word and a shape'() {
    await look('card');
    server.do('urgent');
    await page.getByRole('status').filter({ hasText: 'Urgent call from 01632 960077' }).waitFor({ state: 'attached' });
    const first = page.getByRole('region', { name: 'Calls now' }).getByRole('button').first();
    await becomes('the urgent call is first', async () => /01632 960077.*Urgent/s.test(await first.textContent()), true);
    await becomes('its sign', () => first.locator('svg').count(), 1);
    await look('urgent');
  },

  async 'everything can be reached with the keyboard'() {
    await page.evaluate(() => document.activeElement?.blur());
    const reached = new Set();
    for (let i = 0; i < 40; i += 1) {
      await page.keyboard.press('Tab');
      reached.add(
        await page.evaluate(() => {
          const e = document.activeElement;
          return e === null ? '' : (e.getAttribute('aria-label') ?? e.textContent ?? '').trim().slice(0, 24);
        }),
      );
    }
    const all = [...reached].join('\n');
    for (const wanted of ['Skip to the calls', 'Sign out', '01632 960123', '01632 960077', 'Conversation', 'Read the call']) {
      assert.ok(all.includes(wanted), `${wanted} is not reached:\n${all}`);
    }
  },

  async 'a narrow screen leads to the call and back'() {
    await page.setViewportSize(SIZES.narrow);
    await page.getByRole('navigation').getByRole('button', { name: /Calls/ }).click();
    await page.getByRole('button', { name: /01632 960123/ }).click();
    await shown('When are you open on Friday?');
    if (SHOTS) await page.screenshot({ path: join(SHOTS, 'card-narrow-light.png') });
    await page.getByRole('button', { name: 'Back to the list' }).click();
    await page.getByRole('navigation').getByRole('button', { name: /Tasks/ }).click();
    await page.getByText('speaks Polish').filter({ visible: true }).waitFor();
    await look('tasks');
    await page.setViewportSize(SIZES.narrow);
    await page.getByRole('navigation').getByRole('button', { name: /Calls/ }).click();
    await page.setViewportSize(SIZES.wide);
  },

  async 'a lost connection is told and taken up again where it was'() {
    offline = true;
    received.length = 0;
    await streams.at(-1).close({ code: 1012 });
    await shown('The connection to the machine is lost.');
    await shown('Not connected');
    await look('lost');
    server.do('end');
    await page.waitForTimeout(300);
    assert.equal(await page.getByText('Call ended').count(), 0);
    offline = false;
    await page.getByRole('button', { name: 'Try now' }).click().catch(() => undefined);
    await shown('Nobody is on the line');
    await gone(page.getByText('The connection to the machine is lost.'));
    assert.equal(received[0], 'resumed');
    assert.ok(received.includes('event') && !received.includes('snapshot'), received.join());
  },

  async 'ended calls can be read, also after a reload from the record'() {
    await page.getByRole('region', { name: 'Recent calls' }).getByRole('button', { name: /01632 960077/ }).click();
    await shown('Call ended: the caller hung up');
    await page.reload();
    await page.getByRole('region', { name: 'Recent calls' }).getByRole('button', { name: /01632 960123/ }).click();
    await shown('When are you open on Friday?');
    await shown('Call ended: the caller hung up');
  },

  async 'a change of state is seen at once'() {
    server.do('off');
    await shown('Not answering: calls go to the desk');
    await gone(page.getByText('Demonstration model.'));
  },

  async 'every language speaks'() {
    for (const [locale, word] of [['de', 'Letzte Anrufe'], ['fr', 'Appels récents'], ['es', 'Llamadas recientes'], ['en', 'Recent calls']]) {
      await page.getByRole('combobox').selectOption(locale);
      await page.getByRole('heading', { name: word }).waitFor();
      await becomes('the language of the page', () => page.evaluate(() => document.documentElement.lang), locale);
      if (locale === 'de') await look('german');
    }
  },

  async 'motion stops when it is not wanted, and nothing breaks from right to left'() {
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.evaluate(() => (document.documentElement.dir = 'rtl'));
    await look('rtl');
    await page.evaluate(() => (document.documentElement.dir = 'ltr'));
  },

  async 'signing out ends it, a used link does not work twice'() {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.goto('about:blank');
    await page.goto(server.link);
    await shown('That code is not right');
    await look('sign-in');
    await page.goto('about:blank');
    await page.goto(await server.newLink('admin'));
    await shown('Your role does not see live calls.');
    await look('no-board');
    await page.getByRole('button', { name: 'Sign out' }).click();
    const code = new URL(await server.newLink('link')).hash.replace('#code=', '');
    await page.getByLabel('Access code').fill(code);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Recent calls' }).waitFor();
  },
};

await walk(steps, {
  complaints: () => complaints.splice(0),
  failed: async () => {
    if (SHOTS) await page.screenshot({ path: join(SHOTS, 'failed.png') });
  },
  stop: async () => {
    await close();
    await server.stop();
  },
});
