import { describe, expect, it } from 'vitest';
import type { CallDesk, DeskStage } from '../api';
import { heldHere, heldThere, inHand, may, maySeeTo, movedTo, wasRung, type Inside, type Place } from './may';

const isMe = (user: string) => user === 'anna';
const desk = (stage: DeskStage, more: Partial<CallDesk> = {}): CallDesk => ({
  call: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  stage,
  legs: [],
  listeners: [],
  ...more,
});
const at = (d: CallDesk | null, more: Partial<Place> = {}): Place => ({ desk: d, isMe, inside: null, asked: false, supervises: false, ...more });
const of = (stage: DeskStage, more: Partial<Place> = {}, as: Partial<CallDesk> = {}) => may(at(desk(stage, as), more));
const leg = (user: string | null, isHeld = false) => ({
  leg: '01ARZ3NDEKTSV4RRFFQ69G5FAW',
  party: user === null ? { is: 'caller' as const } : { is: 'user' as const, user },
  held: isHeld,
  encrypted: true,
});
/** What is barred, and why. */
const barred = (m: ReturnType<typeof may>) =>
  [Object.entries(m).flatMap(([what, can]) => (can === false || (what === 'hold' && can === null) ? [what] : [])).join(' '), m.bar?.is] as const;

const talking = (...who: string[]): DeskStage => ({ is: 'talking', who, since: 0 });
const held = (by: string): DeskStage => ({ is: 'held', by, since: 0 });
const consulting = (by: string, to: string, answered: boolean, briefing: 'spoken' | 'text' = 'spoken'): DeskStage => ({
  is: 'consulting', by, to, briefing, answered, since: 0,
});
const rungs = { hold: 'line', park: false, give: false, consult: false, pause: true, leave: false };
const everything = 'hold park give consult pause leave';

describe('what the desk takes', () => {
  it('is everything of who has the caller, and they leave only to others', () => {
    expect(barred(of(talking('anna')))).toEqual(['leave', undefined]);
    expect(barred(of(held('anna')))).toEqual(['leave', undefined]);
    expect(barred(of(talking('anna', 'ben')))).toEqual(['', undefined]);
    expect(barred(of(consulting('anna', 'ben', true)))).toEqual(['consult leave', undefined]);
    expect(barred(may(at(null)))).toEqual(['leave', undefined]);
  });

  it('is nothing of who does not talk: offered, not put through yet, or supervising', () => {
    expect(barred(of(consulting('ben', 'anna', true, 'text'), { asked: true }))).toEqual([everything, 'asked']);
    expect(barred(of({ is: 'ringing', who: [], since: 0 }, { asked: true }))).toEqual([everything, 'asked']);
    expect(barred(of(consulting('ben', 'anna', false)))).toEqual([everything, 'apart']);
    for (const stage of [
      { is: 'ringing', who: ['anna'], since: 0 },
      { is: 'automation' },
      { is: 'queued', position: 1, since: 0 },
      { is: 'parked', slot: 71, by: 'anna', since: 0 },
      { is: 'voicemail', since: 0 },
    ] satisfies DeskStage[]) {
      expect(barred(of(stage))).toEqual([everything, 'apart']);
    }
    expect(barred(of(talking('ben')))).toEqual(['hold park give consult pause', 'supervises']);
    expect(barred(of(held('ben'), {}, { listeners: ['anna'] }))).toEqual(['hold park give consult pause', 'supervises']);
  });

  it('is nothing of who came to supervise, told of or not, until the call is left to them', () => {
    const came = { supervises: true };
    for (const stage of [talking('ben'), held('ben'), consulting('ben', 'carla', false), consulting('ben', 'carla', true)]) {
      expect(barred(of(stage, came))).toEqual(['hold park give consult pause', 'supervises']);
    }
    for (const stage of [talking('anna'), held('anna'), consulting('anna', 'carla', true)]) {
      expect(of(stage, came)).toMatchObject({ hold: 'desk', park: true, bar: null });
    }
    expect(of(consulting('ben', 'anna', true), came).bar?.is).toBe('third');
  });

  it('is less of who is in it beside somebody who has the caller', () => {
    expect(of(held('ben')).bar).toEqual({ is: 'third', host: 'ben' });
    expect(barred(of(consulting('ben', 'anna', true)))).toEqual(['park consult leave', 'third']);
  });

  it('is little of whom a colleague rang: their own telephone holds', () => {
    const inside = { from: 'ben', to: 'anna' };
    const rung = of(talking('anna', 'ben'), { inside });
    expect(rung).toMatchObject({ hold: 'line', pause: true, bar: { is: 'rung', host: 'ben' } });
    expect(barred(rung)[0]).toBe('park give consult leave');
    expect(barred(of(talking('anna', 'ben'), { inside: { from: 'anna', to: 'ben' } }))).toEqual(['leave', undefined]);
    expect(barred(of(talking('anna', 'ben', 'carla'), { inside: { from: 'anna', to: 'ben' } }))).toEqual(['', undefined]);
  });

  it('is as little of who took the ringing of whom a colleague rang', () => {
    const inside = { from: 'ben', to: 'carla' };
    for (const stage of [talking('anna', 'ben'), held('ben'), consulting('ben', 'dev', false)]) {
      const taken = of(stage, { inside }, { legs: [leg('anna'), leg('ben')] });
      expect(taken).toMatchObject({ ...rungs, bar: { is: 'rung', host: 'ben' } });
    }
  });
});

