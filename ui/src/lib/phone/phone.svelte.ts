// The browser as a telephone: what the page shows of it, and what the page may ask of it.
import type { CallDesk, CallId, DeskCommand, DeskDone, DeskStage, Handset } from '../api';
import type { Board } from '../board.svelte';
import * as client from '../client';
import { load, present, save, type Choice, type MicProblem, type Sound, type Use } from './devices';
import { Leader, type Role } from './leader';
import { Line, type Registration } from './line';
import { NOTHING, heldHere, heldThere, inHand, may, maySeeTo, movedTo, wasRung, type Inside, type May, type Place } from './may';
import { Mic } from './mic';
import { heard, type Heard, type Look } from './quality';
import { Ringer } from './ringer';
import type { Ending, SipCall, Way } from './sipcall';

export type Phase = 'ringing' | 'answering' | 'calling' | 'talking' | 'over';
export type Setup = { is: 'loading' } | { is: 'failed'; why: unknown } | { is: 'ready'; handset: Handset };

const LOOK_EVERY_MS = 2_000;
/** Digits shown of those sent. */
const DIGITS_MAX = 24;

/** A call of this handset. */
export class PhoneCall {
  readonly key = crypto.randomUUID();
  readonly sip: SipCall;
  readonly way: Way;
  readonly since = Date.now();
  phase = $state<Phase>('ringing');
  callId = $state<string | null>(null);
  answeredAt = $state<number | null>(null);
  muted = $state(false);
  /** Held by our own telephone; the desk may hold it besides. */
  held = $state(false);
  /** We have turned to another call. */
  away = $state(false);
  /** We came to supervise. */
  supervises = false;
  /** The desk knew it once. */
  known = false;
  farHeld = $state(false);
  digits = $state('');
  received = $state('');
  quality = $state<Heard | null>(null);
  note = $state('');
  /** What failed last. */
  problem = $state<unknown>(null);
  busy = $state(false);
  over = $state<Ending | null>(null);
  /** As what it was last offered to us while it was up here. */
  offered = $state<Consulting | null>(null);
  /** Where it is parked. */
  slot: number | null = null;
  /** Sound of the far end arrives before the answer: an announcement, or ringing of its own. */
  early = $state(false);
  audio: HTMLAudioElement | null = null;
  before: Look | null = null;

  constructor(sip: SipCall) {
    this.sip = sip;
    this.way = sip.way;
    this.callId = sip.callId;
    this.phase = sip.way === 'in' ? 'ringing' : 'calling';
  }
}

/** Somebody is asked whether they take a call. */
export type Consulting = Extract<DeskStage, { is: 'consulting' }>;

/** What became of the last call. */
export interface Last {
  who: string | null;
  why: Ending;
  slot: number | null;
}

export class Phone {
  setup = $state<Setup>({ is: 'loading' });
  role = $state<Role>('asking');
  registration = $state<Registration>({ is: 'connecting' });
  calls = $state<PhoneCall[]>([]);
  micProblem = $state<MicProblem | null>(null);
  /** The browser does not let the page ring yet. */
  blocked = $state(false);
  sounds = $state<Sound[]>([]);
  choice = $state<Choice>(load(localStorage));
  testing = $state(false);
  last = $state<Last | null>(null);
  /** Whether whoever is signed in may listen in. */
  manager = $state(false);

  readonly board: Board;
  #line: Line | null = null;
  #leader: Leader | null = null;
  #mic = new Mic();
  #bell = new Ringer();
  #tones = new Ringer();
  #timer: ReturnType<typeof setInterval> | undefined;
  #stopped = new AbortController();
  #user = $state<string | null>(null);
  /** Credentials of another name, to be used once no call needs the old ones. */
  #fresh: Handset | null = null;
  /** A setup waits for the end of the last call. */
  #due = false;
  /** The call we asked to supervise: our telephone is about to ring for it. */
  #supervising: CallId | null = null;

  ringing = $derived(this.calls.filter((c) => c.phase === 'ringing' || c.phase === 'answering'));
  /** The call in hand. */
  active = $derived(inHand(this.calls));

  constructor(board: Board) {
    this.board = board;
    this.#mic.onlost = () => void this.#micLost();
    this.#bell.onblocked = (blocked) => (this.blocked = blocked);
    $effect(() => {
      for (const call of this.calls) {
        const desk = this.deskOf(call);
        const offer = this.offerOf(desk);
        if (offer?.answered === true) call.offered = offer;
        else if (desk?.stage.is !== 'ringing') call.offered = null;
        if (desk !== null) call.known = true;
        else if (call.known) this.#follow(call);
      }
    });
  }

