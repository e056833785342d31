// What the desk takes from somebody in a call, from what is shown of the call: what it would refuse is not offered. The desk
// has the last word; what cannot be seen here it refuses itself, and says why. Pure.
import type { CallDesk } from '../api';

/** Why not everything can be done: they only decide whether they take the call; they do not talk to anybody yet, or any more;
 * they only supervise; their session has ended; they were rung by a colleague, whose call it is; somebody else has the caller. */
export type Bar = { is: 'asked' | 'apart' | 'supervises' | 'signed_out' } | { is: 'rung' | 'third'; host: string };

export interface May {
  /** By the desk, or by our own telephone alone. */
  hold: 'desk' | 'line' | null;
  park: boolean;
  /** At once. */
  give: boolean;
  /** Ask somebody first whether they take it. */
  consult: boolean;
  /** Pause what is kept of it. */
  pause: boolean;
  /** Leave it to the others. */
  leave: boolean;
  bar: Bar | null;
}

export interface Place {
  desk: CallDesk | null;
  isMe: (user: string) => boolean;
  /** Who placed the call, and whom they rang; null for a caller's call. */
  inside: { from: string; to: string } | null;
  /** They have not yet said whether they take the call. */
  asked: boolean;
}

export const NOTHING: May = { hold: null, park: false, give: false, consult: false, pause: false, leave: false, bar: null };
const ALL: May = { hold: 'desk', park: true, give: true, consult: true, pause: true, leave: false, bar: null };

/** Of somebody whose telephone is up in a call that has an id. */
export function may({ desk, isMe, inside, asked }: Place): May {
  if (asked) return { ...NOTHING, bar: { is: 'asked' } };
  if (desk === null) return ALL;
  const { stage } = desk;
  switch (stage.is) {
    case 'talking':
      if (!stage.who.some(isMe)) return { ...NOTHING, leave: true, bar: { is: 'supervises' } };
      break;
    case 'consulting':
      // Our telephone was quicker than the desk.
      if (isMe(stage.to) && !stage.answered) return { ...NOTHING, bar: { is: 'apart' } };
      break;
    case 'held':
      break;
    default:
      return { ...NOTHING, bar: { is: 'apart' } };
  }
  if (desk.listeners.some(isMe)) return { ...NOTHING, leave: true, bar: { is: 'supervises' } };
  if (wasRung(inside, isMe)) {
    return { ...NOTHING, hold: 'line', pause: true, bar: { is: 'rung', host: inside?.from ?? '' } };
  }
  // Who is left alone with nobody must hang up: of an inside call both ends are among those who talk.
  const leave = stage.is === 'talking' && stage.who.length > (inside === null ? 1 : 2);
  const host = stage.is === 'talking' || stage.by === '' || isMe(stage.by) ? null : stage.by;
  if (host !== null) return { ...ALL, park: false, consult: false, leave, bar: { is: 'third', host } };
  return { ...ALL, consult: stage.is !== 'consulting', leave };
}

/** Whether we are the one whom a colleague rang. Their place in the call is a caller's. */
export function wasRung(inside: Place['inside'], isMe: Place['isMe']): boolean {
  return inside !== null && isMe(inside.to);
}

/** Whether a caller who rings at somebody may be sent to a message, a callback or somebody else by them: only while nobody has
 * the caller, and colleagues are no callers. */
export function maySeeTo(desk: CallDesk | null, inside: Place['inside']): boolean {
  if (inside !== null) return false;
  return desk === null || ['automation', 'queued', 'ringing', 'parked'].includes(desk.stage.is);
}

/** Whether the call is on hold by the desk, and not because somebody else's telephone holds us. */
export function heldHere(desk: CallDesk | null, inside: Place['inside'], isMe: Place['isMe']): boolean {
  return desk?.stage.is === 'held' && !wasRung(inside, isMe) && !othersHold(desk, isMe);
}

/** Whether somebody else's telephone, or the desk for them, holds us. */
export function heldThere(desk: CallDesk | null, inside: Place['inside'], isMe: Place['isMe']): boolean {
  return desk?.stage.is === 'held' && (wasRung(inside, isMe) || othersHold(desk, isMe));
}

function othersHold(desk: CallDesk, isMe: Place['isMe']): boolean {
  return desk.legs.some((l) => l.held && !(l.party.is === 'user' && isMe(l.party.user)));
}
