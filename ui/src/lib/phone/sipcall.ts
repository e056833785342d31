// One SIP call of this handset. Only this file and line.ts know the SIP library.
import type { RTCSession } from 'jssip/lib/RTCSession';
import { look, type Look } from './quality';

export type Way = 'in' | 'out';
/** Why a call is over, as far as this end can tell. */
export type Ending = 'ended' | 'declined' | 'cancelled' | 'elsewhere' | 'busy' | 'unknown_number' | 'refused' | 'no_answer' | 'failed';

export interface CallHost {
  progress(): void;
  answered(): void;
  sound(stream: MediaStream): void;
  farHold(held: boolean): void;
  heldByUs(held: boolean): void;
  digit(digit: string): void;
  over(why: Ending): void;
}

/** How long a dead path may be dead before new ones are tried. */
const RESTART_AFTER_MS = 2_500;
/** How long to wait for more candidates once there is one: relays and reflectors that do not answer must not delay a call. */
const CANDIDATES_MS = 800;
/** How long until what could not be asked of the far end is tried again. */
const AGAIN_MS = 200;
/** Whoever placed the call asks later again than the other side when both asked at once (RFC 3261 14.1). */
const GLARE_MS = { in: 0, out: 2_100, spread: 1_900 };
/** How often the far end may refuse a change, or not answer, before the library has its way. */
const REFUSALS_MAX = 5;
/** Why the library hangs up when a change of a call in progress comes to nothing. */
const SPARED = new Set<string | undefined>(['WebRTC Error', 'Connection Error', 'Request Timeout']);
/** Decline with 486: the call goes on ringing at others. 6xx would end it everywhere (RFC 3261 21.6). */
const BUSY_HERE = 486;

export class SipCall {
  readonly way: Way;
  readonly name: string;
  readonly number: string;
  /** The call this leg belongs to, once the far end has said so. */
  callId: string | null;
  #session: RTCSession;
  #host: CallHost | null = null;
  #watched: RTCPeerConnection | null = null;
  #restart: ReturnType<typeof setTimeout> | undefined;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #holding: ReturnType<typeof setTimeout> | undefined;
  #asking: ReturnType<typeof setTimeout> | undefined;
  /** What the far end is yet to agree to: the session as it should be, or new paths as well. */
  #wants: 'nothing' | 'session' | 'paths' = 'nothing';
  #refusals = 0;
  #connected: () => boolean;
  #muted = false;
  /** To be held as soon as that can be agreed on. */
  #quiet = false;
  #early: MediaStream | null = null;
  #over: Ending | null = null;
  #mic: MediaStream | null;

  /** `connected` tells whether the far end can be asked anything now. */
  constructor(session: RTCSession, way: Way, callId: string | null, mic: MediaStream | null, connected: () => boolean) {
    this.#mic = mic;
    this.#connected = connected;
    this.#session = session;
    this.way = way;
    this.callId = callId;
    const far = session.remote_identity;
    this.name = far.display_name ?? '';
    this.number = far.uri.user ?? '';
    this.#listen();
    this.#spare();
  }

