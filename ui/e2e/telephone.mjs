// A real telephone for the tests: baresip, which hums a tone and keeps what it hears.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toneFile } from './tone.mjs';

const MODULES = ['/usr/lib/baresip/modules', '/usr/lib64/baresip/modules', '/usr/local/lib/baresip/modules'];
/** What each codec works with: samples a second, channels. */
const CODECS = { opus: ['opus/48000/2', 48_000, 2], pcmu: ['PCMU/8000/1', 8_000, 1], pcma: ['PCMA/8000/1', 8_000, 1] };

/** Starts one in `dir` that speaks `codec`, hums at `hertz` and rings `to` at once. */
export const ring = (dir, codec, hertz, to) => start(dir, codec, hertz, '<sip:caller@127.0.0.1>;regint=0', ['-e', `/dial ${to}`]);

/** Starts one that registers as a user of the clinic, and answers by itself. */
export async function desk(dir, codec, hertz, { user, password, registrar }) {
  const phone = await start(dir, codec, hertz, `<sip:${user}@${registrar}>;auth_user=${user};auth_pass=${password};regint=60;answermode=auto`, []);
  for (let n = 0; n < 100 && !/200 OK/.test(phone.log()); n += 1) await new Promise((next) => setTimeout(next, 100));
  return phone;
}

async function start(dir, codec, hertz, account, args) {
  const [name, rate, channels] = CODECS[codec];
  const modules = process.env.BARESIP_MODULES ?? MODULES.find((m) => existsSync(m));
  if (modules === undefined) throw new Error('baresip is missing: run cargo xtask setup');
  await mkdir(dir);
  const hum = join(dir, 'hum.wav');
  await toneFile(hum, hertz, { rate, channels, seconds: 120 });
  const config = [
    'poll_method epoll',
    'sip_listen 127.0.0.1:0',
    'net_interface 127.0.0.1',
    `audio_source aufile,${hum}`,
    'audio_player aubridge,nowhere',
    `module_path ${modules}`,
    ...['stdio', 'opus', 'g711', 'aufile', 'aubridge', 'sndfile'].map((m) => `module ${m}.so`),
    'module_app account.so',
    'module_app menu.so',
    '',
  ];
  await writeFile(join(dir, 'config'), config.join('\n'));
  await writeFile(join(dir, 'accounts'), `${account};audio_codecs=${name}\n`);
  await writeFile(join(dir, 'contacts'), '');
  const child = spawn('baresip', ['-f', dir, '-v', ...args], { cwd: dir, stdio: ['pipe', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (d) => (log = (log + d).slice(-200_000)));
  const gone = new Promise((done) => child.once('exit', done));
  return {
    log: () => log,
    /** Whether a call has ended, of those after so many characters of the log. */
    over: (since = 0) => /session closed|terminated/.test(log.slice(since)),
    /** The share of the last second heard that is a tone of `hertz`; 0 when it is quiet. */
    async hears(wanted) {
      // Each call has a file of its own, named by when it began.
      const file = (await readdir(dir)).filter((f) => f.endsWith('-dec.wav')).sort().at(-1);
      if (file === undefined) return 0;
      const wav = await readFile(join(dir, file));
      const frame = 2 * channels;
      const from = 44 + Math.floor((wav.length - 44) / frame - rate) * frame;
      if (from < 44) return 0;
      let [re, im, all] = [0, 0, 0];
      for (let n = 0; n < rate; n += 1) {
        const s = wav.readInt16LE(from + n * frame);
        const at = (2 * Math.PI * wanted * n) / rate;
        re += s * Math.cos(at);
        im += s * Math.sin(at);
        all += s * s;
      }
      return all / rate < 10_000 ? 0 : (2 * (re * re + im * im)) / (rate * all);
    },
    hangUp: () => child.stdin.write('/hangup\n'),
    /** It does not always quit when asked to. */
    async stop() {
      if (child.exitCode === null) child.stdin.write('/quit\n');
      const late = setTimeout(() => child.kill('SIGKILL'), 3_000);
      await gone;
      clearTimeout(late);
    },
  };
}
