// Which key does what. Pure.

export type Action = 'answer' | 'hold' | 'mute' | 'give' | 'park' | 'keypad' | 'note' | 'search' | 'sheet';

export const KEYS: Record<Action, string> = {
  answer: 'A',
  hold: 'H',
  mute: 'M',
  give: 'T',
  park: 'P',
  keypad: 'D',
  note: 'N',
  search: '/',
  sheet: '?',
};

const actions = new Map(Object.entries(KEYS).map(([action, key]) => [key.toLowerCase(), action as Action]));

export interface Pressed {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  repeat: boolean;
}

/** What a key asks for, unless somebody is typing: then letters are letters. */
export function action(e: Pressed, typing: boolean): Action | null {
  if (typing || e.ctrlKey || e.altKey || e.metaKey || e.repeat) return null;
  return actions.get(e.key.toLowerCase()) ?? null;
}

/** The keypad's tone of a key, while the keypad is open. */
export function tone(e: Pressed, typing: boolean): string | null {
  if (typing || e.ctrlKey || e.altKey || e.metaKey || e.repeat) return null;
  return /^[0-9*#]$/.test(e.key) ? e.key : null;
}

/** Whether what has the focus takes text. */
export function takesText(tag: string, type: string | null, editable: boolean): boolean {
  if (editable || tag === 'TEXTAREA' || tag === 'SELECT') return true;
  return tag === 'INPUT' && !['checkbox', 'radio', 'button', 'range'].includes(type ?? 'text');
}
