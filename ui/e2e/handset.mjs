// The browser handset in real browsers: SIP over the page's own WebSocket through the real server to a real SIP server
// (Kamailio), sound over WebRTC from one Chromium to another. Switches as in run.mjs.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SHOTS, SIZES, launch, layOver, looks, watch } from './browser.mjs';
import { startKamailio } from './kamailio.mjs';
import { program, start } from './server.mjs';
import { holdConnections, receivedDb, toneFile } from './tone.mjs';

/** What each side's microphone hears. */
const HERTZ = { anna: 700, ben: 1_500, caller: 1_100 };
const QUIET_DB = -75;
const HEARD_DB = -55;

const dir = await mkdtemp(join(tmpdir(), 'anteroom-handset-'));
const port = await new Promise((done) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => done(port));
  });
});
const server = await start(program(), { ANTEROOM_SIP_PEER: `ws://127.0.0.1:${port}/` });
server.do('staff');
server.do('call');
const call = await server.newLink('id');
const kamailio = await startKamailio(dir, port, call);

/** A person with a browser of their own, in which a microphone hears their tone. */
async function person(name) {
  const wav = join(dir, `${name}.wav`);
  await toneFile(wav, HERTZ[name]);
  const { context, close } = await launch([
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    `--use-file-for-fake-audio-capture=${wav}`,
    '--allow-loopback-in-peer-connection',
    '--autoplay-policy=no-user-gesture-required',
  ]);
  await context.addInitScript(holdConnections);
  const open = async () => {
    const page = await context.newPage();
    page.complaints = watch(page);
    await layOver(page);
    return page;
  };
  const page = await open();
  const link = new URL(await server.newLink(`user ${name}`));
  await page.goto(`${link.origin}/handset${link.hash}`);
  return { name, page, context, close, open };
}

const ready = (page) => page.getByText('Ready: calls for you ring here').waitFor();
const button = (page, name) => page.getByRole('button', { name, exact: true });
const ringing = (page) => page.getByRole('heading', { name: /^Incoming call/ });
const dial = async (page, to) => {
  await page.getByLabel('Call a person or a number').fill(to);
  await button(page, 'Call').click();
};
const idle = (page) => page.getByLabel('Call a person or a number').waitFor();

/** Waits until what arrives at a page is loud (or quiet) at a frequency. */
async function hears(page, hertz, wanted = true) {
  let [db] = [-200];
  for (let n = 0; n < 12; n += 1) {
    [db] = await receivedDb(page, [hertz], wanted ? 15 : 30);
    if (wanted ? db > HEARD_DB : db < QUIET_DB) return;
  }
  assert.fail(`${hertz} Hz at ${db.toFixed(0)} dB ${wanted ? 'is too quiet' : 'is still heard'}`);
}

const [anna, ben, caller] = await Promise.all([person('anna'), person('ben'), person('caller')]);
const look = looks(anna.page);
const everybody = [anna, ben, caller];

const steps = {
  async 'three browsers register through the page’s own server'() {
    await Promise.all(everybody.map(({ page }) => ready(page)));
    await look('handset-idle');
  },

  async 'a colleague rings, is answered by a key, and both hear each other'() {
    await dial(ben.page, 'Anna Example');
    await ringing(anna.page).waitFor();
    assert.equal(await anna.page.evaluate(() => document.activeElement?.tagName), 'BODY', 'ringing takes no focus');
    await anna.page.keyboard.press('a');
    await anna.page.getByText('Talking').waitFor();
    await ben.page.getByText('Talking').waitFor();
    await hears(anna.page, HERTZ.ben);
    await hears(ben.page, HERTZ.anna);
  },
};

let failed = 0;
if (SHOTS) await mkdir(SHOTS, { recursive: true });
try {
  for (const [name, step] of Object.entries(steps)) {
    const complaints = () => everybody.flatMap(({ name, page }) => page.complaints.splice(0).map((c) => `${name}: ${c}`));
    try {
      await step();
      assert.deepEqual(complaints(), [], 'the browser complained');
      console.log(`ok   ${name}`);
    } catch (e) {
      failed += 1;
      console.log(`FAIL ${name}\n${e.stack ?? e}\n${complaints().join('\n')}\n${kamailio.said()}`);
      if (SHOTS) for (const p of everybody) await p.page.screenshot({ path: join(SHOTS, `failed-${p.name}.png`) });
      break;
    }
  }
} finally {
  await Promise.all(everybody.map((p) => p.close()));
  await kamailio.stop();
  await server.stop();
  await rm(dir, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
