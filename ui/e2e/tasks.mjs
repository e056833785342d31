// Tasks and voicemail in two real browsers against the real server with scripted calls: what one takes the other sees at
// once. `ANTEROOM_SHOTS=1` keeps pictures; `ANTEROOM_E2E_SERVER` as in run.mjs.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { SHOTS, SIZES, becomes, fits, focused, gone, launch, layOver, looks, walk, watch } from './browser.mjs';
import { program, start } from './server.mjs';

const server = await start(program());

async function person(role, name) {
  const { context, close } = await launch();
  const page = await context.newPage();
  const complaints = watch(page);
  await layOver(page);
  await page.goto(await server.newLink(`${role} ${name}`));
  await page.getByRole('heading', { name: 'Tasks', exact: true }).waitFor();
  return { page, complaints, close };
}

const [anna, ben, mia] = await Promise.all([person('user', 'anna'), person('user', 'ben'), person('manager', 'mia')]);
const everybody = [anna, ben, mia];
const look = looks(anna.page, ['narrow-light', 'narrow-dark', 'wide-light', 'wide-dark']);

const panel = ({ page }) => page.getByRole('region', { name: 'Tasks' });
const task = (who, text) => panel(who).getByRole('article').filter({ hasText: text });
const button = (where, name) => where.getByRole('button', { name, exact: true });
const filter = (who, name) => panel(who).getByRole('group', { name: 'Which tasks' }).getByRole('button', { name });
const says = (where, text) => where.getByText(text).filter({ visible: true }).first().waitFor();
const open = (where) => where.getByRole('heading').getByRole('button').first().click();

const MESSAGE = 'Left a message';
const CALLBACK = 'Wanted a person';

