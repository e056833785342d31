// Why a call was marked urgent or put through, in words: the gate's rules and the intents are known by names of their own, and a
// clinic may have added some.
import { m } from '../paraglide/messages';

const words = new Map<string, () => string>(Object.entries({
  anaphylaxis: () => m.cause_allergy(),
  allergy: () => m.cause_allergy(),
  'breathing-trouble': () => m.cause_breathing(),
  'not-breathing': () => m.cause_not_breathing(),
  burns: () => m.cause_burns(),
  'chest-pain': () => m.cause_chest_pain(),
  'child-very-ill': () => m.cause_child_ill(),
  choking: () => m.cause_choking(),
  'diabetic-emergency': () => m.cause_diabetic(),
  emergency: () => m.cause_emergency(),
  'head-injury': () => m.cause_head_injury(),
  'heart-attack': () => m.cause_heart_attack(),
  'heat-cold': () => m.cause_heat_cold(),
  injury: () => m.cause_injury(),
  overdose: () => m.cause_overdose(),
  poisoning: () => m.cause_poisoning(),
  'overdose-poison': () => m.cause_overdose_poison(),
  pregnancy: () => m.cause_pregnancy(),
  'child-pregnancy': () => m.cause_child_pregnancy(),
  seizure: () => m.cause_seizure(),
  'seizure-choking': () => m.cause_seizure_choking(),
  'self-harm': () => m.cause_self_harm(),
  'sepsis-meningitis': () => m.cause_sepsis(),
  'severe-bleeding': () => m.cause_bleeding(),
  bleeding: () => m.cause_bleeding(),
  'severe-pain': () => m.cause_severe_pain(),
  stroke: () => m.cause_stroke(),
  unconscious: () => m.cause_unconscious(),
  'vomiting-blood': () => m.cause_vomiting_blood(),
  likeness: () => m.cause_likeness(),
  'keypad-9': () => m.cause_key_urgent(),
  'keypad-0': () => m.cause_key_person(),
  person: () => m.cause_person(),
  complaint: () => m.cause_complaint(),
  results: () => m.cause_results(),
  'not-recognised': () => m.cause_not_recognised(),
  'about-a-medicine': () => m.cause_about_medicine(),
  diagnosis: () => m.cause_diagnosis(),
  dosage: () => m.cause_dosage(),
  'missed-dose': () => m.cause_missed_dose(),
  'needing-treatment': () => m.cause_needing_treatment(),
  'reading-results': () => m.cause_reading_results(),
  'safe-to': () => m.cause_safe_to(),
  'side-effects': () => m.cause_side_effects(),
  'taking-medicine': () => m.cause_taking_medicine(),
  'what-to-do': () => m.cause_what_to_do(),
  advice: () => m.cause_advice(),
}));

const bareOf = (rule: string) => rule.replace(/^(de|en|es|fr)-/, '');

/** Whether there are words of ours for a rule or an intent. */
export const isKnown = (name: string): boolean => words.has(bareOf(name));

/** The name of a rule or of an intent, in words; what is in words already stays. A rule of one language begins with it; one that
 * did not count says why first. */
export function cause(name: string): string {
  if (/\s/.test(name)) return name;
  const [, standing, rule = name] = /^(negated|past|administrative):(.+)$/.exec(name) ?? [];
  const bare = bareOf(rule);
  const what = words.get(bare)?.() ?? sentence(bare.replace(/[-_]+/g, ' '));
  switch (standing) {
    case 'negated':
      return m.cause_negated({ what });
    case 'past':
      return m.cause_past({ what });
    case 'administrative':
      return m.cause_administrative({ what });
    default:
      return what;
  }
}

const sentence = (words: string) => words.charAt(0).toUpperCase() + words.slice(1);