  start(): void {
    const { signal } = this.#stopped;
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
    const touched = () => {
      if (this.blocked) void this.#bell.unlock();
    };
    addEventListener('pointerdown', touched, { signal });
    addEventListener('keydown', touched, { signal });
    const network = () => this.#line?.networkChanged();
    addEventListener('online', network, { signal });
    connection()?.addEventListener('change', network, { signal });
    // A page that goes leaves nobody on the line and no telephone that does not ring; and it does not go unasked.
    addEventListener('pagehide', () => this.#line?.stop(), { signal });
    addEventListener('pageshow', (e) => e.persisted && location.reload(), { signal });
    addEventListener(
      'beforeunload',
      (e) => {
        if (this.calls.some((c) => c.phase === 'talking')) e.preventDefault();
      },
      { signal },
    );
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.#list(), { signal });
    void this.#list();
    void this.#bell.unlock();
    // One session in a browser, one telephone in it.
    this.#leader = new Leader('anteroom-handset', (role) => this.#lead(role));
    this.#leader.start();
  }

  stop(): void {
    this.#stopped.abort();
    clearInterval(this.#timer);
    this.#leader?.stop();
    this.#line?.stop();
    this.#line = null;
    this.#mic.close();
    this.#bell.close();
    this.#tones.close();
  }

  /** Asks for what it takes to be a telephone: at first, after that failed, or when the telephone comes back to this tab. */
  async retrySetup(): Promise<void> {
    // A call in hand needs the line it is on to its end, and its controls meanwhile.
    this.#due = this.#line?.busy === true;
    if (this.#due) return;
    this.#letGo();
    this.setup = { is: 'loading' };
    try {
      const [session, handset] = await Promise.all([client.session(), client.handset()]);
      // With a line, another attempt was faster; it may have a call by now.
      if (this.#stopped.signal.aborted || this.role !== 'telephone' || this.#line !== null) return;
      this.#user = session.user ?? null;
      this.manager = session.role === 'manager';
      this.#connect(handset);
    } catch (why) {
      if (this.#line === null) this.setup = { is: 'failed', why };
    }
  }

  /** Rings here, not in the other tab. */
  take(): void {
    this.#leader?.take();
  }

  retry(): void {
    this.#line?.retry();
  }

  /** Whether the desk means us by this user: the one signed in, or the telephone itself when nobody in particular is. */
  isMe(user: string): boolean {
    return user === this.#user || (this.setup.is === 'ready' && user === this.setup.handset.user);
  }

  /** Where a call stands at the desk, if the desk knows it. */
  deskOf(call: PhoneCall): CallDesk | null {
    return this.board.desk.find((d) => d.call === call.callId) ?? null;
  }

  /** How a call is offered to us with a text, if it is: then we accept or decline it, once one of our telephones is up. */
  offerOf(desk: CallDesk | null): Consulting | null {
    const stage = desk?.stage;
    return stage?.is === 'consulting' && stage.briefing === 'text' && this.isMe(stage.to) ? stage : null;
  }

  /** Whether we are to say if we take a call that is up here. Whoever asked may leave before we do: then the desk tells no more
   * than that it rings. */
  asked(call: PhoneCall): Consulting | null {
    if (call.phase !== 'talking') return null;
    const desk = this.deskOf(call);
    return this.offerOf(desk) ?? (desk?.stage.is === 'ringing' ? call.offered : null);
  }

  /** What can be done with a call that is up here. */
  may(call: PhoneCall): May {
    if (this.registration.is === 'signed_out') return { ...NOTHING, bar: { is: 'signed_out' } };
    if (call.callId === null) return { hold: 'line', park: false, give: true, consult: false, pause: false, leave: false, bar: null };
    return may(this.#place(call));
  }

  #place(call: PhoneCall): Place {
    return {
      desk: this.deskOf(call),
      isMe: (user) => this.isMe(user),
      inside: this.#inside(call),
      asked: this.asked(call) !== null,
      supervises: call.supervises,
    };
  }

  /** A call that the desk knew goes on as another one there. */
  #follow(call: PhoneCall): void {
    if (call.phase !== 'talking') return;
    const to = movedTo(this.board.desk, this.calls.map((c) => c.callId), (user) => this.isMe(user));
    if (to !== null) call.callId = to;
  }

  /** Whether the caller of a call that rings here can be sent elsewhere. */
  maySeeTo(call: PhoneCall): boolean {
    return call.callId !== null && maySeeTo(this.deskOf(call), this.#inside(call));
  }

  /** Who placed a call within the clinic, and whom they rang. */
  #inside(call: PhoneCall): Inside {
    const view = this.board.calls.find((c) => c.id === call.callId);
    return view?.to == null ? null : { from: view.from, to: view.to };
  }

  /** Who is at the other end: the caller as the record has them, a colleague by name, else what SIP tells. Of a call within the
   * clinic, whoever was rung is the one with whom all others talk. */
  who(call: PhoneCall): string | null {
    const { name, number } = call.sip;
    const nameOf = (user: string) => this.board.people.find((p) => p.user === user)?.name;
    const inside = this.#inside(call);
    if (inside !== null) {
      const other = wasRung(this.deskOf(call), inside, (user) => this.isMe(user)) ? inside.from : inside.to;
      return nameOf(other) ?? (other || null);
    }
    const from = this.board.calls.find((c) => c.id === call.callId)?.from;
    return from || nameOf(number) || name || number || null;
  }

  /** Whether a call was marked urgent. */
  isUrgent(call: CallId | null): boolean {
    return this.board.calls.some((c) => c.id === call && c.urgent !== null);
  }

  isHeld(call: PhoneCall): boolean {
    return call.held || heldHere(this.#place(call));
  }

  /** Whether the other side holds us. */
  isFarHeld(call: PhoneCall): boolean {
    return call.farHeld || heldThere(this.#place(call));
  }

  async answer(call: PhoneCall): Promise<void> {
    if (call.phase !== 'ringing' || this.setup.is !== 'ready') return;
    call.phase = 'answering';
    this.#sound();
    const opened = await this.#mic.open(this.#device('mic'));
    if (call.phase !== 'answering') return;
    if (opened.is === 'failed') {
      this.micProblem = opened.why;
      call.phase = 'ringing';
      this.#sound();
      return;
    }
    this.micProblem = null;
    this.#turnTo(call);
    call.sip.answer(own(opened.stream), ice(this.setup.handset));
  }

  /** Tries the microphone again; with a call that waits for it, answers. */
  async retryMic(): Promise<void> {
    const opened = await this.#mic.change(this.#device('mic'));
    this.micProblem = opened.is === 'failed' ? opened.why : null;
    if (opened.is === 'failed') return;
    void this.#list();
    for (const c of this.calls) if (c.phase === 'talking') await c.sip.useMic(own(opened.stream));
    this.#spareMic();
  }

  end(call: PhoneCall): void {
    call.sip.end();
  }

  async dial(target: string): Promise<void> {
    const line = this.#line;
    if (line === null || target.trim() === '') return;
    const opened = await this.#mic.open(this.#device('mic'));
    if (opened.is === 'failed') {
      this.micProblem = opened.why;
      return;
    }
    this.micProblem = null;
    if (this.setup.is !== 'ready') return;
    this.#turnTo(null);
    this.#add(line.call(target.trim(), own(opened.stream), ice(this.setup.handset)));
  }

  mute(call: PhoneCall): void {
    call.muted = !call.muted;
    call.sip.mute(call.muted);
  }

  /** At the desk, where it takes that from us; else by our own telephone. Taking a call off hold ends whatever holds it here. */
  async hold(call: PhoneCall, on: boolean): Promise<void> {
    if (on) {
      if (call.callId !== null && this.may(call).hold === 'desk') await this.command(call, { command: 'hold' });
      else this.#holdOwn(call, true);
      return;
    }
    this.#takeUp(call);
    if (heldHere(this.#place(call))) await this.command(call, { command: 'resume' });
  }

  /** Takes a held call in hand; the one that talks is held instead. */
  async swap(call: PhoneCall): Promise<void> {
    this.#turnTo(call);
    await this.hold(call, false);
  }

  /** Turns away from every call but this one, or for one to come. Our own telephone holds them, so that none of them hears us
   * whatever the desk does: its hold sets the caller apart, and whoever else is in the call would go on hearing us. Ours is
   * enough: a caller with whom nobody is left hears music, and those with whom a colleague is go on talking. */
  #turnTo(call: PhoneCall | null): void {
    for (const other of this.calls) {
      if (other === call || other.phase === 'ringing') continue;
      other.away = true;
      this.#holdOwn(other, true);
    }
    if (call !== null) this.#takeUp(call);
  }

  #takeUp(call: PhoneCall): void {
    call.away = false;
    if (call.held) this.#holdOwn(call, false);
  }

  #holdOwn(call: PhoneCall, on: boolean): void {
    call.held = on;
    call.sip.hold(on);
  }

  /** Asks to listen to a call of others, to whisper or to barge in: our telephone rings for it. */
  async supervise(call: CallId, command: DeskCommand): Promise<void> {
    this.#supervising = call;
    try {
      await client.desk(call, command);
    } catch (e) {
      if (this.#supervising === call) this.#supervising = null;
      throw e;
    }
  }

  /** Leaves a call to the others. Who supervises hangs up: the desk cannot tell whose telephone somebody who is signed in as
   * nobody in particular means. */
  async leave(call: PhoneCall): Promise<void> {
    if (this.may(call).bar?.is === 'supervises') this.end(call);
    else await this.command(call, { command: 'leave' });
  }

  digit(call: PhoneCall, digit: string): void {
    call.sip.tone(digit);
    call.digits = (call.digits + digit).slice(-DIGITS_MAX);
  }

  async park(call: PhoneCall): Promise<void> {
    const done = await this.command(call, { command: 'park', slot: null });
    if (done?.slot != null) call.slot = done.slot;
  }

  /** Gives a call on. Without the desk it can only be given on at once. */
  async give(call: PhoneCall, to: string, how: 'now' | 'spoken' | 'text'): Promise<boolean> {
    const note = call.note.trim() === '' ? null : call.note.trim();
    if (call.callId === null) {
      call.sip.refer(to);
      return true;
    }
    const command: DeskCommand =
      how === 'now' ? { command: 'transfer', to, briefing: note } : { command: 'warm', to, briefing: how, note };
    return (await this.command(call, command)) !== null;
  }

  /** Does something with a call of this handset; null when it failed, and the call tells why. */
  async command(call: PhoneCall, command: DeskCommand): Promise<DeskDone | null> {
    if (call.callId === null) return null;
    call.busy = true;
    call.problem = null;
    try {
      return await client.desk(call.callId, command);
    } catch (e) {
      call.problem = e;
      return null;
    } finally {
      call.busy = false;
    }
  }

  async choose(use: Use, id: string): Promise<void> {
    this.choice = { ...this.choice, [use]: id };
    save(localStorage, this.choice);
    await this.#useOutputs();
    if (use === 'mic' && this.#mic.stream !== null) await this.retryMic();
  }

  /** Opens the microphone to look at its meter, or lets it go. */
  async test(on: boolean): Promise<void> {
    this.testing = on;
    if (!on) {
      this.#spareMic();
      return;
    }
    const opened = await this.#mic.open(this.#device('mic'));
    this.micProblem = opened.is === 'failed' ? opened.why : null;
    if (opened.is === 'failed') this.testing = false;
    else void this.#list();
  }

  ringOnce(): void {
    void this.#bell.use(this.#device('ringer'));
    this.#bell.play('ring');
    setTimeout(() => this.#sound(), 1_400);
  }

  level(): number {
    return this.#mic.level();
  }

  #lead(role: Role): void {
    if (this.#stopped.signal.aborted) return;
    this.role = role;
    if (role === 'telephone') void this.retrySetup();
    else if (role === 'elsewhere' && this.#line !== null) {
      // Calls in hand are kept to their end.
      this.#line.quieten();
      this.#settle();
    }
  }

  #connect(handset: Handset): void {
    this.setup = { is: 'ready', handset };
    this.#fresh = null;
    this.#line?.stop();
    this.registration = { is: 'connecting' };
    this.#line = new Line(handset, {
      registration: (r) => (this.registration = r),
      incoming: (call) => this.#add(call),
      credentials: () => client.handset(),
      renamed: (fresh) => {
        this.#fresh = fresh;
        this.#settle();
      },
    });
    this.#line.start();
  }

  /** Once no call needs the line any more: lets it go, sets it up again, or takes it up under its new name. */
  #settle(): void {
    if (this.#line?.busy === true) return;
    if (this.role === 'elsewhere') this.#letGo();
    else if (this.#due) void this.retrySetup();
    else if (this.#fresh !== null) this.#connect(this.#fresh);
  }

  #letGo(): void {
    this.#line?.stop();
    this.#line = null;
  }

  #add(sip: SipCall): void {
    this.last = null;
    this.calls = [...this.calls, new PhoneCall(sip)];
    // Read back, so that what is changed is what is shown.
    const call = this.calls[this.calls.length - 1];
    if (call === undefined) return;
    call.supervises = sip.callId !== null && sip.callId === this.#supervising;
    if (call.supervises) this.#supervising = null;
    sip.attach({
      progress: () => {
        call.callId = sip.callId;
        this.#sound();
      },
      answered: () => {
        call.callId = sip.callId;
        call.phase = 'talking';
        call.answeredAt = Date.now();
        this.#sound();
      },
      sound: (stream) => this.#play(call, stream),
      farHold: (held) => (call.farHeld = held),
      heldByUs: (held) => (call.held = held),
      digit: (d) => (call.received = (call.received + d).slice(-DIGITS_MAX)),
      over: (why) => this.#over(call, why),
    });
    this.#sound();
    // So that the first words are not lost while the device opens.
    if (call.way === 'in') {
      void this.#mic.allowed().then(async (may) => {
        if (!may || call.phase !== 'ringing') return;
        const opened = await this.#mic.open(this.#device('mic'));
        this.micProblem = opened.is === 'failed' ? opened.why : null;
        this.#spareMic();
      });
    }
  }

  #over(call: PhoneCall, why: Ending): void {
    call.phase = 'over';
    call.over = why;
    call.audio?.pause();
    if (call.audio !== null) call.audio.srcObject = null;
    this.last = { who: this.who(call), why, slot: call.slot };
    this.calls = this.calls.filter((c) => c !== call);
    this.#sound();
    this.#spareMic();
    this.#settle();
  }

  #play(call: PhoneCall, stream: MediaStream): void {
    call.audio ??= new Audio();
    call.audio.srcObject = stream;
    if (call.phase === 'calling') {
      call.early = true;
      // Our own ringback makes way once something is heard.
      stream.getAudioTracks()[0]?.addEventListener('unmute', () => this.#sound(), { once: true });
    }
    void this.#useOutputs();
    call.audio.play().catch(() => (this.blocked = true));
  }

  /** Rings, blips, or is quiet, as the calls want it. */
  #sound(): void {
    const rings = this.calls.some((c) => c.phase === 'ringing');
    const talks = this.calls.some((c) => c.phase === 'talking' || c.phase === 'answering');
    if (rings) {
      void this.#bell.use(this.#device(talks ? 'speaker' : 'ringer'));
      this.#bell.play(talks ? 'waiting' : 'ring');
    } else this.#bell.stop();
    const hears = (c: PhoneCall) => (c.audio?.srcObject as MediaStream | null)?.getAudioTracks().some((t) => !t.muted) === true;
    const calling = this.calls.find((c) => c.phase === 'calling');
    if (calling !== undefined && !hears(calling)) this.#tones.play('ringback');
    else this.#tones.stop();
  }

  #device(use: Use): string {
    const kind = use === 'mic' ? 'audioinput' : 'audiooutput';
    return present(this.choice[use], kind, this.sounds);
  }

