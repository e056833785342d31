// What the desk takes from somebody in a call, from what is shown of the call: what it would refuse is not offered. The desk
// has the last word; what cannot be seen here it refuses itself, and says why. Pure.
import type { CallDesk, CallId } from '../api';

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

/** Who placed a call within the clinic, and whom they rang; null for a caller's call. */
export type Inside = { from: string; to: string } | null;

export interface Place {
  desk: CallDesk | null;
  isMe: (user: string) => boolean;
  inside: Inside;
  /** They have not yet said whether they take the call. */
  asked: boolean;
  /** They came to supervise. The desk need not tell that of them. */
  supervises: boolean;
}

export const NOTHING: May = { hold: null, park: false, give: false, consult: false, pause: false, leave: false, bar: null };
const ALL: May = { hold: 'desk', park: true, give: true, consult: true, pause: true, leave: false, bar: null };

/** Of somebody whose telephone is up in a call that has an id. */
export function may(place: Place): May {
  const { desk, isMe, inside, asked } = place;
  if (asked) return { ...NOTHING, bar: { is: 'asked' } };
  if (desk === null) return ALL;
  const { stage } = desk;
  switch (stage.is) {
    case 'talking':
    case 'held':
      break;
    case 'consulting':
      // Our telephone was quicker than the desk.
      if (isMe(stage.to) && !stage.answered) return { ...NOTHING, bar: { is: 'apart' } };
      break;
    default:
      return { ...NOTHING, bar: { is: 'apart' } };
  }
  if (supervises(place, desk)) return { ...NOTHING, leave: true, bar: { is: 'supervises' } };
  if (wasRung(desk, inside, isMe)) {
    return { ...NOTHING, hold: 'line', pause: true, bar: { is: 'rung', host: inside?.from ?? '' } };
  }
  // Who is left alone with nobody must hang up: of an inside call both ends are among those who talk.
  const leave = stage.is === 'talking' && stage.who.length > (inside === null ? 1 : 2);
  const host = stage.is === 'talking' || stage.by === '' || isMe(stage.by) ? null : stage.by;
  if (host !== null) return { ...ALL, park: false, consult: false, leave, bar: { is: 'third', host } };
  return { ...ALL, consult: stage.is !== 'consulting', leave };
}

/** Whether we only hear others, or are heard beside them: the desk does not count us among those who talk. It does once whoever
 * had the caller has left them to us. */
function supervises({ isMe, supervises: came }: Place, { stage, listeners }: CallDesk): boolean {
  if (listeners.some(isMe)) return true;
  if (stage.is === 'talking') return !stage.who.some(isMe);
  if (stage.is === 'consulting' && isMe(stage.to)) return false;
  return came && !('by' in stage && isMe(stage.by));
}

/** Whether we are in the place of whom a colleague rang, also when we took their ringing. It is a caller's place. */
export function wasRung(desk: CallDesk | null, inside: Inside, isMe: Place['isMe']): boolean {
  if (inside === null || isMe(inside.from)) return false;
  if (isMe(inside.to)) return true;
  // With them in it, or with somebody outside, there is another place for us: we have the call, or were asked to join.
  if (desk === null || has(desk, inside.to) || has(desk, 'outside')) return false;
  return !('by' in desk.stage && isMe(desk.stage.by));
}

/** Whether somebody is in a call, and does not just ring for it. */
function has({ stage, legs }: CallDesk, user: string): boolean {
  const leg = legs.some((l) => l.party.is === 'user' && l.party.user === user);
  if (stage.is === 'ringing') return leg && !stage.who.includes(user);
  return leg || (stage.is === 'talking' && stage.who.includes(user));
}

/** Whether a caller who rings at somebody may be sent to a message, a callback or somebody else by them: only while nobody has
 * the caller, and colleagues are no callers. */
export function maySeeTo(desk: CallDesk | null, inside: Inside): boolean {
  if (inside !== null) return false;
  return desk === null || ['automation', 'queued', 'ringing', 'parked'].includes(desk.stage.is);
}

/** Whether the desk's own hold is on, and ours to end. What other telephones do besides does not change that. */
export function heldHere(place: Place): boolean {
  const { desk, isMe } = place;
  if (desk?.on_hold !== true || may(place).hold !== 'desk') return false;
  // Who is asked by voice talks to whoever asks, while the caller waits.
  return desk.stage.is !== 'consulting' || desk.stage.by === '' || isMe(desk.stage.by);
}

/** Whether somebody else's telephone, or the desk for them, holds us. */
export function heldThere(place: Place): boolean {
  const { desk, inside, isMe } = place;
  if (desk?.stage.is !== 'held' || supervises(place, desk)) return false;
  return othersHold(desk, isMe) || (desk.on_hold === true && wasRung(desk, inside, isMe));
}

function othersHold(desk: CallDesk, isMe: Place['isMe']): boolean {
  return desk.legs.some((l) => l.held && !(l.party.is === 'user' && isMe(l.party.user)));
}

/** Where a call of ours that is at the desk no more goes on: a telephone has joined whom it talked to, us, with its other call.
 * Nobody tells us so. `ours` are the calls we know to be in. */
export function movedTo(board: CallDesk[], ours: (CallId | null)[], isMe: Place['isMe']): CallId | null {
  const mine = (d: CallDesk) => d.legs.some((l) => l.party.is === 'user' && isMe(l.party.user));
  const there = board.filter((d) => ['talking', 'held', 'consulting'].includes(d.stage.is) && !ours.includes(d.call) && mine(d));
  // Of several there is no telling which: another telephone of ours may be in one.
  return there.length === 1 ? (there[0]?.call ?? null) : null;
}

/** The call in hand: the one we have not turned away from, else the first that is left. */
export function inHand<C extends { phase: string; away: boolean }>(calls: C[]): C | null {
  const at = (phase: string) => calls.find((c) => c.phase === phase && !c.away);
  return at('talking') ?? at('calling') ?? calls.find((c) => c.phase === 'talking' || c.phase === 'calling') ?? null;
}
