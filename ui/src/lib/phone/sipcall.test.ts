import type { RTCSession } from 'jssip/lib/RTCSession';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SipCall, ending, type Ending } from './sipcall';

/** As much of the library's session as holding needs; `ready` is whether nothing else is being agreed on. */
function session() {
  const is = { ready: true, connected: true, held: false, muted: false, ended: false, asked: 0, again: [] as boolean[], agreed: () => undefined as void };
  const listeners = new Map<string, (e: object) => void>();
  const change = (held: boolean) => {
    is.asked += 1;
    if (is.ready) is.held = held;
    return is.ready;
  };
  const session = {
    remote_identity: { display_name: '', uri: { user: '' } },
    connection: { addEventListener: () => undefined },
    on: (event: string, then: (e: object) => void) => listeners.set(event, then),
    isEnded: () => is.ended,
    isEstablished: () => !is.ended,
    isReadyToReOffer: () => is.ready,
    terminate: () => (is.ended = true),
    renegotiate: (options: { rtcOfferConstraints: { iceRestart: boolean } }, done: () => void) => {
      is.again.push(options.rtcOfferConstraints.iceRestart);
      is.agreed = done;
      return true;
    },
    isOnHold: () => ({ local: is.held, remote: false }),
    hold: () => change(true),
    unhold: () => change(false),
    mute: () => (is.muted = true),
    unmute: () => (is.muted = false),
  };
  const call = new SipCall(session as unknown as RTCSession, 'in', null, null, () => is.connected);
  /** The library gives up. */
  const gives = (cause?: string) => {
    (session.terminate as (options: { cause: string | undefined }) => void)({ cause });
  };
  return { is, call, gives, tell: (event: string, e: object = {}) => listeners.get(event)?.(e) };
}

describe('hold', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is at once where it can be, and not twice', () => {
    const { is, call } = session();
    call.hold(true);
    call.hold(true);
    expect(is).toMatchObject({ held: true, muted: false, asked: 1 });
    call.hold(false);
    expect(is).toMatchObject({ held: false, muted: false, asked: 2 });
  });

  it('that cannot be agreed on yet silences us, and comes as soon as it can', () => {
    const { is, call } = session();
    is.ready = false;
    call.hold(true);
    vi.advanceTimersByTime(1_000);
    expect(is).toMatchObject({ held: false, muted: true });
    is.ready = true;
    vi.advanceTimersByTime(1_000);
    expect(is).toMatchObject({ held: true, muted: false });
  });

  it('that is not wanted any more does not come late, and leaves the mute that was asked for', () => {
    const { is, call } = session();
    is.ready = false;
    call.hold(true);
    call.mute(true);
    call.hold(false);
    expect(is).toMatchObject({ held: false, muted: true });
    call.mute(false);
    expect(is.muted).toBe(false);
    is.ready = true;
    vi.advanceTimersByTime(1_000);
    expect(is).toMatchObject({ held: false, muted: false });
  });

  it('is not tried of a call that is over', () => {
    const { is, call, tell } = session();
    is.ready = false;
    call.hold(true);
    is.ended = true;
    tell('ended');
    const { asked } = is;
    vi.advanceTimersByTime(1_000);
    expect(is.asked).toBe(asked);
  });
});

describe('a change that comes to nothing', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it.each(['WebRTC Error', 'Connection Error', 'Request Timeout'])('by %s leaves the call, silent while it should be held', (cause) => {
    const { is, call, gives } = session();
    call.hold(true);
    gives(cause);
    expect(is).toMatchObject({ ended: false, muted: true, again: [] });
    vi.advanceTimersByTime(2_000);
    expect(is).toMatchObject({ ended: false, muted: true, again: [false] });
    is.agreed();
    expect(is).toMatchObject({ held: true, muted: false });
    vi.advanceTimersByTime(60_000);
    expect(is.again).toEqual([false]);
  });

  it('is asked for again only so often', () => {
    const { is, call, gives } = session();
    call.hold(true);
    for (let n = 0; n < 5; n += 1) {
      gives('WebRTC Error');
      vi.advanceTimersByTime(2_000);
    }
    expect(is).toMatchObject({ ended: false });
    expect(is.again.length).toBe(5);
    gives('WebRTC Error');
    expect(is.ended).toBe(true);
  });

  it('is neither a hang-up of ours, nor a call that has lost its sound', () => {
    for (const cause of [undefined, 'RTP Timeout', 'Dialog Error']) {
      const { is, gives } = session();
      gives(cause);
      expect(is.ended).toBe(true);
    }
  });

  it('waits for the connection: new paths are asked for once it is back', () => {
    const { is, call } = session();
    is.connected = false;
    call.restart();
    call.hold(true);
    vi.advanceTimersByTime(20_000);
    expect(is).toMatchObject({ again: [], asked: 0, muted: true });
    is.connected = true;
    vi.advanceTimersByTime(1_000);
    expect(is.again[0]).toBe(true);
    expect(is).toMatchObject({ held: true });
    is.agreed();
    vi.advanceTimersByTime(60_000);
    expect(is.again.every((restart) => restart)).toBe(true);
  });
});

describe('what became of a call', () => {
  it.each<[string, string, number | null, Ending]>([
    ['remote', 'Canceled', null, 'cancelled'],
    // Somebody else answered (RFC 3326, RFC 4916 and every PBX).
    ['remote', 'Canceled', 200, 'elsewhere'],
    ['local', 'Canceled', null, 'cancelled'],
    ['local', 'Rejected', null, 'declined'],
    ['remote', 'Rejected', null, 'refused'],
    ['remote', 'Busy', null, 'busy'],
    ['remote', 'Not Found', null, 'unknown_number'],
    ['remote', 'Unavailable', null, 'no_answer'],
    ['system', 'Request Timeout', null, 'no_answer'],
    ['system', 'WebRTC Error', null, 'failed'],
  ])('%s %s %s is %s', (originator, cause, reason, is) => {
    expect(ending(originator, cause, reason)).toBe(is);
  });
});