  async #list(): Promise<void> {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    this.sounds = all.map((d) => ({ id: d.deviceId, label: d.label, kind: d.kind }));
    await this.#useOutputs();
  }

  async #useOutputs(): Promise<void> {
    await this.#bell.use(this.#device('ringer'));
    await this.#tones.use(this.#device('speaker'));
    for (const { audio } of this.calls) {
      if (audio !== null && 'setSinkId' in audio) await audio.setSinkId(this.#device('speaker')).catch(() => undefined);
    }
  }

  /** The microphone is let go as soon as nobody needs it. */
  #spareMic(): void {
    if (this.calls.length === 0 && !this.testing) this.#mic.close();
  }

  /** Unplugged: the next one is taken, so that the caller goes on being answered. */
  async #micLost(): Promise<void> {
    if (this.calls.length === 0 && !this.testing) return;
    await this.#list();
    await this.retryMic();
  }

  async #look(): Promise<void> {
    for (const call of this.calls) {
      if (call.phase !== 'talking') continue;
      const now = await call.sip.look().catch(() => null);
      if (now === null) continue;
      if (call.before !== null) call.quality = heard(call.before, now);
      call.before = now;
    }
  }
}

/** Each call has a track of its own: muting or holding one must not silence another. */
function own(mic: MediaStream): MediaStream {
  return new MediaStream(mic.getAudioTracks().map((track) => track.clone()));
}

/** `null` is no password: the browser would take it for the word. */
function ice(handset: Handset): RTCIceServer[] {
  return handset.ice_servers.map(({ urls, username, credential }) => ({
    urls,
    ...(username == null ? {} : { username }),
    ...(credential == null ? {} : { credential }),
  }));
}

/** The network information of those browsers that tell. */
function connection(): EventTarget | undefined {
  return (navigator as { connection?: EventTarget }).connection;
}