const steps = {
  async 'tasks say what is overdue and who has them'() {
    // What a narrow screen shows stays in sight when the window grows and shrinks.
    await anna.page.setViewportSize(SIZES.narrow);
    await anna.page.getByRole('navigation').getByRole('button', { name: /Tasks/ }).click();
    await anna.page.setViewportSize(SIZES.wide);
    server.do('staff');
    server.do('voicemail');
    server.do('overdue');
    await Promise.all(everybody.map((who) => says(panel(who), MESSAGE)));
    await says(panel(anna), 'Overdue: 1');
    await says(task(anna, CALLBACK), /^overdue since/);
    await says(task(anna, MESSAGE), 'nobody has taken it');
    await look('tasks-list');
  },

  async 'what one takes the others see at once, and cannot take too'() {
    await button(task(anna, MESSAGE), 'Take').click();
    await says(task(anna, MESSAGE), 'you have it');
    await Promise.all([ben, mia].map((who) => says(task(who, MESSAGE), 'Anna Example has it')));
    await gone(button(task(ben, MESSAGE), 'Take'));
    await gone(button(task(ben, MESSAGE), 'Give back'));
    // A manager may give it away all the same.
    await button(task(mia, MESSAGE), 'Give back').waitFor();
    // A page that has not heard of it yet is refused clearly.
    const id = await ben.page.evaluate(async () => {
      const page = await (await fetch('/api/v1/tasks')).json();
      const { id } = page.tasks.find((t) => t.kind === 'voicemail');
      const r = await fetch(`/api/v1/tasks/${id}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"command":"take"}',
      });
      return `${r.status} ${(await r.json()).code}`;
    });
    assert.equal(id, '409 task.taken');
  },

  async 'the message is heard from where it begins, and who listened is asked for once'() {
    const asked = [];
    anna.page.on('request', (r) => {
      if (r.url().endsWith('/recording')) asked.push(r.url());
    });
    const card = task(anna, MESSAGE);
    await open(card);
    await button(card, 'Listen to the message').click();
    const player = card.locator('audio');
    await player.waitFor();
    const at = await player.evaluate(
      (audio) =>
        new Promise((done, failed) => {
          audio.addEventListener('error', () => failed(new Error(`${audio.error.message}`)));
          const look = () => {
            if (audio.currentTime >= 1) done([audio.currentTime, audio.duration]);
            else audio.addEventListener('timeupdate', look, { once: true });
          };
          look();
        }),
    );
    assert.ok(at[0] < 2.5, `it begins at the message, not at ${at[0]} s`);
    assert.ok(Math.abs(at[1] - 3.02) < 0.2, `all of it is there: ${at[1]} s`);
    // Back to the start of the call needs no second listening.
    await player.evaluate((audio) => (audio.currentTime = 0));
    await anna.page.waitForFunction(() => document.querySelector('audio').currentTime < 1);
    assert.equal(asked.length, 1, asked.join());
    await focused('the player has the focus', player);
    await look('tasks-player');
  },

  async 'with the keyboard alone: due later, a note, and done with what came of it'() {
    const { page } = anna;
    const card = task(anna, MESSAGE);
    const press = async (name) => {
      await button(card, name).focus();
      await page.keyboard.press('Enter');
    };
    await press('Due…');
    await becomes('the form has the focus', () => page.evaluate(() => document.activeElement.type), 'datetime-local');
    await press('Tomorrow at nine');
    await press('Save');
    await says(card, /Anna Example made it due .*09:00/);
    await becomes('the focus is back', () => page.evaluate(() => document.activeElement.getAttribute('aria-expanded')), 'true');
    await press('Note…');
    await focused('the note is typed at once', card.getByLabel('Note'));
    await page.keyboard.type('Is at work until four.');
    await page.keyboard.press('Escape');
    await gone(card.locator('form'));
    await press('Note…');
    await focused('the note is typed at once', card.getByLabel('Note'));
    await page.keyboard.type('Is at work until five.');
    await look('tasks-card');
    await card.getByLabel('Note').focus();
    await page.keyboard.press('Control+Enter');
    await says(card, 'Is at work until five.');
    assert.equal(await card.getByText('until four').count(), 0, 'what was left is not kept');
    await press('Done…');
    await press('Done');
    assert.equal(await card.locator('form').count(), 1, 'nobody closes a task without a word');
    await card.getByLabel('What came of it').fill('Rang back, moved to Monday.');
    await press('Done');
    await card.waitFor({ state: 'detached' });
    await becomes('the focus stays on the page', () => page.evaluate(() => document.activeElement.id), 'tasks-title');
    await Promise.all([ben, mia].map((who) => task(who, MESSAGE).waitFor({ state: 'detached' })));
  },

  async 'closed tasks tell what came of them, and are opened again'() {
    await filter(ben, 'Closed').click();
    const card = task(ben, MESSAGE);
    await says(card, /^done by Anna Example/);
    await says(card, 'Rang back, moved to Monday.');
    await open(card);
    await says(card, 'Anna Example did it');
    await button(card, 'Open again').click();
    await card.waitFor({ state: 'detached' });
    await filter(ben, 'To do').click();
    await says(task(ben, MESSAGE), 'nobody has taken it');
    await says(task(anna, MESSAGE), 'nobody has taken it');
  },

  async 'mine are those that I have, also when somebody gives them to me'() {
    await filter(ben, 'Mine').click();
    await says(panel(ben), 'You have taken none');
    const card = task(mia, CALLBACK);
    await open(card);
    await button(card, 'Give to…').click();
    await card.getByLabel('Give to').selectOption({ label: 'Ben Example' });
    await button(card, 'Save').click();
    await says(card, 'mia gave it to Ben Example');
    await says(task(ben, CALLBACK), 'you have it');
    await button(task(ben, CALLBACK), 'Give back').click();
    await task(ben, CALLBACK).waitFor({ state: 'detached' });
    await says(task(mia, CALLBACK), 'nobody has taken it');
  },

  async 'a task that needs no doing is struck off with a reason'() {
    const card = task(anna, CALLBACK);
    await open(card);
    await button(card, 'Not needed…').click();
    await card.getByLabel('Why it needs no doing').fill('Rang again herself.');
    await button(card, 'Not needed').click();
    await card.waitFor({ state: 'detached' });
    await filter(anna, 'Closed').click();
    await says(task(anna, CALLBACK), /^not needed, says Anna Example/);
    await look('tasks-closed');
    await filter(anna, 'To do').click();
  },

  async 'a narrow screen has it all, in every language, from right to left too'() {
    const { page } = anna;
    await page.setViewportSize(SIZES.narrow);
    await page.getByRole('navigation').getByRole('button', { name: /Tasks/ }).click();
    await open(task(anna, MESSAGE));
    await button(task(anna, MESSAGE), 'Due…').click();
    for (const [locale, word] of [['de', 'Was bisher geschah'], ['fr', 'Historique'], ['es', 'Historial'], ['en', 'History']]) {
      await page.getByRole('combobox', { name: /language|sprache|langue|idioma/i }).selectOption(locale);
      await page.getByRole('navigation').getByRole('button').nth(1).click();
      const article = page.getByRole('article').first();
      if ((await article.getByRole('heading').getByRole('button').first().getAttribute('aria-expanded')) === 'false') await open(article);
      await says(page, word);
      if (SHOTS) await page.screenshot({ path: join(SHOTS, `tasks-${locale}.png`) });
      await fits(page, locale);
    }
    await page.evaluate(() => (document.documentElement.dir = 'rtl'));
    await look('tasks-rtl');
    await page.evaluate(() => (document.documentElement.dir = 'ltr'));
  },
};

await walk(steps, {
  complaints: () => everybody.flatMap(({ complaints }) => complaints.splice(0)),
  failed: async () => {
    if (SHOTS) await Promise.all(everybody.map((p, n) => p.page.screenshot({ path: join(SHOTS, `failed-tasks-${n}.png`) })));
  },
  stop: async () => {
    await Promise.all(everybody.map((p) => p.close()));
    await server.stop();
  },
});
