// Numbers and times in the reader's language.
import { getLocale as language } from '../paraglide/runtime';

/** The language with the country whose habits we keep: English here is British. */
const getLocale = (): string => (language() === 'en' ? 'en-GB' : language());

/** 4:05, or 1:04:05 from an hour on. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => `${n}`.padStart(2, '0');
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

export function time(wall: number): string {
  return new Intl.DateTimeFormat(getLocale(), { hour: '2-digit', minute: '2-digit' }).format(wall);
}

/** The time alone when it is of today, else with the day. */
export function moment(wall: number, now: number): string {
  if (new Date(wall).toDateString() === new Date(now).toDateString()) return time(wall);
  return new Intl.DateTimeFormat(getLocale(), {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
  }).format(wall);
}

/** For a field of date and time, which knows no time zone: the reader's. */
export function toLocal(wall: number): string {
  const d = new Date(wall);
  const two = (n: number) => `${n}`.padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** And back; null when it is no time. */
export function fromLocal(text: string): number | null {
  const at = new Date(text).getTime();
  return Number.isFinite(at) ? at : null;
}

export function day(wall: number): string {
  return new Intl.DateTimeFormat(getLocale(), { dateStyle: 'medium' }).format(wall);
}

export function decimal(n: number, digits: number): string {
  return new Intl.NumberFormat(getLocale(), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(n);
}
