// The words for what the engine names.
import { m } from '../paraglide/messages';
import type { Decision, DeskFact, EndReason, EntryStatus, Person, RecogniserHealth, Role, TaskKind, TaskLine, TrunkStatus } from './api';
import { cause } from './cause';
import { Failure } from './client';
import type { NoteKind } from './fold';
import { moment } from './format';

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

const roles: Record<Role | 'system', () => string> = {
  front_desk: () => m.role_front_desk(),
  manager: () => m.role_manager(),
  admin: () => m.role_admin(),
  auditor: () => m.role_auditor(),
  system: () => m.clinic(),
};

/** The name of a user; of whoever was nobody in particular, the role. */
export function who(user: string, people: Person[]): string {
  const known = people.find((p) => p.user === user)?.name;
  return known ?? (user in roles ? roles[user as Role | 'system']() : user);
}

/** What happened to a task. */
export function taskLine(line: TaskLine, people: Person[], now: number): string {
  const p = { who: who(line.who, people) };
  switch (line.what) {
    case 'taken':
      return m.hist_taken(p);
    case 'released':
      return m.hist_released(p);
    case 'assigned':
      return m.hist_assigned({ ...p, owner: who(line.owner ?? '', people) });
    case 'due':
      return m.hist_due({ ...p, time: moment(line.due ?? 0, now) });
    case 'note':
      return m.hist_note(p);
    case 'done':
      return m.hist_done(p);
    case 'cancelled':
      return m.hist_cancelled(p);
    case 'reopened':
      return m.hist_reopened(p);
  }
}

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

const facts: Record<DeskFact, (p: { who: string; slot: string }) => string> = {
  rung: (p) => m.fact_rung(p),
  answered: (p) => m.fact_answered(p),
  held: (p) => m.fact_held(p),
  resumed: (p) => m.fact_resumed(p),
  parked: (p) => m.fact_parked(p),
  consulted: (p) => m.fact_consulted(p),
  transfer_failed: () => m.fact_transfer_failed(),
  transferred: (p) => m.fact_transferred(p),
  joined: (p) => m.fact_joined(p),
  listens: (p) => m.fact_listens(p),
  whispers: (p) => m.fact_whispers(p),
  barged: (p) => m.fact_barged(p),
  left: (p) => m.fact_left(p),
  lost: (p) => m.fact_lost(p),
  nobody_answered: () => m.fact_nobody_answered(),
  queued: () => m.fact_queued(),
  leaves_message: () => m.fact_leaves_message(),
  message_kept: () => m.fact_message_kept(),
  automation_off: () => m.fact_automation_off(),
};

/** A line between the words of a conversation. `name` gives the name others know a user by. */
export function note(n: NoteKind, name: (user: string) => string): string {
  switch (n.type) {
    case 'consent':
      return m.note_consent();
    case 'recording':
      return n.on ? m.note_recording_on() : m.note_recording_off();
    case 'key':
      return m.note_key({ digit: n.digit });
    case 'urgent':
      return m.urgent_why({ why: cause(n.why) });
    case 'task':
      return m.note_task({ kind: taskKind(n.kind) });
    case 'hold':
      return n.held ? m.note_held() : m.note_unheld();
    case 'recogniser':
      return m.note_recogniser({ from: n.from, to: n.to });
    case 'watchdog':
      return m.note_watchdog();
    case 'poor':
      return n.who === null ? m.note_poor_caller() : m.note_poor({ who: name(n.who) });
    case 'desk':
      return facts[n.what]({ who: n.who === null ? m.somebody() : name(n.who), slot: n.slot === null ? '?' : `${n.slot}` });
    case 'ended':
      return m.note_ended({ reason: ended(n.reason) });
  }
}

/** What to tell a person about something that failed. */
export function failure(e: unknown): string {
  if (!(e instanceof Failure) || e.status === null) return m.error_unreachable();
  if (e.status === 403) return m.error_role();
  if (e.status === 404 || e.status === 410) return m.error_gone();
  if (e.error?.code === 'task.taken') return m.task_err_taken();
  if (e.error?.code === 'task.closed' || e.error?.code === 'task.not_closed') return m.task_err_closed();
  if (e.error?.code === 'task.too_far') return m.task_err_too_far();
  if (e.error?.code === 'task.full') return m.task_err_full();
  if (e.error?.code === 'task.nobody') return m.task_err_nobody();
  return m.error_with_trace({ trace: e.error?.trace ?? '-' });
}
