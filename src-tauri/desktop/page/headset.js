// The headset's window: shows what the telephone of this machine does, and asks it to do what is pressed.
import { WORDS, pick } from './words.js';

const language = pick(navigator.languages);
const words = WORDS[language];
const ask = (command, args) => window.__TAURI_INTERNALS__.invoke(command, args);
const $ = (id) => document.getElementById(id);
/** How often it looks, milliseconds. The state is small and at hand. */
const LOOK_MS = 150;
/** How long a notice stays. */
const NOTICE_MS = 12_000;

document.documentElement.lang = language;
document.title = `Anteroom: ${words.title}`;
for (const e of document.querySelectorAll('[data-word]')) e.textContent = words[e.dataset.word];
$('idle').textContent = words.idle;

let noticed = 0;
let hides = 0;
function say(text) {
  $('notice').textContent = text;
  $('notice').hidden = false;
  hides = Date.now() + NOTICE_MS;
}
function tell(notice) {
  const what = words[notice.what] ?? '';
  switch (notice.is) {
    case 'lost': return say(words.lost(what, notice.name));
    case 'instead': return say(words.instead(what, notice.name));
    case 'missing': return say(words.missing(what));
    case 'elsewhere': return say(words.elsewhere);
    default: return say(words.refused);
  }
}
async function order(command, args) {
  try {
    await ask(command, args);
  } catch (why) {
    say(words[why] ?? words.no_telephone);
  }
  await look();
}

function button(text, press, first = false, pressed = null) {
  const b = document.createElement('button');
  b.type = 'button';
  b.textContent = text;
  b.classList.toggle('first', first);
  if (pressed !== null) b.setAttribute('aria-pressed', String(pressed));
  b.addEventListener('click', press);
  return b;
}
function line(kind, text) {
  const p = document.createElement('p');
  p.className = kind;
  p.textContent = text;
  return p;
}

let keypad = null;
function card(call, muted) {
  const li = document.createElement('li');
  li.classList.toggle('urgent', call.urgent);
  li.append(line('with', call.with), line('state', call.urgent && call.state === 'ringing' ? words.urgent : words[call.state]));
  if (call.brief?.reason) li.append(line('brief', call.brief.reason));
  for (const l of call.brief?.lines ?? []) li.append(line('brief', l.text));
  const row = document.createElement('div');
  row.className = 'do';
  const end = () => order('hang_up', { call: call.leg });
  if (call.state === 'ringing') {
    row.append(button(words.answer, () => order('answer', { call: call.leg }), true), button(words.decline, end));
  } else {
    if (call.state === 'talking') {
      row.append(
        button(muted ? words.unmute : words.mute, () => order('mute', { muted: !muted }), false, muted),
        button(words.hold, () => order('hold', { call: call.leg, held: true })),
        button(words.keypad, () => { keypad = keypad === call.leg ? null : call.leg; shown = ''; void look(); }, false, keypad === call.leg),
      );
    }
    if (call.state === 'held') row.append(button(words.resume, () => order('hold', { call: call.leg, held: false }), true));
    row.append(button(words.hang_up, end));
  }
  li.append(row);
  if (keypad === call.leg && call.state === 'talking') {
    const keys = document.createElement('div');
    keys.className = 'keys';
    for (const k of '123456789*0#') keys.append(button(k, () => order('press', { digits: k })));
    li.append(keys);
  }
  return li;
}

let shown = '';
async function look() {
  let view;
  try {
    view = await ask('view');
  } catch (why) {
    say(words[why] ?? words.no_telephone);
    return;
  }
  $('heard').value = view.microphone_db;
  $('said').value = view.headset_db;
  for (const [n, notice] of view.notices) {
    if (n > noticed) {
      noticed = n;
      tell(notice);
    }
  }
  if (hides > 0 && Date.now() > hides) {
    $('notice').hidden = true;
    hides = 0;
  }
  // Buttons are made anew only when something has changed: what has the focus keeps it.
  const now = JSON.stringify([view.calls, view.muted, keypad]);
  if (now === shown) return;
  shown = now;
  $('idle').hidden = view.calls.length > 0;
  $('calls').replaceChildren(...view.calls.map((c) => card(c, view.muted)));
}

const CHOICES = ['microphone', 'headset', 'ringer'];
async function choices() {
  const [settings, devices] = await Promise.all([ask('settings'), ask('devices')]);
  for (const use of CHOICES) {
    const known = use === 'microphone' ? devices.microphones : devices.speakers;
    const options = [['', words.usual], ...known.map((d) => [d.id, d.name])];
    const chosen = settings[use] ?? '';
    if (!options.some(([id]) => id === chosen)) options.push([chosen, `${chosen} (${words.away})`]);
    $(use).replaceChildren(...options.map(([id, name]) => new Option(name, id, false, id === chosen)));
  }
  $('echo').checked = settings.cancel_echo;
  $('noise').checked = settings.suppress_noise;
}
function choose() {
  const of = (use) => ($(use).value === '' ? null : $(use).value);
  return order('choose', {
    settings: {
      microphone: of('microphone'), headset: of('headset'), ringer: of('ringer'),
      cancel_echo: $('echo').checked, suppress_noise: $('noise').checked,
    },
  });
}

for (const id of [...CHOICES, 'echo', 'noise']) $(id).addEventListener('change', choose);
for (const use of CHOICES) $(use).addEventListener('pointerdown', () => void choices().catch(() => say(words.no_devices)), { once: false });
$('dial').addEventListener('submit', (e) => {
  e.preventDefault();
  const dialled = $('number').value.trim();
  if (dialled === '') return;
  $('number').value = '';
  void order('dial', { dialled });
});
void choices().catch(() => say(words.no_devices));
void look();
setInterval(() => void look(), LOOK_MS);