  /** From now on `host` is told; what happened before is told at once. */
  attach(host: CallHost): void {
    this.#host = host;
    if (this.#early !== null) host.sound(this.#early);
    if (this.#over !== null) host.over(this.#over);
  }

  get established(): boolean {
    return this.#session.isEstablished();
  }

  /** `mediaStream` is this call's alone: it is stopped with it. */
  answer(mediaStream: MediaStream, iceServers: RTCIceServer[]): void {
    this.#mic = mediaStream;
    this.#session.answer({ mediaStream, pcConfig: { iceServers } });
  }

  /** Hangs up, declines or cancels, whichever the call is at. */
  end(): void {
    if (this.#session.isEnded()) return;
    const ringing = this.way === 'in' && this.#session.isInProgress();
    this.#session.terminate(ringing ? { status_code: BUSY_HERE } : {});
  }

  mute(on: boolean): void {
    this.#muted = on;
    this.#silence();
  }

  /** Holds by SIP, or ends that: now, or once the call is up and nothing else is being agreed on. Whom it is to hold does not hear
   * us meanwhile. */
  hold(on: boolean): void {
    clearTimeout(this.#holding);
    const s = this.#session;
    if (s.isEnded()) return;
    const done = s.isOnHold().local === on || (this.#connected() && (on ? s.hold() : s.unhold()));
    this.#quiet = on && (!done || this.#wants !== 'nothing');
    this.#silence();
    if (!done) this.#holding = setTimeout(() => this.hold(on), AGAIN_MS);
  }

  #silence(): void {
    // Before there is a connection nothing can be heard.
    if ((this.#session.connection as RTCPeerConnection | null | undefined) == null) return;
    if (this.#muted || this.#quiet) this.#session.mute({ audio: true });
    else this.#session.unmute({ audio: true });
  }

  /** Gives the call on by SIP: for calls the desk does not know. */
  refer(to: string): void {
    this.#session.refer(to);
  }

  /** As telephone events where the far end takes them (RFC 4733), else by INFO. */
  tone(digit: string): void {
    const sender = this.#session.connection?.getSenders().find((s) => s.track?.kind === 'audio');
    if (sender?.dtmf?.canInsertDTMF === true) {
      sender.dtmf.insertDTMF(sender.dtmf.toneBuffer + digit, 100, 70);
    } else {
      this.#session.sendDTMF(digit, { duration: 100, interToneGap: 100 });
    }
  }

  async useMic(stream: MediaStream): Promise<void> {
    const track = stream.getAudioTracks()[0] ?? null;
    const sender = this.#session.connection?.getSenders().find((s) => s.track?.kind === 'audio' || s.track === null);
    const before = sender?.track ?? null;
    if (track !== null) track.enabled = before?.enabled ?? true;
    await sender?.replaceTrack(track);
    before?.stop();
    this.#mic = stream;
  }

  /** Tries new paths for the sound, when the network has changed (RFC 8445 2.4). */
  restart(): void {
    if (!this.established) return;
    this.#wants = 'paths';
    this.#ask();
  }

  #ask(): void {
    clearTimeout(this.#asking);
    if (this.#wants === 'nothing' || this.#session.isEnded()) return;
    const rtcOfferConstraints = { iceRestart: this.#wants === 'paths' } as RTCOfferOptions;
    const asked =
      this.#connected() && this.#session.isReadyToReOffer() && this.#session.renegotiate({ rtcOfferConstraints }, () => this.#agreed());
    if (!asked) this.#asking = setTimeout(() => this.#ask(), AGAIN_MS);
  }

  #agreed(): void {
    this.#wants = 'nothing';
    this.#refusals = 0;
    this.#quiet = false;
    this.#silence();
  }

  /** The library hangs up when a hold or new paths come to nothing, as when both ends ask at once or the connection is lost in that
   * moment. The call is worth more: it goes on, whoever is to hear nothing hears nothing, and it is asked for again. */
  #spare(): void {
    const s = this.#session;
    const terminate = s.terminate.bind(s);
    s.terminate = (options) => {
      if (!s.isEstablished() || !SPARED.has(options?.cause) || this.#refusals >= REFUSALS_MAX) return terminate(options);
      this.#refusals += 1;
      if (this.#wants === 'nothing') this.#wants = 'session';
      this.#quiet = s.isOnHold().local;
      this.#silence();
      clearTimeout(this.#asking);
      this.#asking = setTimeout(() => this.#ask(), GLARE_MS[this.way] + Math.random() * GLARE_MS.spread);
    };
  }

  async look(): Promise<Look | null> {
    const report = await this.#session.connection?.getStats();
    return report === undefined ? null : look(report.values(), performance.now());
  }

  #listen(): void {
    const s = this.#session;
    s.on('peerconnection', ({ peerconnection }) => this.#watch(peerconnection));
    // A call of our own has its connection before we have the call.
    const made = s.connection as RTCPeerConnection | null | undefined;
    if (made != null) this.#watch(made);
    s.on('icecandidate', ({ candidate, ready }) => {
      if (candidate.type === 'relay') ready();
      else {
        this.#gathering ??= setTimeout(() => {
          this.#gathering = undefined;
          ready();
        }, CANDIDATES_MS);
      }
    });
    s.on('progress', (e: { response?: { getHeader(name: string): string | undefined } }) => {
      this.#learn(e.response);
      this.#host?.progress();
    });
    s.on('accepted', (e: { response?: { getHeader(name: string): string | undefined } }) => {
      this.#learn(e.response);
      this.#silence();
      this.#host?.answered();
    });
    s.on('hold', ({ originator }) => this.#held(originator, true));
    s.on('unhold', ({ originator }) => this.#held(originator, false));
    s.on('newDTMF', (e: { originator: string; dtmf: { tone: string } }) => {
      if (e.originator === 'remote') this.#host?.digit(e.dtmf.tone);
    });
    s.on('ended', () => this.#finish('ended'));
    s.on('failed', ({ originator, cause, message }) => {
      this.#finish(ending(originator, cause, reason(message)));
    });
  }

  #learn(response: { getHeader(name: string): string | undefined } | undefined): void {
    this.callId ??= response?.getHeader('X-Anteroom-Call') ?? null;
  }

  #held(originator: string, held: boolean): void {
    if (originator === 'local') this.#host?.heldByUs(held);
    else this.#host?.farHold(held);
  }

  #watch(connection: RTCPeerConnection): void {
    if (this.#watched === connection) return;
    this.#watched = connection;
    connection.addEventListener('track', ({ track, streams }) => {
      this.#early = streams[0] ?? new MediaStream([track]);
      this.#host?.sound(this.#early);
    });
    connection.addEventListener('iceconnectionstatechange', () => {
      clearTimeout(this.#restart);
      this.#restart = undefined;
      const { iceConnectionState: state } = connection;
      if (state === 'failed') this.restart();
      else if (state === 'disconnected') this.#restart = setTimeout(() => this.restart(), RESTART_AFTER_MS);
    });
  }

  #finish(why: Ending): void {
    clearTimeout(this.#restart);
    clearTimeout(this.#gathering);
    clearTimeout(this.#holding);
    clearTimeout(this.#asking);
    for (const track of this.#mic?.getTracks() ?? []) track.stop();
    this.#over = why;
    this.#host?.over(why);
  }
}

/** The code in the Reason header of a CANCEL (RFC 3326). */
function reason(message: unknown): number | null {
  const read = (message as { getHeader?: (name: string) => string | undefined } | null)?.getHeader;
  const header = read?.call(message, 'Reason');
  const code = /cause\s*=\s*(\d{3})/i.exec(header ?? '')?.[1];
  return code === undefined ? null : Number(code);
}

/** What became of a call that was never answered, from who ended it, the library's cause and the CANCEL's reason. */
export function ending(originator: string, cause: string, cancelReason: number | null): Ending {
  switch (cause) {
    case 'Canceled':
      if (originator === 'local') return 'cancelled';
      return cancelReason === 200 ? 'elsewhere' : 'cancelled';
    case 'Rejected':
      return originator === 'local' ? 'declined' : 'refused';
    case 'Busy':
      return 'busy';
    case 'Not Found':
    case 'Address Incomplete':
      return 'unknown_number';
    case 'Unavailable':
    case 'No Answer':
    case 'Request Timeout':
    case 'Expires':
      return 'no_answer';
    default:
      return 'failed';
  }
}
