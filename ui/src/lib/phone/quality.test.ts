import { describe, expect, it } from 'vitest';
import { estimate, heard, look, type Look } from './quality';

const at = (packets: number, lost = 0, jitter = 0.002): Look => ({
  at: 0,
  packets,
  lost,
  jitter,
  roundTrip: 0.03,
  codec: 'opus',
  relayed: false,
});

describe('quality', () => {
  it('reads what arrives, the path and the codec', () => {
    const report = [
      { id: 'T', type: 'transport', selectedCandidatePairId: 'P' },
      { id: 'P', type: 'candidate-pair', localCandidateId: 'L', currentRoundTripTime: 0.02 },
      { id: 'L', type: 'local-candidate', candidateType: 'relay' },
      { id: 'C', type: 'codec', mimeType: 'audio/opus' },
      { id: 'I', type: 'inbound-rtp', kind: 'audio', codecId: 'C', packetsReceived: 50, packetsLost: 1, jitter: 0.003 },
    ];
    expect(look(report, 7)).toEqual({ at: 7, packets: 50, lost: 1, jitter: 0.003, roundTrip: 0.02, codec: 'opus', relayed: true });
    expect(look([], 7)).toBeNull();
  });
  it('prefers the far end’s own report of the round trip', () => {
    const report = [
      { id: 'I', type: 'inbound-rtp', kind: 'audio' },
      { id: 'R', type: 'remote-inbound-rtp', kind: 'audio', roundTripTime: 0.08 },
    ];
    expect(look(report, 0)).toMatchObject({ roundTrip: 0.08, relayed: null, codec: null });
  });
  it('judges only what happened since the last look', () => {
    expect(heard(at(100, 50), at(150, 50)).verdict).toBe('good');
    expect(heard(at(100), at(140, 10)).lossPercent).toBe(20);
    expect(heard(at(100), at(140, 10)).verdict).toBe('bad');
    // Late packets can make the counter of the lost go back.
    expect(heard(at(100, 9), at(150, 7)).lossPercent).toBe(0);
  });
  it('tells silence from bad sound', () => {
    expect(heard(at(100), at(100)).verdict).toBe('silent');
  });
  it('falls with loss, jitter and delay, and stays within its scale', () => {
    const perfect = estimate(0, 0, 0);
    expect(perfect).toBeGreaterThan(4.3);
    for (const worse of [estimate(3, 0, 0), estimate(0, 60, 0), estimate(0, 0, 600)]) expect(worse).toBeLessThan(perfect);
    expect(estimate(100, 1_000, 10_000)).toBe(1);
  });
});
