// SIP over WebSocket (RFC 7118) to the server that gave the page. It comes back by itself; the SIP library is told when it
// is up and when it is down, and does not try on its own.
import { delay } from '../backoff';
import { Failure, session } from '../client';
import { answerable } from './challenge';

/** Keep-alive of RFC 5626 4.4.1: it also finds out that the other end has gone without saying so. */
const KEEP_ALIVE_MS = 25_000;
const KEEP_ALIVE_ANSWER_MS = 10_000;
const PING = '\r\n\r\n';
const PONG = '\r\n';
/** The server's close code for a session that has ended. */
const SIGNED_OUT = 4401;

export type Link = { is: 'connecting' } | { is: 'up' } | { is: 'lost'; retryAt: number | null } | { is: 'signed_out' };

/** What the SIP library wants of a socket (JsSIP's Socket interface). */
export class SipSocket {
  readonly url: string;
  readonly sip_uri: string;
  via_transport: string;
  onconnect: () => void = () => undefined;
  ondisconnect: (error: boolean, code?: number, reason?: string) => void = () => undefined;
  ondata: (data: unknown) => void = () => undefined;

  #changed: (link: Link) => void;
  #socket: WebSocket | null = null;
  #wanted = false;
  #tried = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #alive: ReturnType<typeof setInterval> | undefined;
  #pong: ReturnType<typeof setTimeout> | undefined;
  #ponged = false;

  constructor(path: string, changed: (link: Link) => void) {
    const url = new URL(path, location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.url = url.href;
    this.via_transport = url.protocol === 'wss:' ? 'WSS' : 'WS';
    this.sip_uri = `sip:${url.host};transport=ws`;
    this.#changed = changed;
  }

  connect(): void {
    this.#wanted = true;
    if (this.#socket === null && this.#timer === undefined) this.#open();
  }

  disconnect(): void {
    this.#wanted = false;
    this.#cancel();
    this.#drop();
  }

  send(data: unknown): boolean {
    if (!this.isConnected() || this.#socket === null) return false;
    this.#socket.send(String(data));
    return true;
  }

  isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  isConnecting(): boolean {
    return this.#socket?.readyState === WebSocket.CONNECTING;
  }

  /** Tries at once instead of waiting. */
  retry(): void {
    if (!this.#wanted || this.#socket !== null) return;
    this.#cancel();
    void this.#again();
  }

  /** Asks now whether the other end is still there: the network may have changed underneath. */
  check(): void {
    if (!this.isConnected()) this.retry();
    else if (this.#ponged) this.#ping();
  }

  #open(): void {
    this.#changed({ is: 'connecting' });
    const socket = new WebSocket(this.url, 'sip');
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#ponged = false;
    socket.onopen = () => {
      this.#tried = 0;
      this.#alive = setInterval(() => this.#ping(), KEEP_ALIVE_MS);
      this.#changed({ is: 'up' });
      this.onconnect();
    };
    socket.onmessage = (e) => {
      if (e.data === PONG) {
        this.#ponged = true;
        clearTimeout(this.#pong);
        this.#pong = undefined;
        return;
      }
      const text: unknown = e.data instanceof ArrayBuffer ? new TextDecoder('latin1').decode(e.data) : e.data;
      if (typeof text === 'string') this.ondata(answerable(text));
    };
    socket.onclose = (e) => {
      if (this.#socket === socket) this.#closed(e.code, e.reason);
    };
  }

  #ping(): void {
    this.send(PING);
    // Not every server answers; one that did and does no longer has gone.
    if (this.#ponged) this.#pong ??= setTimeout(() => this.#closed(1006, 'silent'), KEEP_ALIVE_ANSWER_MS);
  }

  #drop(): void {
    clearInterval(this.#alive);
    clearTimeout(this.#pong);
    this.#pong = undefined;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #closed(code: number, reason: string): void {
    this.#drop();
    this.ondisconnect(true, code, reason);
    if (!this.#wanted) return;
    if (code === SIGNED_OUT) this.#signedOut();
    else this.#later();
  }

  #later(): void {
    const wait = delay(this.#tried, Math.random());
    this.#tried += 1;
    this.#changed({ is: 'lost', retryAt: Date.now() + wait });
    this.#timer = setTimeout(() => void this.#again(), wait);
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** A socket that was refused does not say why; asking for the session does. */
  async #again(): Promise<void> {
    this.#timer = undefined;
    this.#changed({ is: 'lost', retryAt: null });
    try {
      await session();
    } catch (e) {
      if (!this.#wanted || this.#socket !== null) return;
      if (e instanceof Failure && e.status === 401) this.#signedOut();
      else this.#later();
      return;
    }
    if (this.#wanted && this.#socket === null) this.#open();
  }

  #signedOut(): void {
    this.#wanted = false;
    this.#changed({ is: 'signed_out' });
  }
}
