// The words for what the handset tells.
import { m } from '../../paraglide/messages';
import type { CallDesk, Person, PersonState } from '../api';
import { Failure } from '../client';
import { failure } from '../words';
import type { MicProblem } from './devices';
import type { Registration } from './line';
import type { Bar } from './may';
import type { Verdict } from './quality';
import type { Ending } from './sipcall';

const endings: Record<Ending, () => string> = {
  ended: () => m.hs_over_ended(),
  declined: () => m.hs_over_declined(),
  cancelled: () => m.hs_over_cancelled(),
  elsewhere: () => m.hs_over_elsewhere(),
  busy: () => m.hs_over_busy(),
  unknown_number: () => m.hs_over_unknown(),
  refused: () => m.hs_over_refused(),
  no_answer: () => m.hs_over_no_answer(),
  failed: () => m.hs_over_failed(),
};
export const over = (e: Ending): string => endings[e]();

const verdicts: Record<Verdict, () => string> = {
  good: () => m.hs_sound_good(),
  fair: () => m.hs_sound_fair(),
  poor: () => m.hs_sound_poor(),
  bad: () => m.hs_sound_bad(),
  silent: () => m.hs_sound_silent(),
};
export const verdict = (v: Verdict): string => verdicts[v]();

const mics: Record<MicProblem, () => string> = {
  denied: () => m.hs_mic_denied(),
  missing: () => m.hs_mic_missing(),
  busy: () => m.hs_mic_busy(),
  insecure: () => m.hs_mic_insecure(),
};
export const mic = (p: MicProblem): string => mics[p]();

const states: Record<PersonState, () => string> = {
  free: () => m.hs_person_free(),
  ringing: () => m.hs_person_ringing(),
  talking: () => m.hs_person_talking(),
  busy: () => m.hs_person_busy(),
  away: () => m.hs_person_away(),
};
export const personState = (s: PersonState): string => states[s]();

export function registration(r: Registration): { how: 'good' | 'wait' | 'bad'; text: string } {
  switch (r.is) {
    case 'registered':
      return { how: 'good', text: m.hs_reg_ready() };
    case 'connecting':
      return { how: 'wait', text: m.hs_reg_connecting() };
    case 'lost':
      return { how: 'bad', text: m.hs_reg_lost() };
    case 'refused':
      return { how: 'bad', text: m.hs_reg_refused() };
    case 'signed_out':
      return { how: 'bad', text: m.hs_reg_signed_out() };
  }
}

/** The name others know a user by. */
export function name(people: Person[], user: string): string {
  if (user === 'outside') return m.hs_outside();
  return people.find((p) => p.user === user)?.name ?? user;
}

/** Who is in a call, for a list: the caller, or who rings whom. */
export function parties(people: Person[], call: { from: string; to?: string | null }): string {
  const from = call.from || m.unknown_caller();
  return call.to == null ? from : m.call_from_to({ from: name(people, from), to: name(people, call.to) });
}

const names = (people: Person[], users: string[]): string => users.map((u) => name(people, u)).join(', ');

/** Where a call stands, in a line. */
export function stage(desk: CallDesk, people: Person[]): string {
  const { stage: s } = desk;
  switch (s.is) {
    case 'automation':
      return m.hs_stage_automation();
    case 'queued':
      return m.hs_stage_queued({ position: s.position });
    case 'ringing':
      // Somebody has answered already, or somebody else is about to be rung.
      return s.who.length === 0 ? m.hs_stage_connecting() : m.hs_stage_ringing({ who: names(people, s.who) });
    case 'talking':
      return m.hs_stage_talking({ who: names(people, s.who) });
    case 'held':
      return m.hs_stage_held({ who: name(people, s.by) });
    case 'consulting':
      return s.answered
        ? m.hs_stage_briefing({ who: name(people, s.to) })
        : m.hs_stage_asking({ who: name(people, s.to) });
    case 'parked':
      return m.hs_stage_parked({ slot: s.slot, who: name(people, s.by) });
    case 'voicemail':
      return m.hs_stage_voicemail();
  }
}

/** Why not everything can be done with a call. */
export function bar(b: Bar, people: Person[]): string {
  switch (b.is) {
    case 'asked':
      return m.hs_bar_asked();
    case 'apart':
      return m.hs_bar_apart();
    case 'supervises':
      return m.hs_bar_supervises();
    case 'signed_out':
      return m.hs_bar_signed_out();
    case 'rung':
      return m.hs_bar_rung({ who: name(people, b.host) });
    case 'third':
      return m.hs_bar_third({ who: name(people, b.host) });
  }
}

/** What the desk refuses, by its codes. */
const refusals: Record<string, () => string> = {
  'desk.not_configured': () => m.hs_no_desk(),
  'desk.no_call': () => m.hs_call_gone(),
  'desk.over': () => m.hs_call_gone(),
  'desk.not_in_call': () => m.hs_err_not_in_call(),
  'desk.wrong_state': () => m.hs_err_state(),
  'desk.nobody_to_ring': () => m.hs_err_nobody(),
  'desk.nobody_there': () => m.hs_err_nobody(),
  'desk.too_many_legs': () => m.hs_err_legs(),
  'desk.not_parked': () => m.hs_err_not_parked(),
  'desk.no_telephone': () => m.hs_err_no_telephone(),
  'desk.no_rights': () => m.hs_err_no_rights(),
  'parking.full': () => m.hs_err_park_full(),
  'parking.already': () => m.hs_err_park_already(),
  'dial.no_number': () => m.hs_err_number(),
  'dial.destination': () => m.hs_err_destination(),
  'dial.closed': () => m.hs_err_closed(),
  'dial.calls_up': () => m.hs_err_calls_up(),
  'dial.rate': () => m.hs_err_rate(),
  'dial.minutes': () => m.hs_err_day(),
  'dial.spending': () => m.hs_err_day(),
  'dial.no_trunk': () => m.hs_err_no_trunk(),
};

/** What to tell somebody about something of the handset's that failed. */
export function trouble(e: unknown): string {
  if (e instanceof Failure) {
    const refusal = refusals[e.error?.code ?? ''];
    if (refusal !== undefined) return refusal();
    if (e.status === 404) return m.hs_call_gone();
    if (e.status === 401) return m.hs_reg_signed_out();
    return failure(e);
  }
  return m.hs_failed();
}
