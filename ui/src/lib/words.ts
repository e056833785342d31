// The words for what the engine names.
import { m } from '../paraglide/messages';
import type { Decision, EndReason, EntryStatus, RecogniserHealth, TaskKind, TrunkStatus } from './api';
import { Failure } from './client';
import type { NoteKind } from './fold';

const decisions: Record<Decision, () => string> = {
  answer: () => m.decision_answer(),
  clarify: () => m.decision_clarify(),
  decline: () => m.decision_decline(),
  escalate: () => m.decision_escalate(),
  task: () => m.decision_task(),
  handover: () => m.decision_handover(),
  goodbye: () => m.decision_goodbye(),
};
export const decision = (d: Decision): string => decisions[d]();

const reasons: Record<EndReason, () => string> = {
  caller_hung_up: () => m.end_caller_hung_up(),
  cancelled: () => m.end_cancelled(),
  completed: () => m.end_completed(),
  media_timeout: () => m.end_media_timeout(),
  refused: () => m.end_refused(),
  too_long: () => m.end_too_long(),
  failed: () => m.end_failed(),
  interrupted: () => m.end_interrupted(),
};
export const ended = (r: EndReason): string => reasons[r]();

const kinds: Record<TaskKind, () => string> = {
  callback: () => m.task_kind_callback(),
  urgent: () => m.task_kind_urgent(),
  appointment: () => m.task_kind_appointment(),
  prescription: () => m.task_kind_prescription(),
  question: () => m.task_kind_question(),
  voicemail: () => m.task_kind_voicemail(),
};
export const taskKind = (k: TaskKind): string => kinds[k]();

const trunks: Record<TrunkStatus, () => string> = {
  up: () => m.trunk_up(),
  connecting: () => m.trunk_connecting(),
  down: () => m.trunk_down(),
};
export const trunk = (s: TrunkStatus): string => trunks[s]();

const recognisers: Record<RecogniserHealth, () => string> = {
  ok: () => m.recogniser_ok(),
  fallback: () => m.recogniser_fallback(),
  down: () => m.recogniser_down(),
};
export const recogniser = (h: RecogniserHealth): string => recognisers[h]();

const statuses: Record<EntryStatus, () => string> = {
  draft: () => m.cite_status_draft(),
  approved: () => m.cite_status_approved(),
  retired: () => m.cite_status_retired(),
};
export const entryStatus = (s: EntryStatus): string => statuses[s]();

export function note(n: NoteKind): string {
  switch (n.type) {
    case 'consent':
      return m.note_consent();
    case 'recording':
      return n.on ? m.note_recording_on() : m.note_recording_off();
    case 'key':
      return m.note_key({ digit: n.digit });
    case 'urgent':
      return m.urgent_why({ why: n.why });
    case 'task':
      return m.note_task({ kind: taskKind(n.kind) });
    case 'hold':
      return n.held ? m.note_held() : m.note_unheld();
    case 'recogniser':
      return m.note_recogniser({ from: n.from, to: n.to });
    case 'watchdog':
      return m.note_watchdog();
    case 'ended':
      return m.note_ended({ reason: ended(n.reason) });
  }
}

/** What to tell a person about something that failed. */
export function failure(e: unknown): string {
  if (!(e instanceof Failure) || e.status === null) return m.error_unreachable();
  if (e.status === 403) return m.error_role();
  if (e.status === 404) return m.error_gone();
  return m.error_with_trace({ trace: e.error?.trace ?? '-' });
}