describe('without speaking', () => {
  it('callers whom nobody has are seen to', () => {
    const seeTo = (stage: DeskStage, inside: Inside = null) => maySeeTo(desk(stage), inside);
    const ringing: DeskStage = { is: 'ringing', who: ['anna'], since: 0 };
    expect([seeTo(ringing), seeTo({ is: 'automation' }), maySeeTo(null, null)]).toEqual([true, true, true]);
    expect([seeTo(ringing, { from: 'ben', to: 'anna' }), seeTo(consulting('ben', 'anna', false, 'text')), seeTo(talking('ben'))]).toEqual([false, false, false]);
  });
});

describe('in the place of whom a colleague rang', () => {
  const inside = { from: 'ben', to: 'carla' };
  const ringing: DeskStage = { is: 'ringing', who: ['anna', 'carla'], since: 0 };
  it.each<[string, DeskStage, Inside, string[], boolean]>([
    ['whom they rang', talking('anna', 'ben'), { from: 'ben', to: 'anna' }, ['anna', 'ben'], true],
    ['who placed it', talking('anna', 'ben'), { from: 'anna', to: 'ben' }, ['anna', 'ben'], false],
    ['who has a caller', talking('anna'), null, ['anna'], false],
    ['who is about to take the ringing', ringing, inside, ['anna', 'ben', 'carla'], true],
    ['who took it', held('ben'), inside, ['anna', 'ben'], true],
    ['who joined them', talking('anna', 'ben', 'carla'), inside, ['anna', 'ben', 'carla'], false],
    ['who waits with them', held('ben'), inside, ['anna', 'ben', 'carla'], false],
    ['who was given it', { is: 'ringing', who: ['anna'], since: 0 }, inside, ['anna', 'carla'], false],
    ['who was given it and has it', held('anna'), inside, ['anna', 'carla'], false],
    ['who was given a call to a number', talking('anna', 'outside'), { from: 'ben', to: '01632960001' }, ['anna', 'outside'], false],
  ])('%s', (_, stage, inside, users, is) => {
    expect(wasRung(desk(stage, { legs: users.map((u) => leg(u)) }), inside, isMe)).toBe(is);
  });
});

describe('hold', () => {
  const sides = (d: CallDesk, more: Partial<Place> = {}) => [heldHere(at(d, more)), heldThere(at(d, more))];
  const rung = { inside: { from: 'ben', to: 'anna' } };

  it('is ours when the desk’s is on, whatever other telephones do', () => {
    expect(sides(desk(talking('anna')))).toEqual([false, false]);
    expect(sides(desk(held('anna'), { on_hold: true }))).toEqual([true, false]);
    expect(sides(desk(held('anna'), { legs: [leg(null, true), leg('anna')] }))).toEqual([false, true]);
    expect(sides(desk(held('anna'), { on_hold: true, legs: [leg(null, true), leg('anna')] }))).toEqual([true, true]);
    expect(sides(desk(held('anna'), { legs: [leg(null), leg('anna', true)] }))).toEqual([false, false]);
    expect(sides(desk(held('anna'), { on_hold: true, legs: [leg('anna'), leg('ben', true)] }), { inside: { from: 'anna', to: 'ben' } })).toEqual([true, true]);
  });

  it('is not hidden by asking somebody', () => {
    for (const briefing of ['text', 'spoken'] as const) {
      expect(sides(desk(consulting('anna', 'ben', true, briefing), { on_hold: true }))).toEqual([true, false]);
      expect(sides(desk(consulting('anna', 'ben', true, briefing)))).toEqual([false, false]);
    }
  });

  it('is for anybody to end who has the caller with others, and not for who was rung, asked or supervises', () => {
    const on_hold = true;
    expect(sides(desk(held('ben'), { on_hold }))).toEqual([true, false]);
    expect(sides(desk(consulting('ben', 'anna', true), { on_hold }))).toEqual([false, false]);
    expect(sides(desk(held('ben'), { on_hold }), rung)).toEqual([false, true]);
    expect(sides(desk(held('ben'), { legs: [leg('anna'), leg('ben', true)] }), rung)).toEqual([false, true]);
    expect(sides(desk(held('ben'), { legs: [leg('anna', true), leg('ben')] }), rung)).toEqual([false, false]);
    expect(sides(desk(held('ben'), { on_hold, legs: [leg(null), leg('ben', true)] }), { supervises: true })).toEqual([false, false]);
  });
});

describe('the call in hand', () => {
  const call = (phase: string, away = false) => ({ phase, away });
  it('is the one we have not turned away from', () => {
    const [first, second, made] = [call('talking', true), call('talking'), call('calling')];
    expect(inHand([first, second])).toBe(second);
    expect(inHand([first, made])).toBe(made);
    expect(inHand([made, second])).toBe(second);
    expect(inHand([call('ringing'), first])).toBe(first);
    expect(inHand([call('ringing'), call('answering')])).toBe(null);
  });
});

describe('a call whose id the desk knows no more', () => {
  const [A, B, C] = ['A', 'B', 'C'];
  const there = (call: string, stage: DeskStage, ...users: string[]): CallDesk => desk(stage, { call, legs: [leg(null), ...users.map((u) => leg(u))] });
  it('goes on where a leg of ours is that is no other call’s', () => {
    expect(movedTo([there(B, talking('anna'), 'anna'), there(C, talking('ben'), 'ben')], [A], isMe)).toBe(B);
    expect(movedTo([there(B, talking('anna'), 'anna')], [A, B], isMe)).toBe(null);
    expect(movedTo([there(B, { is: 'ringing', who: ['anna'], since: 0 }, 'anna')], [A], isMe)).toBe(null);
    expect(movedTo([there(B, talking('anna'), 'anna'), there(C, held('anna'), 'anna')], [A], isMe)).toBe(null);
    expect(movedTo([there(B, talking('anna'), 'anna'), there(C, held('anna'), 'anna')], [A, C], isMe)).toBe(B);
    expect(movedTo([there(B, talking('ben'), 'ben')], [A], isMe)).toBe(null);
  });
});
