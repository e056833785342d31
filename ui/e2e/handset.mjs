// The browser handset in real browsers: SIP over the page's own WebSocket through the real server to a real SIP server
// (Kamailio), sound over WebRTC from one Chromium to another. Switches as in run.mjs.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SHOTS, SIZES, becomes, eventually, focused, gone, launch, layOver, looks, walk, watch } from './browser.mjs';
import { startKamailio } from './kamailio.mjs';
import { program, start } from './server.mjs';
import { holdConnections, iceName, receivedDb, toneFile } from './tone.mjs';

/** What each side's microphone hears. */
const HERTZ = { anna: 700, ben: 1_500, caller: 1_100, carla: 900, dev: 1_900 };
/** Of the steps after the first, those whose name has this in it. */
const ONLY = process.env.ANTEROOM_E2E_ONLY ?? '';
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

/** A person with a browser of their own, in which a microphone hears their tone: one that is `allowed` without asking, one that
 * must be `asked` for, or none (`missing`). `before` prepares their page. */
async function person(name, mic = 'allowed', role = 'user', before = async () => {}) {
  const wav = join(dir, `${name}.wav`);
  await toneFile(wav, HERTZ[name]);
  const { context, close } = await launch([
    ...(mic === 'missing' ? [] : ['--use-fake-device-for-media-stream', `--use-file-for-fake-audio-capture=${wav}`]),
    ...(mic === 'asked' ? [] : ['--use-fake-ui-for-media-stream']),
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
  await before(page);
  const link = new URL(await server.newLink(`${role} ${name}`));
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
const look = looks(anna.page, ['narrow-light', 'wide-dark']);
const everybody = [anna, ben, caller];

/** Somebody rings anna, who has answered. */
async function connected(from, to = 'anna') {
  await dial(from.page, to);
  await ringing(anna.page).waitFor();
  await anna.page.keyboard.press('a');
  await Promise.all([from.page, anna.page].map((p) => p.getByText('Talking').waitFor()));
}

/** Somebody hangs up, and all are ready again. */
async function over(who = anna) {
  await button(who.page, 'Hang up').first().click();
  await Promise.all(everybody.map(({ page }) => idle(page)));
}

/** Where the call stands at the desk. */
const place = (desk) => server.do(`desk ${JSON.stringify({ legs: [], listeners: [], ...desk })}`);

const leg = (user, held = false) => ({
  leg: '01ARZ3NDEKTSV4RRFFQ69G5FAW',
  party: user === null ? { is: 'caller' } : { is: 'user', user },
  held,
  encrypted: true,
});
const heldBy = (by, on_hold = true) => ({ stage: { is: 'held', by, since: Date.now() }, on_hold });
const talkingTo = (...who) => ({ stage: { is: 'talking', who, since: Date.now() } });
const ringingAt = (...who) => ({ stage: { is: 'ringing', who, since: Date.now() } });

/** A page for which the one call is an emergency. */
const urgentFor = (page) =>
  page.routeWebSocket(/\/api\/v1\/events/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const message = JSON.parse(text);
      for (const { events } of message.snapshot?.calls ?? []) {
        const [first] = events;
        if (first.call === call) events.push({ ...first, seq: 1_000_000, kind: { type: 'marked_urgent', why: 'chest-pain' } });
      }
      socket.send(JSON.stringify(message));
    });
  });

/** For a page that is told of more than this server tells: goes before it is opened, and tells it. From then on the page hears
 * nothing from the server that is older. */
function teller() {
  let [page, seq] = [null, 1_000_000];
  return {
    before: (opened) =>
      opened.routeWebSocket(/\/api\/v1\/events/, (socket) => {
        page = socket;
        socket.connectToServer().onMessage((text) => socket.send(text));
      }),
    tell: (body) => page.send(JSON.stringify({ message: 'event', event: { seq: (seq += 1), body } })),
  };
}

/** While `act` runs, a page asks nothing of the desk. */
async function asksNothing(act, page = anna.page) {
  const asked = [];
  const hear = (r) => r.url().endsWith('/desk') && asked.push(r.postData());
  page.on('request', hear);
  await act();
  page.off('request', hear);
  assert.deepEqual(asked, []);
}

/** In the page: whether nothing covers the middle of an element, and it is in sight. */
const uncovered = (e) => {
  const { x, y, width, height } = e.getBoundingClientRect();
  return e.contains(document.elementFromPoint(x + width / 2, y + height / 2));
};

/** The desk refuses what `act` asks of it, and anna's page says so. */
async function refused(status, code, text, act) {
  const refuse = (route) => route.fulfill({ status, contentType: 'application/json', body: JSON.stringify({ code, message: '', hint: '', trace: null }) });
  await anna.page.route('**/desk', refuse);
  await act();
  await anna.page.getByRole('alert').filter({ hasText: text }).waitFor();
  await anna.page.unroute('**/desk', refuse);
}

/** Presses a key once what it does can be done: while the desk is still being asked, keys do nothing. */
async function press(key, name) {
  await becomes(`${name} can be pressed`, () => button(anna.page, name).isDisabled(), false);
  await anna.page.keyboard.press(key);
}

