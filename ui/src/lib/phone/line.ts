// The handset's line: registered with the server, ready to be rung and to ring. Only this file and sipcall.ts know the SIP
// library.
import JsSIP from 'jssip';
import type { RTCSession } from 'jssip/lib/RTCSession';
import type { IncomingRTCSessionEvent, OutgoingRTCSessionEvent, UA as UserAgent } from 'jssip/lib/UA';
import type { Handset } from '../api';
import { delay } from '../backoff';
import { SipCall, type Way } from './sipcall';
import { SipSocket, type Link } from './socket';

export type Registration =
  | { is: 'connecting' }
  | { is: 'registered' }
  | { is: 'lost'; retryAt: number | null }
  | { is: 'refused'; code: number | null; retryAt: number }
  | { is: 'signed_out' };

export interface LineHost {
  registration(registration: Registration): void;
  incoming(call: SipCall): void;
  /** Credentials afresh: the server may have been started anew since. */
  credentials(): Promise<Handset>;
  /** The server knows this telephone by another name now: another line is needed. */
  renamed(fresh: Handset): void;
}

/** Calls at once; further ones hear that we are busy. */
const CALLS_MAX = 4;
const EXPIRES_S = 300;

export class Line {
  readonly handset: Handset;
  #host: LineHost;
  #agent: UserAgent;
  #socket: SipSocket;
  #calls = new Set<SipCall>();
  #tried = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #quiet = false;
  #onUp: (() => void)[] = [];

  constructor(handset: Handset, host: LineHost) {
    this.handset = handset;
    this.#host = host;
    // Nothing of the library's goes to the console: it would print whole messages.
    JsSIP.debug.disable();
    this.#socket = new SipSocket(handset.ws_path, (link) => this.#link(link));
    this.#agent = new JsSIP.UA({
      sockets: this.#socket as never,
      uri: `sip:${handset.user}@${handset.domain}`,
      password: handset.password,
      display_name: handset.display_name,
      instance_id: instance(),
      register_expires: EXPIRES_S,
      // The server keeps the session timers; here a refresh that fails while the socket comes back would end a call whose
      // sound is well.
      session_timers: false,
      user_agent: 'Anteroom handset',
      // Our socket comes back by itself; the library shall not try as well.
      connection_recovery_min_interval: 86_400,
      connection_recovery_max_interval: 86_400,
    });
    this.#agent.on('registered', () => {
      this.#tried = 0;
      this.#host.registration({ is: 'registered' });
    });
    this.#agent.on('registrationFailed', ({ response }) => this.#refused(response?.status_code ?? null));
    this.#agent.on('newRTCSession', (e: IncomingRTCSessionEvent | OutgoingRTCSessionEvent) => {
      if (e.originator === 'remote') this.#incoming(e as IncomingRTCSessionEvent);
    });
  }

  start(): void {
    this.#agent.start();
  }

  /** Ends everything. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#agent.stop();
    this.#socket.disconnect();
  }

  /** Is not rung any more, but keeps the calls it has. */
  quieten(): void {
    this.#quiet = true;
    clearTimeout(this.#timer);
    if (!this.#agent.isRegistered()) return;
    this.#agent.unregister();
    this.#host.registration({ is: 'connecting' });
  }

  get busy(): boolean {
    return this.#calls.size > 0;
  }

  retry(): void {
    clearTimeout(this.#timer);
    if (this.#socket.isConnected()) void this.#renew();
    else this.#socket.retry();
  }

  /** The network changed: the connection is checked, and calls look for new paths as soon as it is up. */
  networkChanged(): void {
    const restart = () => {
      for (const call of this.#calls) call.restart();
    };
    if (this.#socket.isConnected()) restart();
    else this.#onUp = [restart];
    this.#socket.check();
  }

  /** Rings somebody. `mediaStream` is the call's alone: it is stopped with it. */
  call(target: string, mediaStream: MediaStream, iceServers: RTCIceServer[]): SipCall {
    const session = this.#agent.call(`sip:${encodeURIComponent(target)}@${this.handset.domain}`, {
      mediaStream,
      pcConfig: { iceServers },
    });
    return this.#track(session, 'out', null, mediaStream);
  }

  #track(session: RTCSession, way: Way, callId: string | null, mic: MediaStream | null): SipCall {
    // Before the call listens itself: whoever hears from it that it is over finds the line free.
    const over = () => this.#calls.delete(call);
    session.on('ended', over);
    session.on('failed', over);
    const call = new SipCall(session, way, callId, mic, () => this.#socket.isConnected());
    this.#calls.add(call);
    return call;
  }

  #incoming({ session, request }: IncomingRTCSessionEvent): void {
    if (this.#quiet || this.#calls.size >= CALLS_MAX) {
      session.terminate({ status_code: 486 });
      return;
    }
    const id = (request.getHeader('X-Anteroom-Call') as string | undefined) ?? null;
    this.#host.incoming(this.#track(session, 'in', id, null));
  }

  #link(link: Link): void {
    switch (link.is) {
      case 'up':
        this.#host.registration({ is: 'connecting' });
        for (const then of this.#onUp.splice(0)) then();
        break;
      case 'signed_out':
        clearTimeout(this.#timer);
        this.#host.registration({ is: 'signed_out' });
        break;
      default:
        this.#host.registration(link);
    }
  }

  #refused(code: number | null): void {
    if (this.#quiet || !this.#socket.isConnected()) return;
    const wait = delay(this.#tried, Math.random());
    this.#tried += 1;
    this.#host.registration({ is: 'refused', code, retryAt: Date.now() + wait });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#renew(), wait);
  }

  async #renew(): Promise<void> {
    try {
      const fresh = await this.#host.credentials();
      if (fresh.user !== this.handset.user || fresh.domain !== this.handset.domain) {
        this.#host.renamed(fresh);
        return;
      }
      this.#agent.set('password', fresh.password);
    } catch {
      // Not to be had now: the old ones are tried once more, and the refusal tells.
    }
    if (this.#socket.isConnected() && !this.#quiet) this.#agent.register();
  }
}

/** Tells this browser's registrations from those of others (RFC 5626 4.1). It is random and says nothing of anybody. */
function instance(): string {
  const place = 'anteroom.instance';
  const kept = localStorage.getItem(place);
  if (kept !== null && /^[0-9a-f-]{36}$/.test(kept)) return kept;
  const made = crypto.randomUUID();
  localStorage.setItem(place, made);
  return made;
}
