// How well a call is heard, from two looks at its statistics. Pure.

/** What is read of RTCStatsReport (W3C webrtc-stats 8.1 and 8.3). Times in seconds, as there. */
export interface Look {
  at: number;
  packets: number;
  lost: number;
  jitter: number;
  roundTrip: number | null;
  codec: string | null;
  relayed: boolean | null;
}

export type Verdict = 'good' | 'fair' | 'poor' | 'bad' | 'silent';

export interface Heard {
  /** Percent of packets lost since the last look. */
  lossPercent: number;
  jitterMs: number;
  roundTripMs: number | null;
  /** Estimated mean opinion score, 1 to 4.5. */
  mos: number;
  verdict: Verdict;
  codec: string | null;
  relayed: boolean | null;
}

interface Stat {
  id: string;
  type: string;
  [key: string]: unknown;
}

const number = (v: unknown): number | null => (typeof v === 'number' && Number.isFinite(v) ? v : null);

/** Reads a report; null when it tells nothing of sound that arrives. */
export function look(report: Iterable<Stat>, at: number): Look | null {
  const all = new Map([...report].map((s) => [s.id, s]));
  const stats = [...all.values()];
  const inbound = stats.find((s) => s.type === 'inbound-rtp' && s['kind'] === 'audio');
  if (inbound === undefined) return null;
  const transport = stats.find((s) => s.type === 'transport');
  const pair = all.get(String(transport?.['selectedCandidatePairId'])) ?? stats.find((s) => s.type === 'candidate-pair' && s['nominated'] === true);
  const local = all.get(String(pair?.['localCandidateId']));
  const remote = stats.find((s) => s.type === 'remote-inbound-rtp' && s['kind'] === 'audio');
  const codec = all.get(String(inbound['codecId']))?.['mimeType'];
  return {
    at,
    packets: number(inbound['packetsReceived']) ?? 0,
    lost: number(inbound['packetsLost']) ?? 0,
    jitter: number(inbound['jitter']) ?? 0,
    roundTrip: number(remote?.['roundTripTime']) ?? number(pair?.['currentRoundTripTime']),
    codec: typeof codec === 'string' ? codec.replace(/^audio\//, '') : null,
    relayed: local === undefined ? null : local['candidateType'] === 'relay',
  };
}

/** What changed between two looks. */
export function heard(before: Look, now: Look): Heard {
  const packets = Math.max(0, now.packets - before.packets);
  const lost = Math.max(0, now.lost - before.lost);
  const lossPercent = packets + lost === 0 ? 0 : (100 * lost) / (packets + lost);
  const jitterMs = now.jitter * 1000;
  const roundTripMs = now.roundTrip === null ? null : now.roundTrip * 1000;
  const mos = estimate(lossPercent, jitterMs, roundTripMs ?? 0);
  return {
    lossPercent,
    jitterMs,
    roundTripMs,
    mos,
    verdict: packets === 0 ? 'silent' : verdict(mos),
    codec: now.codec,
    relayed: now.relayed,
  };
}

/** ITU-T G.107 in the usual simplified form: delay (with what the jitter buffer adds) and loss lower the rating. */
export function estimate(lossPercent: number, jitterMs: number, roundTripMs: number): number {
  const delayMs = roundTripMs / 2 + 2 * jitterMs + 20;
  const late = delayMs > 177.3 ? 0.11 * (delayMs - 177.3) : 0;
  const r = Math.max(0, Math.min(100, 93.2 - 0.024 * delayMs - late - 2.5 * lossPercent));
  const mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
  return Math.max(1, Math.min(4.5, mos));
}

function verdict(mos: number): Verdict {
  if (mos >= 4) return 'good';
  if (mos >= 3.6) return 'fair';
  return mos >= 2.6 ? 'poor' : 'bad';
}
