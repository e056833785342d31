import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cause, isKnown } from './cause';

const assets = new URL('../../../assets/', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, assets), 'utf8');
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].flatMap(([, name]) => (name === undefined ? [] : [name]));

describe('a cause', () => {
  it('of every rule and intent that Anteroom comes with has words', () => {
    const rules = readdirSync(new URL('gate/', assets)).flatMap((file) =>
      all(read(`gate/${file}`), /^\[\[language\.\w+\.(?:urgent|advice)\]\]\nrule = "([^"]+)"/gm),
    );
    const intents = all(read('clinic/intents.toml'), /^id = "([^"]+)"\naction = "handover"/gm);
    expect(rules.length).toBeGreaterThan(60);
    expect(intents).toContain('person');
    expect([...rules, ...intents].filter((name) => !isKnown(name))).toEqual([]);
  });

  it('is told in words', () => {
    expect(['chest-pain', 'de-chest-pain', 'likeness', 'keypad-0'].map(cause)).toEqual([
      'Chest pain',
      'Chest pain',
      'Sounds like an emergency',
      'Pressed 0 for a person',
    ]);
    expect(['negated:stroke', 'administrative:fr-advice'].map(cause)).toEqual([
      'Said not to be so: Signs of a stroke',
      'Only administrative: Asks for medical advice',
    ]);
  });

  it('of a clinic’s own rule is its name', () => {
    expect(['snake_bite', 'de-nachricht', 'other:thing'].map(cause)).toEqual(['Snake bite', 'Nachricht', 'Other:thing']);
    expect(cause('Wants a walk-in visit')).toBe('Wants a walk-in visit');
  });
});
