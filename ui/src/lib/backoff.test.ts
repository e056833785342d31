import { describe, expect, it } from 'vitest';
import { delay } from './backoff';

describe('delay', () => {
  it('doubles, is bounded, and differs from screen to screen', () => {
    expect([0, 1, 2, 3].map((n) => delay(n, 1))).toEqual([1_000, 2_000, 4_000, 8_000]);
    expect([0, 1, 2, 3].map((n) => delay(n, 0))).toEqual([500, 1_000, 2_000, 4_000]);
    expect(delay(100, 1)).toBe(30_000);
    expect(delay(100_000, 0)).toBe(15_000);
  });
});
