import { describe, expect, it } from 'vitest';
import { ending, type Ending } from './sipcall';

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
