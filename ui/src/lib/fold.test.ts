import { describe, expect, it } from 'vitest';
import type { CallEvent, DecisionRecord, EventKind } from './api';
import { apply, fold, summary, type CallView, type Words } from './fold';

const call = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const events = (...kinds: EventKind[]): CallEvent[] =>
  kinds.map((kind, i) => ({ call, trace: call, seq: i + 1, at: 1_000 + i, mono: i, kind }));

function view(...kinds: EventKind[]): CallView {
  const v = fold(events(...kinds));
  if (v === null) throw new Error('no events');
  return v;
}
const words = (v: CallView): Words[] => v.items.filter((i) => i.kind === 'words');

const offered: EventKind = { type: 'offered', from: '01632 960123', to: 'desk', trunk: 'main' };
const partial = (turn: number, text: string): EventKind => ({ type: 'partial', side: 'caller', turn, text });
const heard = (turn: number, text: string): EventKind => ({
  type: 'heard',
  side: 'caller',
  turn,
  text,
  confidence: 0.9,
  start: 0,
  end: 1,
  recogniser: 'keypad',
  decode_ms: 1,
});
const record: DecisionRecord = {
  turn: 1,
  decision: 'answer',
  gate: 'none',
  entry: { id: 'opening-hours', version: 2, score: 0.9 },
  candidates: [
    { id: 'opening-hours', version: 2, score: 0.9 },
    { id: 'parking', version: 1, score: 0.3 },
  ],
  policy_version: '1',
};

describe('fold', () => {
  it('replaces partial words by what was heard, and never the other way round', () => {
    const v = view(offered, partial(1, 'when'), partial(1, 'when do'));
    expect(words(v).map((w) => [w.text, w.partial])).toEqual([['when do', true]]);
    for (const e of events(heard(1, 'when do you open'), partial(1, 'when do you'))) apply(v, e);
    expect(words(v).map((w) => [w.text, w.partial])).toEqual([['when do you open', false]]);
    expect([v.firstWords, v.turns]).toEqual(['when do you open', 1]);
  });

  it('hangs the decision on the turn and gives the answer its runner-up', () => {
    const v = view(
      offered,
      heard(1, 'when do you open'),
      { type: 'decided', record },
      { type: 'said', say: 1, turn: 1, text: 'At eight.', entry: { id: 'opening-hours', version: 2, score: 0.9 }, ms_to_audio: 640 },
    );
    const [asked, said] = words(v);
    expect(asked?.record?.decision).toBe('answer');
    expect(said?.record?.candidates[1]?.id).toBe('parking');
    expect(said?.msToAudio).toBe(640);
    expect(v.answers).toBe(1);
  });

  it('marks what the caller cut off, and only that', () => {
    const say = (n: number): EventKind => ({ type: 'said', say: n, text: `${n}` });
    const v = view(offered, say(1), say(2), { type: 'barge_in', say: 1, action: 'paused' }, { type: 'barge_in', say: 2, action: 'dropped' });
    expect(words(v).map((w) => w.dropped)).toEqual([false, true]);
  });

  it('tells what people did as lines between the words', () => {
    const v = view(offered, { type: 'desk', what: 'answered', who: 'anna' }, { type: 'desk', what: 'parked', who: 'anna', slot: 71 });
    expect(v.items.map((i) => i.kind === 'note' && i.note)).toEqual([
      { type: 'desk', what: 'answered', who: 'anna', slot: null },
      { type: 'desk', what: 'parked', who: 'anna', slot: 71 },
    ]);
  });

  it('ends: half-said words go, the row in the list stays true', () => {
    const v = view(
      offered,
      { type: 'marked_urgent', why: 'chest pain' },
      heard(1, 'my chest hurts'),
      partial(2, 'and my'),
      { type: 'ended', reason: 'caller_hung_up', seconds: 12 },
    );
    expect(words(v)).toHaveLength(1);
    expect(summary(v)).toMatchObject({
      from: '01632 960123',
      urgent: true,
      ended: 'caller_hung_up',
      seconds: 12,
      first_words: 'my chest hurts',
    });
  });

  it('gives every item a key of its own', () => {
    const v = view(offered, heard(1, 'a'), heard(2, 'b'), { type: 'said', say: 1, text: 'c' }, { type: 'dtmf', digit: '5' });
    expect(new Set(v.items.map((i) => i.key)).size).toBe(v.items.length);
    expect(fold([])).toBeNull();
  });
});