/** What anna's page asks the desk to do, while `act` runs. */
async function asks(act) {
  const [request] = await Promise.all([
    anna.page.waitForRequest((r) => r.method() === 'POST' && r.url().endsWith(`/api/v1/calls/${call}/desk`)),
    act(),
  ]);
  assert.equal((await request.response()).status(), 200);
  return request.postDataJSON();
}

const steps = {
  async 'three browsers register through the page’s own server'() {
    await Promise.all(everybody.map(({ page }) => ready(page)));
    await look('handset-idle');
  },

  async 'ringing takes no focus and types no letters; a key answers; both hear each other'() {
    const field = anna.page.getByLabel('Call a person or a number');
    await field.focus();
    await dial(ben.page, 'Anna Example');
    await ringing(anna.page).waitFor();
    await becomes('the title', () => anna.page.title(), 'Ben Example is calling');
    await focused('the focus stays where it was', field);
    await anna.page.keyboard.type('a name');
    await becomes('letters stay letters while somebody types', () => field.inputValue(), 'a name');
    await field.fill('');
    await look('handset-ringing-colleague');
    await field.blur();
    await anna.page.keyboard.press('a');
    await Promise.all([anna.page, ben.page].map((p) => p.getByText('Talking').waitFor()));
    await hears(anna.page, HERTZ.ben);
    await hears(ben.page, HERTZ.anna);
    await anna.page.getByText('Good sound').waitFor();
    await anna.page.getByText(/MOS [34][.]\d, loss \d[.]\d%/).waitFor();
    const level = anna.page.getByRole('meter', { name: 'Microphone' });
    await anna.page.waitForFunction((e) => e.value > 0.3, await level.elementHandle());
    await look('handset-talking');
  },

  async 'mute is heard at once, and so is its end'() {
    await anna.page.keyboard.press('m');
    await anna.page.getByText('You are muted').waitFor();
    await hears(ben.page, HERTZ.anna, false);
    await button(anna.page, 'Unmute').click();
    await hears(ben.page, HERTZ.anna);
  },

  async 'hold by SIP keeps the call and silences both ways'() {
    await anna.page.keyboard.press('h');
    await anna.page.getByText('On hold').waitFor();
    await ben.page.getByText('The other side holds you').waitFor();
    await hears(ben.page, HERTZ.anna, false);
    await hears(anna.page, HERTZ.ben, false);
    await look('handset-held');
    await anna.page.keyboard.press('h');
    await ben.page.getByText('Talking').waitFor();
    await hears(ben.page, HERTZ.anna);
    await hears(anna.page, HERTZ.ben);
  },

  async 'the keypad’s tones are heard at the other end'() {
    await anna.page.keyboard.press('d');
    await button(anna.page, '9').waitFor();
    await look('handset-keypad');
    // 941 and 1477 Hz (ITU-T Q.23).
    let pressed = '';
    await eventually('the tone of # is heard', async () => {
      const listening = receivedDb(ben.page, [941, 1_477], 40);
      for (let n = 0; n < 4; n += 1) {
        await anna.page.keyboard.press('#');
        pressed += '#';
        await anna.page.waitForTimeout(250);
      }
      const levels = await listening;
      return levels.every((db) => db > HEARD_DB) || levels;
    });
    await anna.page.getByText(pressed, { exact: true }).waitFor();
    await anna.page.keyboard.press('Escape');
    await button(anna.page, '9').waitFor({ state: 'detached' });
  },

  async 'a second caller waits, is taken while the first is held, and both can be had again'() {
    await dial(caller.page, 'anna');
    await ringing(anna.page).waitFor();
    await look('handset-second-call');
    await anna.page.setViewportSize(SIZES.narrow);
    await becomes('where there is little room, the answer is in reach all the same', () => button(anna.page, 'Answer').evaluate(uncovered), true);
    await anna.page.setViewportSize(SIZES.wide);
    await anna.page.keyboard.press('a');
    await ben.page.getByText('The other side holds you').waitFor();
    await caller.page.getByText('Talking').waitFor();
    await hears(caller.page, HERTZ.anna);
    await hears(ben.page, HERTZ.anna, false);
    await button(caller.page, 'Hang up').click();
    await idle(caller.page);
    await button(anna.page, 'Resume').click();
    await ben.page.getByText('Talking').waitFor();
    await hears(ben.page, HERTZ.anna);
  },

  async 'the network changes and the call looks for new paths'() {
    const before = await iceName(anna.page);
    await anna.page.evaluate(() => dispatchEvent(new Event('online')));
    await eventually('ICE begins anew', async () => ![undefined, before].includes(await iceName(anna.page)));
    await hears(ben.page, HERTZ.anna);
    await hears(anna.page, HERTZ.ben);
  },

  async 'the connection to the server is lost in mid-call: the call goes on, and the handset comes back'() {
    server.do('cut');
    await anna.page.getByText('This handset has lost its connection.').waitFor();
    await look('handset-lost');
    await hears(ben.page, HERTZ.anna);
    // Nothing can be asked of anybody: who is to hear nothing hears nothing all the same, and nobody is hung up on for it.
    await anna.page.keyboard.press('h');
    await hears(ben.page, HERTZ.anna, false);
    await anna.page.keyboard.press('h');
    await hears(ben.page, HERTZ.anna);
    server.do('mend');
    for (const { page } of everybody) await button(page, 'Try now').click().catch(() => undefined);
    await Promise.all(everybody.map(({ page }) => page.getByText('This handset has lost its connection.').waitFor({ state: 'detached' })));
    await hears(anna.page, HERTZ.ben);
    // This SIP server forgets who is behind a socket that was cut, so that the hang-up never arrives. The handset finds out
    // by itself: the far end no longer answers, new paths are tried, and nobody is there.
    await button(ben.page, 'Hang up').click();
    await anna.page.getByText('Last call, Ben Example: ended').waitFor({ timeout: 60_000 });
    await idle(ben.page);
    await ready(anna.page);
  },

  async 'declined, given up, unknown: each is told as what it is'() {
    await dial(ben.page, 'anna');
    await ringing(anna.page).waitFor();
    await button(anna.page, 'Decline').click();
    await ben.page.getByText('Last call, Anna Example: busy').waitFor();
    await anna.page.getByText('Last call, Ben Example: declined').waitFor();
    await dial(ben.page, 'anna');
    await ringing(anna.page).waitFor();
    await button(ben.page, 'Hang up').click();
    await anna.page.getByText('Last call, Ben Example: given up before the answer').waitFor();
    await dial(ben.page, '0999');
    await ben.page.getByText('Last call, 0999: no such number').waitFor();
  },

  async 'a caller the receptionist has spoken to rings with who, why and the last lines'() {
    place({
      ...ringingAt('anna'),
      brief: { reason: 'Wants to know whether somebody speaks Polish', lines: [], note: 'Prefers to be rung after four', by: 'carla', wants_answer: false },
    });
    await dial(caller.page, 'anna');
    await anna.page.getByRole('heading', { name: 'Incoming call 01632 960123' }).waitFor();
    const card = anna.page.getByRole('region', { name: /Incoming call/ });
    for (const text of ['Wants to know whether somebody speaks Polish', 'Prefers to be rung after four', 'Carla Example gives you this call', 'When are you open on Friday?', 'And do you speak']) {
      await card.getByText(text).waitFor();
    }
    await look('handset-ringing');
  },

  async 'without speaking it can go to a message, a callback or somebody else'() {
    await anna.page.getByText('Without speaking').click();
    await look('handset-without-speaking');
    assert.deepEqual(await asks(() => button(anna.page, 'Promise to call back').click()), { command: 'callback', note: null, due: null });
    await button(anna.page, 'Give to…').click();
    await anna.page.getByLabel('Note for whoever takes it').fill('asks for an interpreter');
    await anna.page.getByText('Ben Example').click();
    assert.deepEqual(await asks(() => button(anna.page, 'Give now').click()), { command: 'transfer', to: 'ben', briefing: 'asks for an interpreter' });
    assert.deepEqual(await asks(() => button(anna.page, 'Let them leave a message').click()), { command: 'voicemail' });
  },

  async 'hold, park and give go by the desk when the desk knows the call'() {
    place(ringingAt('anna'));
    await anna.page.keyboard.press('a');
    // She has answered, and the receptionist has not finished its sentence.
    await anna.page.getByText('You are being put through').waitFor();
    for (const name of ['Hold', 'Park', 'Give to…', 'Pause recording']) await becomes(name, () => button(anna.page, name).isDisabled(), true);
    await look('handset-put-through');
    place(talkingTo('anna'));
    await anna.page.getByText('Talking').waitFor();
    await hears(caller.page, HERTZ.anna);
    assert.deepEqual(await asks(() => press('h', 'Hold')), { command: 'hold' });
    await anna.page.getByText('On hold').waitFor();
    assert.deepEqual(await asks(() => press('h', 'Resume')), { command: 'resume' });
    await anna.page.getByText('Talking').waitFor();
    await refused(409, 'parking.full', 'Every parking slot is taken.', () => press('p', 'Park'));
    await refused(409, 'desk.wrong_state', 'As the call stands now, this cannot be done', () => press('h', 'Hold'));
    await refused(404, 'desk.no_call', 'That call is no longer there', () => press('h', 'Hold'));
    await look('handset-refused');
    await anna.page.keyboard.press('t');
    const search = anna.page.getByLabel('Name or number');
    await focused('who asks to give can type at once', search);
    await look('handset-give');
    await anna.page.setViewportSize(SIZES.narrow);
    await button(anna.page, 'Close').focus();
    await becomes('what has the focus is not under the controls', () => button(anna.page, 'Close').evaluate(uncovered), true);
    await anna.page.setViewportSize(SIZES.wide);
    await search.focus();
    await search.fill('be');
    await becomes('who is found', () => anna.page.getByRole('radio').count(), 1);
    await anna.page.getByText('Ben Example').click();
    await refused(409, 'desk.nobody_there', 'None of their telephones is connected.', () => button(anna.page, 'Give now').click());
    await refused(403, 'desk.no_rights', 'Only somebody with an access code of their own', () => button(anna.page, 'Give now').click());
    assert.deepEqual(await asks(() => button(anna.page, 'Speak to them first').click()), { command: 'warm', to: 'ben', briefing: 'spoken', note: 'asks for an interpreter' });
    await anna.page.getByText('Asking Ben Example').waitFor();
    await becomes('nobody has answered yet', () => button(anna.page, 'Put through').isDisabled(), true);
    await look('handset-asking');
    const asking = (briefing) => place({ stage: { is: 'consulting', by: 'anna', to: 'ben', briefing, answered: true, since: Date.now() } });
    asking('text');
    await becomes('it can be put through', () => button(anna.page, 'Put through').isDisabled(), false);
    await becomes('who reads it cannot speak', () => button(anna.page, 'All three').isDisabled(), true);
    await anna.page.keyboard.press('t');
    await search.waitFor();
    assert.equal(await button(anna.page, 'Speak to them first').count(), 0, 'somebody is asked already');
    await anna.page.keyboard.press('Escape');
    asking('spoken');
    await becomes('who speaks can join', () => button(anna.page, 'All three').isDisabled(), false);
    assert.deepEqual(await asks(() => button(anna.page, 'Put through').click()), { command: 'complete' });
    assert.deepEqual(await asks(() => button(anna.page, 'Back to the caller').click()), { command: 'abort' });
    assert.deepEqual(await asks(() => press('p', 'Park')), { command: 'park', slot: null });
    await over(caller);
    await anna.page.getByText('01632 960123 is parked in slot 1').waitFor();
    assert.deepEqual(await asks(() => button(anna.page, 'Retrieve').click()), { command: 'retrieve', slot: 1 });
  },

  async 'what the desk holds can be had again whatever other telephones do, and while somebody is asked'() {
    place(talkingTo('anna'));
    await connected(caller);
    const far = [leg(null, true), leg('anna')];
    place({ ...heldBy('anna', false), legs: far });
    await anna.page.getByText('The other side holds you').waitFor();
    assert.deepEqual(await asks(() => press('h', 'Hold')), { command: 'hold' });
    place({ ...heldBy('anna'), legs: far });
    await anna.page.getByText('On hold').waitFor();
    assert.deepEqual(await asks(() => button(anna.page, 'Resume').click()), { command: 'resume' });
    await button(anna.page, 'Hold').waitFor();
    const asking = { is: 'consulting', by: 'anna', to: 'ben', briefing: 'text', answered: false, since: Date.now() };
    place({ stage: asking, on_hold: true });
    await anna.page.getByText('Asking Ben Example').waitFor();
    assert.deepEqual(await asks(() => press('h', 'Resume')), { command: 'resume' });
    await over(caller);
  },

  async 'who turns to another call is not heard in the first, whatever the desk does, and has it back as it was'() {
    const held = caller.page.getByText('The other side holds you');
    place(talkingTo('anna'));
    await connected(caller);
    const refuse = (route) => route.fulfill({ status: 409, contentType: 'application/json', body: JSON.stringify({ code: 'desk.wrong_state', message: '', hint: '', trace: null }) });
    await anna.page.route('**/desk', refuse);
    await dial(ben.page, 'anna');
    await ringing(anna.page).waitFor();
    await anna.page.keyboard.press('a');
    await anna.page.getByRole('region', { name: 'Ben Example' }).waitFor();
    await held.waitFor();
    await hears(ben.page, HERTZ.anna);
    await hears(caller.page, HERTZ.anna, false);
    await anna.page.keyboard.press('m');
    await hears(ben.page, HERTZ.anna, false);
    await anna.page.keyboard.press('m');
    // Back, and to the other once more.
    const below = anna.page.locator('.other');
    await button(below, 'Resume').click();
    await caller.page.getByText('Talking').waitFor();
    await anna.page.getByRole('region', { name: /^01632 960123/ }).waitFor();
    await hears(caller.page, HERTZ.anna);
    await hears(ben.page, HERTZ.anna, false);
    await anna.page.unroute('**/desk', refuse);
    // With the caller set apart, a colleague in the call would go on hearing her.
    place({ ...heldBy('anna'), legs: [leg(null), leg('anna'), leg('carla')] });
    await anna.page.getByText('On hold').first().waitFor();
    await asksNothing(async () => {
      await button(below, 'Resume').click();
      await held.waitFor();
      await hears(caller.page, HERTZ.anna, false);
      await hears(ben.page, HERTZ.anna);
      await button(ben.page, 'Hang up').click();
      await idle(ben.page);
    });
    assert.deepEqual(await asks(() => button(anna.page, 'Resume').click()), { command: 'resume' });
    await caller.page.getByText('Talking').waitFor();
    await hears(caller.page, HERTZ.anna);
    await over(caller);
  },

  async 'a call that another telephone joins with its other one goes on as that one'() {
    const { before, tell } = teller();
    const carla = await person('carla', 'allowed', 'user', before);
    try {
      await ready(carla.page);
      place(talkingTo('ben'));
      await dial(caller.page, 'carla');
      await ringing(carla.page).waitFor();
      await carla.page.keyboard.press('a');
      await carla.page.getByText('Somebody else has this call').waitFor();
      const there = `${call.slice(0, -1)}${call.endsWith('0') ? '1' : '0'}`;
      const event = (id, seq, kind) => tell({ about: 'call', event: { call: id, trace: '0'.repeat(32), seq, at: Date.now(), mono: 0, kind } });
      event(there, 1, { type: 'offered', from: '01632 960077', to: 'reception', trunk: 'main' });
      tell({ about: 'desk', desk: { call: there, ...talkingTo('carla'), legs: [leg(null), leg('carla')], listeners: [] } });
      event(call, 1_000, { type: 'ended', reason: 'transferred', seconds: 9 });
      await carla.page.getByRole('region', { name: '01632 960077' }).waitFor();
      const [asked] = await Promise.all([carla.page.waitForRequest((r) => r.url().endsWith('/desk')), button(carla.page, 'Hold').click()]);
      assert.ok(asked.url().endsWith(`/calls/${there}/desk`), asked.url());
      await button(carla.page, 'Hang up').click();
      await idle(caller.page);
    } finally {
      await carla.close();
    }
  },

  async 'who takes the ringing of whom a colleague rang is offered what that one would be'() {
    const inside = (page) =>
      page.routeWebSocket(/\/api\/v1\/events/, (socket) => {
        socket.connectToServer().onMessage((text) => {
          const message = JSON.parse(text);
          for (const { events } of message.snapshot?.calls ?? []) {
            if (events[0].call === call) Object.assign(events[0].kind, { from: 'ben', to: 'dev', trunk: 'inside' });
          }
          socket.send(JSON.stringify(message));
        });
      });
    const carla = await person('carla', 'allowed', 'user', inside);
    try {
      await ready(carla.page);
      const legs = [leg('ben'), leg('carla')];
      place({ ...ringingAt('carla', 'dev'), legs: [...legs, leg('dev')] });
      await dial(caller.page, 'carla');
      await carla.page.getByRole('heading', { name: 'Incoming call Ben Example' }).waitFor();
      await carla.page.keyboard.press('a');
      place({ ...talkingTo('ben', 'carla'), legs });
      await carla.page.getByText('Only Ben Example, who made this call').waitFor();
      for (const name of ['Park', 'Give to…']) assert.equal(await button(carla.page, name).isDisabled(), true, name);
      assert.equal(await button(carla.page, 'Pause recording').isDisabled(), false);
      await asksNothing(async () => {
        await button(carla.page, 'Hold').click();
        await caller.page.getByText('The other side holds you').waitFor();
        await button(carla.page, 'Resume').click();
        await caller.page.getByText('Talking').waitFor();
      }, carla.page);
      place({ ...heldBy('ben'), legs });
      await carla.page.getByText('The other side holds you').waitFor();
      await button(carla.page, 'Hang up').click();
      await idle(caller.page);
    } finally {
      await carla.close();
    }
  },

  async 'recording is paused while a payment card is read out, and goes on'() {
    const { stage } = talkingTo('anna');
    place({ stage });
    await connected(caller);
    assert.deepEqual(await asks(() => button(anna.page, 'Pause recording').click()), { command: 'pause_recording' });
    place({ stage, recording_paused: true });
    const state = anna.page.getByText('Recording is paused');
    await state.waitFor();
    await look('handset-recording-paused');
    assert.deepEqual(await asks(() => button(anna.page, 'Go on recording').click()), { command: 'resume_recording' });
    place({ stage, recording_paused: false });
    await gone(state);
    await button(anna.page, 'Pause recording').waitFor();
    await over(caller);
  },

  async 'a call offered with a text is accepted or declined on the screen, and nothing else until then'() {
    const brief = { reason: 'Prescription', lines: [], note: 'Known patient', by: 'carla', wants_answer: true };
    const offer = (answered) =>
      place({ stage: { is: 'consulting', by: 'carla', to: 'anna', briefing: 'text', answered, since: Date.now() }, brief });
    const barred = ['Hold', 'Give to…', 'Park', 'Pause recording'];
    const accept = button(anna.page, 'Accept');
    for (const [name, command] of [['Decline', 'decline'], ['Accept', 'accept']]) {
      offer(false);
      await dial(caller.page, 'anna');
      const card = anna.page.getByRole('region', { name: /^Incoming call/ });
      for (const text of ['Carla Example offers you this call', 'Prescription', 'Known patient', 'Answer first; then accept or decline']) {
        await card.getByText(text).waitFor();
      }
      assert.equal(await accept.count(), 0);
      assert.equal(await anna.page.getByText('Without speaking').count(), 0, 'the caller is with somebody');
      if (command === 'decline') await look('handset-offered-ringing');
      await anna.page.keyboard.press('a');
      const offered = anna.page.getByRole('region', { name: 'Carla Example offers you this call' });
      for (const text of ['Prescription', 'Known patient', 'The caller does not hear you yet.']) await offered.getByText(text).waitFor();
      await becomes('the machine does not know yet that it was answered', () => accept.isDisabled(), true);
      offer(true);
      await becomes('it can be decided', () => accept.isDisabled(), false);
      await anna.page.getByText('Offered to you').waitFor();
      if (command === 'decline') await look('handset-offered-answered');
      for (const name of barred) {
        assert.equal(await button(anna.page, name).isDisabled(), true, name);
        assert.match(await button(anna.page, name).evaluate((e) => document.getElementById(e.getAttribute('aria-describedby'))?.textContent), /Once you have accepted the call/, name);
      }
      await asksNothing(async () => {
        for (const key of ['h', 'p', 't', 'n', '/']) await anna.page.keyboard.press(key);
        // Carla does not wait for the decision: the desk tells only that it rings.
        place({ ...ringingAt(), brief: { ...brief, wants_answer: false } });
        await anna.page.waitForTimeout(300);
        await offered.getByText('The caller does not hear you yet.').waitFor();
      });
      assert.equal(await anna.page.getByLabel('Name or number').count(), 0);
      assert.deepEqual(await asks(() => button(anna.page, name).click()), { command });
      if (command === 'accept') {
        await anna.page.getByText('Talking').waitFor();
        await gone(accept);
        for (const name of barred) await becomes(name, () => button(anna.page, name).isDisabled(), false);
        assert.deepEqual(await asks(() => press('h', 'Hold')), { command: 'hold' });
        assert.deepEqual(await asks(() => button(anna.page, 'Resume').click()), { command: 'resume' });
      }
      // Who declines is hung up on by the machine; here the caller does it.
      await over(caller);
    }
    // It rings at another telephone of hers, or was answered there: there is no screen but this one.
    offer(false);
    const row = anna.page.getByRole('listitem').filter({ hasText: 'Carla Example offers you this call' });
    await row.getByText('Answer first; then accept or decline').waitFor();
    for (const name of ['Accept', 'Decline']) assert.equal(await button(anna.page, name).isDisabled(), true, name);
    await look('handset-offered');
    offer(true);
    assert.deepEqual(await asks(() => button(anna.page, 'Decline').click()), { command: 'decline' });
    assert.deepEqual(await asks(() => accept.click()), { command: 'accept' });
    await gone(accept);
  },

  async 'of two tabs one rings; the other can take over, and does when the first goes'() {
    const second = await anna.open();
    await second.goto(new URL('/handset', anna.page.url()).href);
    await second.getByText('Your handset is open in another tab or window').waitFor();
    await dial(ben.page, 'anna');
    await ringing(anna.page).waitFor();
    assert.equal(await ringing(second).count(), 0);
    await anna.page.keyboard.press('a');
    await anna.page.getByText('Talking').waitFor();
    await button(second, 'Ring here instead').click();
    await ready(second);
    await anna.page.getByText('This call stays here until it ends.').waitFor();
    await hears(ben.page, HERTZ.anna);
    await over(ben).catch(() => undefined);
    await anna.page.getByText('Your handset is open in another tab').waitFor();
    await look('handset-elsewhere');
    await dial(ben.page, 'anna');
    await ringing(second).waitFor();
    assert.equal(await ringing(anna.page).count(), 0);
    await button(ben.page, 'Hang up').click();
    await second.close();
    await ready(anna.page);
    await connected(ben);
    await over();
  },

  async 'the tab that took over goes while the first still talks: nobody is hung up on, and then it rings there again'() {
    const second = await anna.open();
    await second.goto(new URL('/handset', anna.page.url()).href);
    await connected(ben);
    await button(second, 'Ring here instead').click();
    await ready(second);
    const stays = anna.page.getByText('This call stays here until it ends.');
    await stays.waitFor();
    await second.close();
    await stays.waitFor({ state: 'detached' });
    // A setup that took the line with it would have done so by now.
    await anna.page.waitForTimeout(1_000);
    await hears(ben.page, HERTZ.anna);
    await hears(anna.page, HERTZ.ben);
    await button(anna.page, 'Mute').click();
    await hears(ben.page, HERTZ.anna, false);
    await button(anna.page, 'Unmute').click();
    await over();
    await ready(anna.page);
    await connected(ben);
    await hears(ben.page, HERTZ.anna);
    await over();
  },

  async 'sound can be tested, and devices are chosen and remembered'() {
    await button(anna.page, 'Test the microphone').click();
    const level = anna.page.getByRole('region', { name: 'Sound' }).getByRole('meter');
    await anna.page.waitForFunction((e) => e.value > 0.3, await level.elementHandle());
    const ringer = anna.page.getByLabel('Rings on');
    let device;
    await eventually('there is a second device to ring on', async () => {
      [, device] = await ringer.locator('option').evaluateAll((o) => o.map((e) => e.value));
      return device !== undefined;
    });
    await ringer.selectOption(device);
    await look('handset-sound');
    await button(anna.page, 'Stop the test').click();
    await button(anna.page, 'Test the ringing').click();
    await anna.page.reload();
    await ready(anna.page);
    await becomes('the device is remembered', () => ringer.inputValue(), device);
  },

  async 'in the background a call is shown without saying whose'() {
    await caller.context.grantPermissions(['microphone', 'notifications']);
    await caller.page.addInitScript(() => {
      window.noticesShown = [];
      window.Notification = class {
        static permission = 'granted';
        constructor(title, options) {
          window.noticesShown.push({ title, body: options.body, open: true });
        }
        close() {
          window.noticesShown.at(-1).open = false;
        }
      };
      Object.defineProperty(document, 'hidden', { get: () => true });
    });
    await caller.page.reload();
    await ready(caller.page);
    await dial(ben.page, 'caller');
    await ringing(caller.page).waitFor();
    const shown = () => caller.page.evaluate(() => window.noticesShown);
    await becomes('the notice', shown, [{ title: 'Incoming call', body: 'The sample clinic', open: true }]);
    await button(ben.page, 'Hang up').click();
    await ringing(caller.page).waitFor({ state: 'detached' });
    await becomes('the notice goes', async () => (await shown())[0].open, false);
  },

  async 'keys are in a sheet, and single keys can be switched off'() {
    await anna.page.keyboard.press('?');
    await anna.page.getByRole('dialog').waitFor();
    await look('handset-keys');
    await anna.page.getByLabel('Use single keys as shortcuts').uncheck();
    await anna.page.keyboard.press('Escape');
    await anna.page.getByRole('dialog').waitFor({ state: 'detached' });
    await anna.page.keyboard.press('?');
    assert.equal(await anna.page.getByRole('dialog').count(), 0);
    await button(anna.page, 'Keys').click();
    await anna.page.getByLabel('Use single keys as shortcuts').check();
    await anna.page.keyboard.press('Escape');
    await anna.page.getByRole('dialog').waitFor({ state: 'detached' });
    await anna.page.keyboard.press('/');
    await focused('a single key leads to the field', anna.page.getByLabel('Call a person or a number'));
    await anna.page.getByLabel('Call a person or a number').blur();
  },

  async 'a refused microphone is told with what to do, the call can be dealt with in text, and trying again answers'() {
    const carla = await person('carla', 'asked');
    try {
      await carla.context.grantPermissions([]);
      await ready(carla.page);
      place(ringingAt('carla'));
      await dial(caller.page, 'carla');
      await ringing(carla.page).waitFor();
      await button(carla.page, 'Answer').click();
      await carla.page.getByText('The browser does not let this page use the microphone.').waitFor();
      await button(carla.page, 'Let them leave a message').waitFor();
      await carla.page.getByText('When are you open on Friday?').waitFor();
      await looks(carla.page, ['narrow-light', 'wide-dark'])('handset-mic-denied');
      await carla.context.grantPermissions(['microphone']);
      await button(carla.page, 'Try the microphone again').click();
      await caller.page.getByText('Talking').waitFor();
      await hears(caller.page, HERTZ.carla);
      await hears(carla.page, HERTZ.caller);
      await button(carla.page, 'Hang up').click();
      await idle(caller.page);
    } finally {
      await carla.close();
    }
  },

  async 'without a microphone the caller is not lost either'() {
    const dev = await person('dev', 'missing');
    try {
      await ready(dev.page);
      place(ringingAt('dev'));
      await dial(caller.page, 'dev');
      await dev.page.getByText('No microphone is plugged in.').waitFor();
      await looks(dev.page, ['narrow-light', 'wide-dark'])('handset-mic-missing');
      const asked = dev.page.waitForRequest((r) => r.url().endsWith('/desk'));
      await button(dev.page, 'Promise to call back').click();
      assert.equal((await asked).postDataJSON().command, 'callback');
      await button(dev.page, 'Decline').click();
      await idle(caller.page);
    } finally {
      await dev.close();
    }
  },

  async 'a manager sees whose call it is and may listen; in the call one sees who does'() {
    const talking = (who, listeners) => place({ ...talkingTo(...who), listeners });
    talking(['ben', 'carla'], []);
    const manager = await person('carla', 'allowed', 'manager');
    try {
      await manager.page.getByText('Talks to Ben Example, Carla Example').waitFor();
      await looks(manager.page, ['narrow-light', 'wide-dark'])('handset-manager');
      const asked = manager.page.waitForRequest((r) => r.url().endsWith('/desk'));
      await button(manager.page, 'Listen').click();
      assert.equal((await (await asked).response()).status(), 200);
      await gone(button(ben.page, 'Listen'));
      await dial(caller.page, 'anna');
      await ringing(anna.page).waitFor();
      await anna.page.keyboard.press('a');
      talking(['ben'], ['anna']);
      await anna.page.getByText('Somebody else has this call').waitFor();
      for (const name of ['Hold', 'Park', 'Give to…', 'Pause recording']) await becomes(name, () => button(anna.page, name).isDisabled(), true);
      await look('handset-listening');
      talking(['anna', 'ben'], ['carla']);
      await anna.page.getByText('Talking').waitFor();
      await anna.page.getByText('Listening: Carla Example').waitFor();
      await becomes('who talks can hold', () => button(anna.page, 'Hold').isDisabled(), false);
      await look('handset-three');
      assert.deepEqual(await asks(() => button(anna.page, 'Leave the call').click()), { command: 'leave' });
      await over();
      // Where the desk does not tell who listens, the manager's own page knows all the same, whatever becomes of the call.
      talking(['ben'], []);
      const rung = manager.page.waitForRequest((r) => r.url().endsWith('/desk'));
      await button(manager.page, 'Listen').click();
      assert.deepEqual((await rung).postDataJSON(), { command: 'listen' });
      await dial(caller.page, 'carla');
      await ringing(manager.page).waitFor();
      await manager.page.keyboard.press('a');
      await caller.page.getByText('Talking').waitFor();
      place({ ...heldBy('ben'), legs: [leg(null), leg('ben')] });
      await manager.page.getByText('Held by Ben Example').waitFor();
      for (const name of ['Hold', 'Park', 'Give to…', 'Pause recording']) assert.equal(await button(manager.page, name).isDisabled(), true, name);
      await asksNothing(async () => {
        await button(manager.page, 'Leave the call').click();
        await Promise.all([manager, caller].map(({ page }) => idle(page)));
      }, manager.page);
    } finally {
      await manager.close();
    }
  },

  async 'an emergency is seen to be one wherever it comes: rung, offered, in hand, on hold, waiting'() {
    const carla = await person('carla', 'allowed', 'user', urgentFor);
    const check = looks(carla.page, ['narrow-light', 'narrow-dark', 'wide-dark']);
    const urgent = (within) => within.getByText('Urgent', { exact: true }).waitFor();
    const brief = { reason: 'chest-pain', lines: [], note: 'Father has chest pain', by: 'anna', wants_answer: false };
    try {
      await ready(carla.page);
      // Waiting for anybody, then offered while another telephone of hers is up.
      place({ ...ringingAt('ben'), brief });
      await urgent(carla.page.getByRole('listitem'));
      await carla.page.getByText('Chest pain', { exact: true }).waitFor();
      await check('handset-urgent-waiting');
      // Given back: it rings here.
      place({ ...ringingAt('carla'), brief });
      await dial(caller.page, 'carla');
      await urgent(carla.page.getByRole('region', { name: /^Incoming call/ }));
      await becomes('the title', () => carla.page.title(), 'Urgent call from 01632 960123');
      await check('handset-urgent-ringing');
      const offer = (answered) =>
        place({ stage: { is: 'consulting', by: 'anna', to: 'carla', briefing: 'text', answered, since: Date.now() }, brief: { ...brief, wants_answer: true } });
      offer(false);
      await check('handset-urgent-offered-ringing');
      await carla.page.keyboard.press('a');
      offer(true);
      await carla.page.getByText('Offered to you').waitFor();
      const inHand = carla.page.getByRole('region', { name: /^01632 960123/ });
      await urgent(inHand);
      await check('handset-urgent-offered-answered');
      await button(carla.page, 'Accept').click();
      await carla.page.getByText('Talking').waitFor();
      await urgent(inHand);
      await check('handset-urgent-talking');
      // A second call, for which it is held.
      await dial(ben.page, 'carla');
      await ringing(carla.page).waitFor();
      await carla.page.keyboard.press('a');
      await carla.page.getByRole('region', { name: 'Ben Example' }).waitFor();
      await carla.page.getByText('On hold').waitFor();
      await urgent(carla.page);
      await check('handset-urgent-held');
      await button(ben.page, 'Hang up').click();
      await over(caller);
    } finally {
      await carla.close();
    }
  },

  async 'the kill switch is one press, and back'() {
    await button(anna.page, 'Stop answering').click();
    await anna.page.getByText('Not answering: calls go to the desk').waitFor();
    await button(ben.page, 'Answer again').click();
    await anna.page.getByText('Answering by itself').waitFor();
  },

  async 'a machine without a desk is told apart from one that fails, and asked again'() {
    const body = JSON.stringify({ code: 'desk.not_configured', message: '', hint: '', trace: null });
    await ben.page.route('**/api/v1/handset', (route) => route.fulfill({ status: 503, contentType: 'application/json', body }));
    await ben.page.reload();
    await ben.page.getByText('No desk is set up on this machine.').waitFor();
    await looks(ben.page, ['narrow-light', 'wide-dark'])('handset-no-desk');
    await ben.page.unroute('**/api/v1/handset');
    await button(ben.page, 'Try now').click();
    await ready(ben.page);
  },

  async 'every language speaks, also from right to left and without motion'() {
    for (const [locale, word] of [['de', 'Bereit'], ['fr', 'Prêt'], ['es', 'Listo']]) {
      await anna.page.getByRole('combobox', { name: /Language|Sprache|Langue|Idioma/ }).selectOption(locale);
      await anna.page.getByText(word).first().waitFor();
      await look(`handset-${locale}`);
    }
    place(ringingAt('anna'));
    await dial(caller.page, 'anna');
    await anna.page.getByRole('heading', { name: /01632 960123/ }).waitFor();
    await anna.page.evaluate(() => (document.documentElement.dir = 'rtl'));
    await anna.page.emulateMedia({ reducedMotion: 'reduce' });
    await look('handset-rtl');
    await anna.page.keyboard.press('a');
    place(talkingTo('anna'));
    await hears(caller.page, HERTZ.anna);
    await look('handset-es-talking');
    await button(caller.page, 'Hang up').click();
    await anna.page.getByRole('combobox', { name: 'Idioma' }).selectOption('en');
    await ready(anna.page);
  },

  async 'a session that ends in mid-call does not end the call'() {
    place(talkingTo('anna'));
    await connected(caller);
    await becomes('signing out waits for the end of the call', () => button(anna.page, 'Sign out').isDisabled(), true);
    await anna.page.evaluate(() => fetch('/api/v1/session', { method: 'DELETE' }));
    await anna.page.getByText('Your session has ended.').waitFor();
    for (const name of ['Hold', 'Give to…', 'Park', 'Pause recording']) await becomes(name, () => button(anna.page, name).isDisabled(), true);
    await look('handset-session-over');
    await hears(caller.page, HERTZ.anna);
    await hears(anna.page, HERTZ.caller);
    await button(anna.page, 'Hang up').click();
    await anna.page.getByLabel('Access code').waitFor();
  },
};

await walk(steps, {
  wanted: (name, n) => n === 0 || name.includes(ONLY),
  complaints: () => everybody.flatMap(({ name, page }) => page.complaints.splice(0).map((c) => `${name}: ${c}`)),
  failed: async () => {
    if (SHOTS) for (const p of everybody) await p.page.screenshot({ path: join(SHOTS, `failed-${p.name}.png`) });
    return kamailio.said();
  },
  stop: async () => {
    await Promise.all(everybody.map((p) => p.close()));
    await kamailio.stop();
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  },
});
