import { describe, expect, it } from 'vitest';
import { action, takesText, tone } from './keys';

const press = (key: string, more = {}) => ({ key, ctrlKey: false, altKey: false, metaKey: false, repeat: false, ...more });

describe('keys', () => {
  it('are the ones in the sheet, in either case', () => {
    expect(['a', 'A', 'h', 'm', 't', 'p', 'd', 'n', '/', '?'].map((k) => action(press(k), false))).toEqual([
      'answer', 'answer', 'hold', 'mute', 'give', 'park', 'keypad', 'note', 'search', 'sheet',
    ]);
  });
  it('are letters while somebody types, and nothing with a modifier or held down', () => {
    expect(action(press('a'), true)).toBeNull();
    for (const more of [{ ctrlKey: true }, { altKey: true }, { metaKey: true }, { repeat: true }]) {
      expect(action(press('a', more), false)).toBeNull();
    }
    expect(action(press('x'), false)).toBeNull();
  });
  it('are tones on the keypad', () => {
    expect(['5', '*', '#', 'a', 'Enter'].map((k) => tone(press(k), false))).toEqual(['5', '*', '#', null, null]);
    expect(tone(press('5'), true)).toBeNull();
  });
  it('know what takes text', () => {
    expect(takesText('INPUT', 'text', false)).toBe(true);
    expect(takesText('INPUT', null, false)).toBe(true);
    expect(takesText('SELECT', null, false)).toBe(true);
    expect(takesText('INPUT', 'checkbox', false)).toBe(false);
    expect(takesText('BUTTON', 'submit', false)).toBe(false);
    expect(takesText('DIV', null, true)).toBe(true);
  });
});
