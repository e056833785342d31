// The browser handset against the appliance itself: its registrar, its desk, its bridge. A telephone (baresip) rings, a
// browser answers, and each end's tone is looked for at the other. `ANTEROOM_BIN=program` names the `anteroom` to test, and
// `ANTEROOM_MODELS` its models; `ANTEROOM_SHOTS=1` keeps pictures.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { SHOTS, becomes, eventually, launch, layOver, walk, watch } from './browser.mjs';
import { desk, ring } from './telephone.mjs';
import { holdConnections, iceName, receivedDb, toneFile } from './tone.mjs';

const HANDSET_HZ = 700;
const CALLER_HZ = 1_100;
const ROOM_HZ = 1_500;
const QUIET_DB = -75;
const HEARD_DB = -55;
/** Of what a telephone hears in a second. The tone comes and goes. */
const HEARD_SHARE = 0.2;

const program = process.env.ANTEROOM_BIN;
if (program === undefined) throw new Error('set ANTEROOM_BIN to the anteroom program');
const dir = await mkdtemp(join(tmpdir(), 'anteroom-appliance-'));
const freePort = () =>
  new Promise((done) => {
    const probe = createSocket('udp4').bind(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
const [sip, turnPort] = [await freePort(), await freePort()];
const SECRET = 'sample-secret';
await writeFile(join(dir, 'turn.secret'), SECRET, { mode: 0o600 });
const settings = [
  '[sip]',
  `listen = ["udp:127.0.0.1:${sip}"]`,
  'allow_direct = true',
  '[web]',
  'listen = "127.0.0.1:0"',
  '[[desk.ice]]',
  `url = "turn:127.0.0.1:${turnPort}"`,
  `secret_file = "${join(dir, 'turn.secret')}"`,
];
await writeFile(join(dir, 'config.toml'), settings.join('\n'));
const turn = spawn(
  'turnserver',
  [
    ...['-n', '--no-cli', '--no-tls', '--no-dtls', '--no-rfc5780', '--log-file', 'stdout', '--allow-loopback-peers'],
    ...['--listening-ip', '127.0.0.1', '--relay-ip', '127.0.0.1', '--listening-port', `${turnPort}`],
    ...['--use-auth-secret', '--static-auth-secret', SECRET, '--realm', 'clinic.invalid', '--pidfile', '', '--userdb', join(dir, 'turn.db')],
  ],
  { cwd: dir, stdio: 'ignore' },
);
const turnGone = new Promise((done) => turn.once('exit', done));
const places = ['--data', join(dir, 'data'), '--config', join(dir, 'config.toml')];
const { stdout: added } = await promisify(execFile)(program, ['users', 'add', '301', '--name', 'Room one', '--rings', '0', '--json', ...places]);
const appliance = spawn(program, ['serve', ...places, '--json'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const stopped = new Promise((done) => appliance.once('exit', done));
const [first] = await Promise.race([
  createInterface({ input: appliance.stdout })[Symbol.asyncIterator]().next().then((l) => [l.value]),
  stopped.then(() => [undefined]),
]);
assert.ok(first !== undefined, 'the appliance starts');
const link = new URL(JSON.parse(first).link);

const hum = join(dir, 'handset.wav');
await toneFile(hum, HANDSET_HZ);
const { context, close } = await launch([
  '--use-fake-device-for-media-stream',
  `--use-file-for-fake-audio-capture=${hum}`,
  '--use-fake-ui-for-media-stream',
  '--allow-loopback-in-peer-connection',
  '--autoplay-policy=no-user-gesture-required',
]);
await context.addInitScript(holdConnections);
const page = await context.newPage();
const complaints = watch(page);
await layOver(page);

const button = (name) => page.getByRole('button', { name, exact: true });
const shown = (text) => page.getByText(text).filter({ visible: true }).first().waitFor();
/** The clock counts from the answer. */
const sixSeconds = () => shown(/^(0:0[6-9]|0:[1-5]\d|[1-9]\d*:\d\d)$/);
const ringing = () => page.getByRole('heading', { name: /^Incoming call/ }).waitFor();

const handsetHears = (wanted = true, hertz = CALLER_HZ) =>
  eventually(`the handset ${wanted ? 'hears' : 'does not hear'} the caller`, async () => {
    const [db] = await receivedDb(page, [hertz], wanted ? 15 : 30);
    return (wanted ? db > HEARD_DB : db < QUIET_DB) || `${db.toFixed(0)} dB`;
  });
const callerHears = (wanted = true) =>
  eventually(`the caller ${wanted ? 'hears' : 'does not hear'} the handset`, async () => {
    const share = await caller.hears(HANDSET_HZ);
    return (wanted ? share > HEARD_SHARE : share < 0.02) || share.toFixed(3);
  });
const bothHear = () => Promise.all([handsetHears(), callerHears()]);

/** How the handset's sound goes: its codec, and the kind of its own candidate. */
const way = () =>
  page.evaluate(async () => {
    const stats = [...(await window.heldConnections.findLast((c) => c.connectionState === 'connected').getStats()).values()];
    const pair = stats.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
    const sent = stats.find((s) => s.type === 'outbound-rtp');
    return [stats.find((s) => s.id === sent.codecId)?.mimeType, stats.find((s) => s.id === pair?.localCandidateId)?.candidateType];
  });

/** A key pressed here is one at the caller's telephone. */
async function keyArrives() {
  await page.keyboard.press('d');
  await button('7').waitFor();
  await page.keyboard.press('7');
  await eventually('the key arrives', async () => /(?:dtmf|event)[^\n]*'7'/i.test(caller.log()) || 'not yet');
  await page.keyboard.press('Escape');
}

let room = null;
/** A colleague's telephone, registered from when it is first needed. */
async function roomThere() {
  const { user, password } = JSON.parse(added);
  room ??= await desk(join(dir, 'room'), 'pcmu', ROOM_HZ, { user, password, registrar: `127.0.0.1:${sip}` });
}

/** Whom the handset talks to is given on to the colleague, both hear each other, and the caller hangs up. */
async function givesOn() {
  await roomThere();
  // Who gives on at once has hardly answered.
  await sixSeconds();
  await page.keyboard.press('t');
  await page.getByLabel('Name or number').fill('room');
  await page.getByText('Room one').click();
  await button('Give now').click();
  await shown('Last call');
  await eventually('the colleague hears the caller', async () => {
    const share = await room.hears(CALLER_HZ);
    return share > HEARD_SHARE || share.toFixed(3);
  });
  await eventually('the caller hears the colleague', async () => {
    const share = await caller.hears(ROOM_HZ);
    return share > HEARD_SHARE || share.toFixed(3);
  });
  caller.hangUp();
  await caller.stop();
}

let caller = null;
let calls = 0;
const rings = async (codec) => {
  calls += 1;
  caller = await ring(join(dir, `caller-${calls}`), codec, CALLER_HZ, `sip:reception@127.0.0.1:${sip}`);
  await ringing();
};

const steps = {
  async 'a browser registers with the appliance'() {
    await page.goto(`${link.origin}/handset${link.hash}`);
    await shown('Ready: calls for you ring here');
  },

  async 'with automation off a caller rings the handset, and both hear each other'() {
    await button('Stop answering').click();
    await shown('Not answering: calls go to the desk');
    await rings('opus');
    await page.keyboard.press('a');
    await shown('Talking');
    await bothHear();
    await shown('Good sound');
  },

  async 'on hold neither hears the other; afterwards both do'() {
    await page.keyboard.press('h');
    await shown('On hold');
    await Promise.all([handsetHears(false), callerHears(false)]);
    await page.keyboard.press('h');
    await shown('Talking');
    await bothHear();
  },

  async 'muting silences the handset alone'() {
    await page.keyboard.press('m');
    await Promise.all([callerHears(false), handsetHears()]);
    await page.keyboard.press('m');
    await bothHear();
  },

  async 'keys reach the caller’s telephone'() {
    await keyArrives();
  },

  async 'new paths for the sound in mid-call'() {
    const before = await iceName(page);
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await eventually('ICE begins anew', async () => ![undefined, before].includes(await iceName(page)));
    await bothHear();
  },

  async 'parked, and taken back from its slot'() {
    await page.keyboard.press('p');
    await shown('parked in slot 71');
    await callerHears(false);
    await button('Retrieve').click();
    await ringing();
    await page.keyboard.press('a');
    await shown('Talking');
    await bothHear();
  },

  async 'the caller hangs up, and the handset is told'() {
    caller.hangUp();
    await shown('Last call');
    await shown('Ready: calls for you ring here');
    await caller.stop();
  },

  async 'a caller with G.711 is transcoded both ways, and the handset hangs up'() {
    await rings('pcmu');
    await page.keyboard.press('a');
    await shown('Talking');
    await bothHear();
    // Who hangs up at once has dropped the handset, and the caller is rung through to it again: this is a real end.
    await sixSeconds();
    await button('Hang up').click();
    await shown('Last call');
    await eventually('the caller is released', async () => caller.over() || 'not yet');
    await caller.stop();
  },

  async 'a browser that knows nothing but G.711'() {
    await page.evaluate(() => (window.onlyCodec = 'PCMU'));
    await rings('opus');
    await page.keyboard.press('a');
    await shown('Talking');
    await bothHear();
    await becomes('the codec', async () => (await way())[0], 'audio/PCMU');
    await keyArrives();
    await page.keyboard.press('h');
    await Promise.all([handsetHears(false), callerHears(false)]);
    await page.keyboard.press('h');
    await bothHear();
    await givesOn();
    await page.evaluate(() => (window.onlyCodec = undefined));
  },

  async 'through a TURN relay, with a pass that is good for a day'() {
    await page.evaluate(() => (window.relayOnly = true));
    await rings('opus');
    await page.keyboard.press('a');
    await shown('Talking');
    await bothHear();
    await becomes('the way', async () => (await way())[1], 'relay');
    await keyArrives();
    await page.keyboard.press('h');
    await Promise.all([handsetHears(false), callerHears(false)]);
    await page.keyboard.press('h');
    await bothHear();
    await givesOn();
    await page.evaluate(() => (window.relayOnly = false));
  },

  async 'a handset whose sound finds no way leaves no caller in silence'() {
    await page.evaluate(() => (window.noWay = true));
    await rings('opus');
    await page.keyboard.press('a');
    await shown('Talking');
    await page.evaluate(() => (window.noWay = false));
    // Nobody else is there: it rings here again.
    await ringing();
    await page.keyboard.press('a');
    await bothHear();
    caller.hangUp();
    await shown('Last call');
    await caller.stop();
  },

  async 'the handset rings a colleague, and both hear each other'() {
    await roomThere();
    await page.getByLabel('Call a person or a number').fill('301');
    await button('Call').click();
    await shown('Talking');
    await handsetHears(true, ROOM_HZ);
    await eventually('the colleague hears the handset', async () => {
      const share = await room.hears(HANDSET_HZ);
      return share > HEARD_SHARE || share.toFixed(3);
    });
    await sixSeconds();
    const since = room.log().length;
    await button('Hang up').click();
    await shown('Last call');
    await eventually('the colleague is released', async () => room.over(since) || 'not yet');
  },

  async 'a caller is given on to a colleague'() {
    await rings('pcmu');
    await page.keyboard.press('a');
    await shown('Talking');
    await bothHear();
    await givesOn();
  },

  async 'a caller who gives up stops the ringing'() {
    await rings('pcma');
    caller.hangUp();
    await shown('given up before the answer');
    await caller.stop();
  },

  async 'with automation on again nobody is rung'() {
    await button('Answer again').click();
    await shown('Answering by itself');
  },
};

await walk(steps, {
  complaints: () => complaints.splice(0),
  failed: async () => {
    if (SHOTS) await page.screenshot({ path: join(SHOTS, 'failed-appliance.png') });
    return (caller?.log() ?? '').split('\n').filter((l) => !l.includes('(bit/s)')).slice(-20).join('\n');
  },
  stop: async () => {
    await close();
    await caller?.stop();
    await room?.stop();
    turn.kill('SIGTERM');
    await turnGone;
    appliance.kill('SIGTERM');
    await stopped;
    await rm(dir, { recursive: true, force: true });
  },
});
