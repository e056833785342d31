// The live stream: connects, comes back where it was, and tells how it stands.
import type { ServerMessage } from './api';
import { delay } from './backoff';
import { Failure, session } from './client';

export type Connection =
  | { is: 'connecting' }
  | { is: 'live' }
  | { is: 'lost'; retryAt: number | null }
  | { is: 'signed_out' };

/** The server says at least every 20 s that it is there. */
const SILENCE_MAX_MS = 50_000;
const SIGNED_OUT = 4401;

export interface StreamHost {
  message(message: ServerMessage): void;
  connection(connection: Connection): void;
  /** Where to take up the stream again, if anywhere. */
  position(): { epoch: string; seq: number } | null;
}

export class Stream {
  #host: StreamHost;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;
  #tried = 0;
  #stopped = false;

  constructor(host: StreamHost) {
    this.#host = host;
  }

  start(): void {
    this.#stopped = false;
    this.#host.connection({ is: 'connecting' });
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** Tries at once instead of waiting. */
  retry(): void {
    if (this.#stopped || this.#socket !== null) return;
    clearTimeout(this.#timer);
    void this.#again();
  }

  #open(): void {
    const url = new URL('/api/v1/events', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const at = this.#host.position();
    if (at !== null) {
      url.searchParams.set('epoch', at.epoch);
      url.searchParams.set('after', `${at.seq}`);
    }
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#listenFor(SILENCE_MAX_MS);
    socket.onmessage = (e) => {
      if (typeof e.data !== 'string') return;
      this.#tried = 0;
      this.#listenFor(SILENCE_MAX_MS);
      this.#host.connection({ is: 'live' });
      this.#host.message(JSON.parse(e.data) as ServerMessage);
    };
    socket.onclose = (e) => {
      if (this.#socket !== socket) return;
      this.#drop();
      if (e.code === SIGNED_OUT) this.#signedOut();
      else this.#later();
    };
  }

  #drop(): void {
    clearTimeout(this.#watch);
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    }
  }

  #listenFor(ms: number): void {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      this.#drop();
      this.#later();
    }, ms);
  }

  #later(): void {
    if (this.#stopped) return;
    const wait = delay(this.#tried, Math.random());
    this.#tried += 1;
    this.#host.connection({ is: 'lost', retryAt: Date.now() + wait });
    this.#timer = setTimeout(() => void this.#again(), wait);
  }

  /** A socket that was refused does not say why; asking for the session does. */
  async #again(): Promise<void> {
    this.#host.connection({ is: 'lost', retryAt: null });
    try {
      await session();
    } catch (e) {
      if (this.#stopped) return;
      if (e instanceof Failure && e.status === 401) this.#signedOut();
      else this.#later();
      return;
    }
    if (!this.#stopped && this.#socket === null) this.#open();
  }

  #signedOut(): void {
    this.#stopped = true;
    this.#host.connection({ is: 'signed_out' });
  }
}
