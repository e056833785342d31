// Of all tabs of this page, one is the telephone. The browser's Web Locks decide; when that tab goes, the next takes over.

export type Role = 'asking' | 'telephone' | 'elsewhere';

export class Leader {
  #name: string;
  #changed: (role: Role) => void;
  #release: (() => void) | null = null;
  #waiting = new AbortController();
  #stopped = false;

  constructor(name: string, changed: (role: Role) => void) {
    this.#name = name;
    this.#changed = changed;
  }

  start(): void {
    this.#changed('asking');
    void navigator.locks.query().then(({ held }) => {
      if (this.#release === null && held?.some((l) => l.name === this.#name) === true) this.#changed('elsewhere');
    });
    this.#queue();
  }

  /** Takes the telephone from the tab that has it. */
  take(): void {
    this.#waiting.abort();
    this.#hold({ steal: true });
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting.abort();
    this.#release?.();
    this.#release = null;
  }

  #queue(): void {
    this.#waiting = new AbortController();
    this.#hold({ signal: this.#waiting.signal });
  }

  #hold(options: LockOptions): void {
    navigator.locks
      .request(this.#name, options, () => {
        if (this.#stopped) return Promise.resolve();
        this.#changed('telephone');
        return new Promise<void>((release) => (this.#release = release));
      })
      .catch((e: unknown) => {
        // Aborted by ourselves, or taken by another tab: then we queue behind it.
        if (this.#stopped || this.#release === null) return;
        if (e instanceof DOMException && e.name === 'AbortError') {
          this.#release = null;
          this.#changed('elsewhere');
          this.#queue();
        }
      });
  }
}
