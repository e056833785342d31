// How long to wait before connecting again.

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** Milliseconds before try number `tried` (from 0): doubling, and between half and all of it so that not every screen
 * of the house comes back at once. `random` is from 0 up to 1. */
export function delay(tried: number, random: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tried, 10));
  return Math.round(whole * (0.5 + random / 2));
}
