// What a screen shows of a call, made from its events one at a time. Pure.
import type { CallEvent, CallId, CallSummary, DecisionRecord, DeskFact, EndReason, EntryRef, Side, TaskKind, Wall } from './api';

export interface Words {
  kind: 'words';
  key: string;
  side: Side;
  text: string;
  partial: boolean;
  confidence: number | null;
  turn: number | null;
  say: number | null;
  entry: EntryRef | null;
  record: DecisionRecord | null;
  msToAudio: number | null;
  dropped: boolean;
}

export type NoteKind =
  | { type: 'consent' }
  | { type: 'recording'; on: boolean }
  | { type: 'key'; digit: string }
  | { type: 'urgent'; why: string }
  | { type: 'task'; kind: TaskKind }
  | { type: 'hold'; held: boolean }
  | { type: 'recogniser'; from: string; to: string }
  | { type: 'watchdog' }
  | { type: 'poor'; who: string | null }
  | { type: 'desk'; what: DeskFact; who: string | null; slot: number | null }
  | { type: 'ended'; reason: EndReason };

export interface Note {
  kind: 'note';
  key: string;
  note: NoteKind;
}

export type Item = Words | Note;

export interface CallView {
  id: CallId;
  trace: string;
  from: string;
  /** Whom a telephone of the clinic rang; null for a caller's call. */
  to: string | null;
  trunk: string;
  startedAt: Wall;
  codec: string | null;
  encrypted: boolean;
  recording: boolean;
  held: boolean;
  mos: number | null;
  urgent: string | null;
  turns: number;
  answers: number;
  tasks: number;
  ended: EndReason | null;
  seconds: number | null;
  firstWords: string | null;
  lastWords: string | null;
  items: Item[];
}

export function emptyView(event: CallEvent): CallView {
  return {
    id: event.call,
    trace: event.trace,
    from: '',
    to: null,
    trunk: '',
    startedAt: event.at,
    codec: null,
    encrypted: false,
    recording: false,
    held: false,
    mos: null,
    urgent: null,
    turns: 0,
    answers: 0,
    tasks: 0,
    ended: null,
    seconds: null,
    firstWords: null,
    lastWords: null,
    items: [],
  };
}

/** The view of a whole call; null without events. */
export function fold(events: CallEvent[]): CallView | null {
  const [first] = events;
  if (first === undefined) return null;
  const view = emptyView(first);
  for (const event of events) apply(view, event);
  return view;
}

/** Changes `view` by what `event` says. */
export function apply(view: CallView, event: CallEvent): void {
  const { kind } = event;
  const key = `${event.seq}`;
  const note = (n: NoteKind) => view.items.push({ kind: 'note', key, note: n });
  switch (kind.type) {
    case 'offered':
      view.from = kind.from;
      view.to = kind.trunk === 'inside' ? kind.to : null;
      view.trunk = kind.trunk;
      break;
    case 'placed':
      if (kind.trunk != null) view.trunk = kind.trunk;
      break;
    case 'answered':
      view.codec = kind.codec;
      view.encrypted = kind.srtp;
      break;
    case 'greeting_started':
      break;
    case 'consent_notice_played':
      note({ type: 'consent' });
      break;
    case 'recording':
      if (view.recording !== kind.on) note({ type: 'recording', on: kind.on });
      view.recording = kind.on;
      break;
    case 'partial':
      if (kind.text.trim() !== '') spoken(view, kind.side, kind.turn, { text: kind.text, partial: true });
      break;
    case 'heard':
      spoken(view, kind.side, kind.turn, { text: kind.text, partial: false, confidence: kind.confidence });
      if (kind.side === 'caller') {
        view.turns += 1;
        if (kind.text.trim() !== '') {
          view.firstWords ??= kind.text;
          view.lastWords = kind.text;
        }
      }
      break;
    case 'decided': {
      if (kind.record.decision === 'answer') view.answers += 1;
      const words = view.items.findLast((i) => i.kind === 'words' && i.side === 'caller' && i.turn === kind.record.turn);
      if (words?.kind === 'words') words.record = kind.record;
      break;
    }
    case 'said':
      view.items.push({
        kind: 'words',
        key,
        side: 'clinic',
        text: kind.text,
        partial: false,
        confidence: null,
        turn: kind.turn ?? null,
        say: kind.say,
        entry: kind.entry ?? null,
        record: kind.entry == null ? null : recordOf(view, kind.turn ?? null),
        msToAudio: kind.ms_to_audio ?? null,
        dropped: false,
      });
      break;
    case 'barge_in': {
      const said = view.items.find((i) => i.kind === 'words' && i.say === kind.say);
      if (said?.kind === 'words' && kind.action === 'dropped') said.dropped = true;
      break;
    }
    case 'dtmf':
      note({ type: 'key', digit: kind.digit });
      break;
    case 'marked_urgent':
      view.urgent = kind.why;
      note({ type: 'urgent', why: kind.why });
      break;
    case 'task_created':
      view.tasks += 1;
      note({ type: 'task', kind: kind.kind });
      break;
    case 'hold':
      if (view.held !== kind.held) note({ type: 'hold', held: kind.held });
      view.held = kind.held;
      break;
    case 'recogniser_changed':
      note({ type: 'recogniser', from: kind.from, to: kind.to });
      break;
    case 'watchdog':
      note({ type: 'watchdog' });
      break;
    case 'desk':
      note({ type: 'desk', what: kind.what, who: kind.who ?? null, slot: kind.slot ?? null });
      break;
    case 'poor_quality':
      note({ type: 'poor', who: kind.who ?? null });
      break;
    case 'quality':
      if (kind.who == null) view.mos = kind.mos;
      break;
    case 'ended':
      // Words that were never heard to their end do not stay half said.
      view.items = view.items.filter((i) => i.kind !== 'words' || !i.partial);
      view.ended = kind.reason;
      view.seconds = kind.seconds;
      view.recording = false;
      note({ type: 'ended', reason: kind.reason });
      break;
  }
}

function recordOf(view: CallView, turn: number | null): DecisionRecord | null {
  if (turn === null) return null;
  const heard = view.items.findLast((i) => i.kind === 'words' && i.side === 'caller' && i.turn === turn);
  return heard?.kind === 'words' ? heard.record : null;
}

function spoken(
  view: CallView,
  side: Side,
  turn: number,
  now: { text: string; partial: boolean; confidence?: number },
): void {
  const old = view.items.findLast((i) => i.kind === 'words' && i.side === side && i.turn === turn && i.say === null);
  if (old?.kind === 'words') {
    // A late partial does not take back what was heard.
    if (now.partial && !old.partial) return;
    old.text = now.text;
    old.partial = now.partial;
    old.confidence = now.confidence ?? null;
    return;
  }
  view.items.push({
    kind: 'words',
    key: `${side}-${turn}`,
    side,
    text: now.text,
    partial: now.partial,
    confidence: now.confidence ?? null,
    turn,
    say: null,
    entry: null,
    record: null,
    msToAudio: null,
    dropped: false,
  });
}

/** The row of a call in the list of calls. */
export function summary(view: CallView): CallSummary {
  return {
    id: view.id,
    trace: view.trace,
    started_at: view.startedAt,
    seconds: view.seconds,
    from: view.from,
    to: view.to,
    trunk: view.trunk,
    urgent: view.urgent !== null,
    turns: view.turns,
    answers: view.answers,
    tasks: view.tasks,
    ended: view.ended,
    first_words: view.firstWords,
  };
}
