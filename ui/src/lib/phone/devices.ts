// Which device is used for what. Pure but for where the choice is kept.

export type Use = 'mic' | 'speaker' | 'ringer';
export interface Choice {
  mic: string;
  speaker: string;
  ringer: string;
}
export interface Sound {
  id: string;
  label: string;
  kind: MediaDeviceKind;
}

const PLACE = 'anteroom.devices';
export const USUAL: Choice = { mic: '', speaker: '', ringer: '' };

export function load(storage: Pick<Storage, 'getItem'>): Choice {
  try {
    const kept: unknown = JSON.parse(storage.getItem(PLACE) ?? '{}');
    if (typeof kept !== 'object' || kept === null) return USUAL;
    const of = (use: Use): string => {
      const v = (kept as Record<string, unknown>)[use];
      return typeof v === 'string' ? v : '';
    };
    return { mic: of('mic'), speaker: of('speaker'), ringer: of('ringer') };
  } catch {
    return USUAL;
  }
}

export function save(storage: Pick<Storage, 'setItem'>, choice: Choice): void {
  storage.setItem(PLACE, JSON.stringify(choice));
}

/** The device to use now: the one chosen while it is plugged in, else the system's own choice (the empty id). The choice is
 * kept, so that a headset plugged in again is used again. */
export function present(wanted: string, kind: MediaDeviceKind, all: Sound[]): string {
  return all.some((d) => d.kind === kind && d.id === wanted) ? wanted : '';
}

/** The devices to offer. Browsers list the system's choice as devices of its own, which the empty id stands for. */
export function offered(kind: MediaDeviceKind, all: Sound[]): Sound[] {
  return all.filter((d) => d.kind === kind && !['', 'default', 'communications'].includes(d.id));
}

export type MicProblem = 'denied' | 'missing' | 'busy' | 'insecure';

/** Why there is no microphone, from the error's name (W3C mediacapture-streams 10.3.1). */
export function problem(name: string): MicProblem {
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'TypeError':
      return 'insecure';
    default:
      return 'busy';
  }
}
