import { describe, expect, it } from 'vitest';
import { load, offered, present, problem, save, USUAL, type Sound } from './devices';

const all: Sound[] = [
  { id: 'default', label: 'Default', kind: 'audiooutput' },
  { id: 'h1', label: 'Headset', kind: 'audiooutput' },
  { id: 'm1', label: 'Headset', kind: 'audioinput' },
];

describe('devices', () => {
  it('falls back to the system’s choice while the one chosen is not there', () => {
    expect(present('h1', 'audiooutput', all)).toBe('h1');
    expect(present('gone', 'audiooutput', all)).toBe('');
    expect(present('m1', 'audiooutput', all)).toBe('');
  });
  it('offers each device once', () => {
    expect(offered('audiooutput', all).map((d) => d.id)).toEqual(['h1']);
  });
  it('keeps the choice, and survives rubbish', () => {
    let kept = '';
    save({ setItem: (_, v) => (kept = v) }, { mic: 'm1', speaker: '', ringer: 'h1' });
    expect(load({ getItem: () => kept })).toEqual({ mic: 'm1', speaker: '', ringer: 'h1' });
    for (const bad of ['{', 'null', '7', '{"mic":7}']) expect(load({ getItem: () => bad })).toEqual(USUAL);
  });
  it('tells a refusal from a missing or busy microphone', () => {
    expect(['NotAllowedError', 'NotFoundError', 'NotReadableError', 'TypeError'].map(problem)).toEqual([
      'denied', 'missing', 'busy', 'insecure',
    ]);
  });
});
