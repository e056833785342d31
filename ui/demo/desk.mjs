// The desk of the demonstration: a handset in a real browser, and a telephone (baresip) in another room. The handset answers
// a caller, listens for their tone, speaks to the other room first and puts the caller through; then the other room's
// telephone listens for the tone as well and hangs up. Prints a JSON object a line as it goes.
//
//   node demo/desk.mjs LINK USER PASSWORD REGISTRAR CALLER_HZ HANDSET_HZ PHONE_HZ NAME
//
// USER, PASSWORD and REGISTRAR (address and port) are the telephone's, NAME is whose it is.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from '../e2e/browser.mjs';
import { holdConnections, receivedDb, toneFile } from '../e2e/tone.mjs';

const [link, user, password, registrar, callerHz, handsetHz, phoneHz, name] = process.argv.slice(2);
const MODULES = ['/usr/lib/baresip/modules', '/usr/lib64/baresip/modules', '/usr/local/lib/baresip/modules'];
/** In what a browser receives, and as a share of what the telephone hears. */
const HEARD_DB = -55;
const HEARD_SHARE = 0.2;
const PATIENCE_MS = 30_000;

const tell = (what) => console.log(JSON.stringify(what));

async function until(what, holds) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await holds();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((next) => setTimeout(next, 100));
  }
}

/** A telephone that registers, answers by itself, hums and keeps what it hears. */
async function telephone(dir) {
  const modules = process.env.BARESIP_MODULES ?? MODULES.find((m) => existsSync(m));
  if (modules === undefined) throw new Error('baresip is missing: run cargo xtask setup');
  await toneFile(join(dir, 'hum.wav'), Number(phoneHz));
  const names = ['stdio', 'opus', 'g711', 'aufile', 'aubridge', 'sndfile'];
  await writeFile(
    join(dir, 'config'),
    [
      'poll_method epoll',
      'sip_listen 127.0.0.1:0',
      'net_interface 127.0.0.1',
      `audio_source aufile,${join(dir, 'long.wav')}`,
      'audio_player aubridge,nowhere',
      `module_path ${modules}`,
      ...names.map((m) => `module ${m}.so`),
      'module_app account.so',
      'module_app menu.so',
      '',
    ].join('\n'),
  );
  await repeat(join(dir, 'hum.wav'), join(dir, 'long.wav'), 60);
  await writeFile(
    join(dir, 'accounts'),
    `<sip:${user}@${registrar}>;auth_user=${user};auth_pass=${password};regint=60;answermode=auto;audio_codecs=opus/48000/2\n`,
  );
  await writeFile(join(dir, 'contacts'), '');
  const child = spawn('baresip', ['-f', dir, '-v'], { cwd: dir, stdio: ['pipe', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (d) => (log += d));
  await until('the telephone registers', () => log.includes('200 OK'));
  return {
    answered: () => log.includes('Call established'),
    /** The share of the last fifth of a second that is a tone of `hertz`. */
    hears: async (hertz) => {
      const file = (await readdir(dir)).find((f) => f.endsWith('-dec.wav'));
      if (file === undefined) return 0;
      const wav = await readFile(join(dir, file));
      // 16-bit stereo at 48 kHz; both channels hold the same.
      const frames = 48_000;
      const from = wav.length - frames * 4;
      if (from < 44) return 0;
      let [re, im, all] = [0, 0, 0];
      for (let n = 0; n < frames; n += 1) {
        const s = wav.readInt16LE(from - (from % 4) + n * 4);
        const at = (2 * Math.PI * hertz * n) / 48_000;
        re += s * Math.cos(at);
        im += s * Math.sin(at);
        all += s * s;
      }
      return all / frames < 10_000 ? 0 : (2 * (re * re + im * im)) / (frames * all);
    },
    log: () => log.slice(-1500),
    hangUp: () => child.stdin.write('/hangup\n'),
    stop: () => {
      child.stdin.write('/quit\n');
      return new Promise((done) => child.once('exit', done));
    },
  };
}

/** A stereo WAV file that holds a mono one's sound so many times: Opus is stereo to the telephone. */
async function repeat(from, to, times) {
  const wav = await readFile(from);
  const mono = wav.subarray(44);
  const both = Buffer.alloc(mono.length * 2);
  for (let i = 0; i < mono.length; i += 2) {
    mono.copy(both, i * 2, i, i + 2);
    mono.copy(both, i * 2 + 2, i, i + 2);
  }
  const sound = Buffer.concat(Array(times).fill(both));
  const head = Buffer.from(wav.subarray(0, 44));
  head.writeUInt32LE(36 + sound.length, 4);
  head.writeUInt16LE(2, 22);
  head.writeUInt32LE(head.readUInt32LE(28) * 2, 28);
  head.writeUInt16LE(4, 32);
  head.writeUInt32LE(sound.length, 40);
  await writeFile(to, Buffer.concat([head, sound]));
}

const dir = await mkdtemp(join(tmpdir(), 'anteroom-desk-'));
let [browser, phone] = [];
try {
  phone = await telephone(dir);
  const hum = join(dir, 'handset.wav');
  await toneFile(hum, Number(handsetHz));
  browser = await launch([
    '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${hum}`,
    '--use-fake-ui-for-media-stream',
    '--allow-loopback-in-peer-connection',
    '--autoplay-policy=no-user-gesture-required',
  ]);
  browser.context.setDefaultTimeout(PATIENCE_MS);
  await browser.context.addInitScript(holdConnections);
  const page = await browser.context.newPage();
  const at = new URL(link);
  await page.goto(`${at.origin}/handset${at.hash}`);
  const button = (label) => page.getByRole('button', { name: label, exact: true });
  await page.getByText('Ready: calls for you ring here').waitFor();
  tell({ ready: true });

  await page.getByRole('heading', { name: /^Incoming call/ }).waitFor();
  await button('Answer').click();
  tell({ answered: true });
  const db = await until('the caller is heard at the handset', async () => {
    const [db] = await receivedDb(page, [Number(callerHz)], 15);
    return db > HEARD_DB ? db : 0;
  });
  tell({ handset_heard: true, db });
  // A moment in which the caller hears the handset.
  await page.waitForTimeout(2_500);
  if (process.env.ANTEROOM_DEMO_SHOTS) await page.screenshot({ path: join(process.env.ANTEROOM_DEMO_SHOTS, 'handset-talking.png') });
  await button('Give to…').click();
  await page.getByLabel('Name or number').fill(name);
  await page.getByText(name, { exact: true }).first().click();
  await button('Speak to them first').click();
  await until('the telephone answers', () => phone.answered());
  if (process.env.ANTEROOM_DEMO_SHOTS) await page.screenshot({ path: join(process.env.ANTEROOM_DEMO_SHOTS, 'handset-consulting.png') });
  const briefed = await until('the handset is heard at the telephone', async () => (await phone.hears(Number(handsetHz))) > HEARD_SHARE);
  tell({ briefed });
  await button('Put through').click();
  await until('the caller is heard at the telephone', async () => (await phone.hears(Number(callerHz))) > HEARD_SHARE);
  tell({ phone_heard: true });
  // A moment in which the caller hears the telephone, before it hangs up.
  await page.waitForTimeout(2_500);
  phone.hangUp();
  tell({ done: true });
} catch (e) {
  tell({ failed: `${e.message ?? e}${phone ? `\n${phone.log()}` : ''}` });
  process.exitCode = 1;
} finally {
  await browser?.close();
  await phone?.stop();
  await rm(dir, { recursive: true, force: true });
}
