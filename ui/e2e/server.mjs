// The development server with its scripted calls, started and driven by lines on its standard input.
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Builds it and gives the program's path. */
function build() {
  const out = execFileSync(
    'cargo',
    ['build', '-p', 'anteroom-web', '--example', 'scripted_call', '--message-format', 'json-render-diagnostics'],
    { cwd: new URL('../../', import.meta.url), encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const made = out
    .split('\n')
    .filter((l) => l.startsWith('{'))
    .map((l) => JSON.parse(l))
    .find((m) => m.reason === 'compiler-artifact' && m.target.name === 'scripted_call' && m.executable);
  if (made === undefined) throw new Error('cargo did not say where it put the server');
  return made.executable;
}

/** The program: what `ANTEROOM_E2E_SERVER` names, else built now. */
export const program = () => process.env.ANTEROOM_E2E_SERVER ?? build();

export async function start(program, env = {}) {
  const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;
  return {
    link: await line(),
    do: (what) => child.stdin.write(`${what}\n`),
    newLink: (what) => {
      child.stdin.write(`${what}\n`);
      return line();
    },
    stop: () => {
      child.stdin.write('stop\n');
      return new Promise((done) => child.once('exit', done));
    },
  };
}
