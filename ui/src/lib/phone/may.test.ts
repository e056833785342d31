import { describe, expect, it } from 'vitest';
import type { CallDesk, DeskStage } from '../api';
import { heldHere, heldThere, may, maySeeTo, type Place } from './may';

const isMe = (user: string) => user === 'anna';
const desk = (stage: DeskStage, more: Partial<CallDesk> = {}): CallDesk => ({
  call: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  stage,
  legs: [],
  listeners: [],
  ...more,
});
const of = (stage: DeskStage, more: Partial<Place> = {}, as: Partial<CallDesk> = {}) =>
  may({ desk: desk(stage, as), isMe, inside: null, asked: false, ...more });
/** What is barred, and why. */
const barred = (m: ReturnType<typeof may>) =>
  [Object.entries(m).flatMap(([what, can]) => (can === false || (what === 'hold' && can === null) ? [what] : [])).join(' '), m.bar?.is] as const;

const talking = (...who: string[]): DeskStage => ({ is: 'talking', who, since: 0 });
const held = (by: string): DeskStage => ({ is: 'held', by, since: 0 });
const consulting = (by: string, to: string, answered: boolean, briefing: 'spoken' | 'text' = 'spoken'): DeskStage => ({
  is: 'consulting', by, to, briefing, answered, since: 0,
});
const everything = 'hold park give consult pause leave';

describe('what the desk takes', () => {
  it('is everything of who has the caller, and they leave only to others', () => {
    expect(barred(of(talking('anna')))).toEqual(['leave', undefined]);
    expect(barred(of(held('anna')))).toEqual(['leave', undefined]);
    expect(barred(of(talking('anna', 'ben')))).toEqual(['', undefined]);
    expect(barred(of(consulting('anna', 'ben', true)))).toEqual(['consult leave', undefined]);
    expect(barred(may({ desk: null, isMe, inside: null, asked: false }))).toEqual(['leave', undefined]);
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
});

describe('without speaking', () => {
  it('callers whom nobody has are seen to', () => {
    const at = (stage: DeskStage, inside: Place['inside'] = null) => maySeeTo(desk(stage), inside);
    const ringing: DeskStage = { is: 'ringing', who: ['anna'], since: 0 };
    expect([at(ringing), at({ is: 'automation' }), maySeeTo(null, null)]).toEqual([true, true, true]);
    expect([at(ringing, { from: 'ben', to: 'anna' }), at(consulting('ben', 'anna', false, 'text')), at(talking('ben'))]).toEqual([false, false, false]);
  });
});

describe('hold', () => {
  it('is ours, or somebody else’s', () => {
    const leg = (user: string | null, isHeld: boolean) => ({
      leg: '01ARZ3NDEKTSV4RRFFQ69G5FAW',
      party: user === null ? { is: 'caller' as const } : { is: 'user' as const, user },
      held: isHeld,
      encrypted: true,
    });
    const sides = (d: CallDesk, inside: Place['inside'] = null) => [heldHere(d, inside, isMe), heldThere(d, inside, isMe)];
    expect(sides(desk(held('anna')))).toEqual([true, false]);
    expect(sides(desk(talking('anna')))).toEqual([false, false]);
    expect(sides(desk(held('anna'), { legs: [leg(null, true), leg('anna', false)] }))).toEqual([false, true]);
    expect(sides(desk(held('anna'), { legs: [leg(null, false), leg('anna', true)] }))).toEqual([true, false]);
    expect(sides(desk(held('ben')), { from: 'ben', to: 'anna' })).toEqual([false, true]);
  });
});
