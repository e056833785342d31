// Tones of our own: ringing on the ringer device, ringback in the headset. No sound files.

/** What rings: somebody calls; somebody else calls meanwhile; we call and it rings there. */
export type Tone = 'ring' | 'waiting' | 'ringback';

interface Cadence {
  hertz: number[];
  /** Seconds of sound and silence in turn. */
  pattern: number[];
  gain: number;
}

// British ringing and ringback; a soft blip for a second call.
const CADENCES: Record<Tone, Cadence> = {
  ring: { hertz: [400, 450], pattern: [0.4, 0.2, 0.4, 2], gain: 0.25 },
  waiting: { hertz: [425], pattern: [0.15, 5], gain: 0.06 },
  ringback: { hertz: [400, 450], pattern: [0.4, 0.2, 0.4, 2], gain: 0.06 },
};

export class Ringer {
  /** The browser lets a page make a sound only after somebody has touched it. */
  onblocked: (blocked: boolean) => void = () => undefined;
  #context: AudioContext | null = null;
  #out: HTMLAudioElement | null = null;
  #gate: GainNode | null = null;
  #oscillators: OscillatorNode[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #now: Tone | null = null;

  get now(): Tone | null {
    return this.#now;
  }

  /** Finds out whether it could ring; to be called again when somebody touches the page. */
  async unlock(): Promise<void> {
    const { context, out } = this.#ready();
    try {
      await Promise.race([context.resume(), new Promise((late) => setTimeout(late, 300))]);
      if (context.state === 'running') await out.play();
    } catch {
      // Refused: the state tells.
    }
    this.onblocked(context.state !== 'running');
  }

  async use(device: string): Promise<void> {
    const { out } = this.#ready();
    // Absent in browsers that have one output only.
    if ('setSinkId' in out) await out.setSinkId(device).catch(() => undefined);
  }

  play(tone: Tone): void {
    if (this.#now === tone) return;
    this.stop();
    this.#now = tone;
    const { context } = this.#ready();
    void this.unlock();
    const { hertz, pattern, gain } = CADENCES[tone];
    const gate = context.createGain();
    gate.gain.value = 0;
    gate.connect(this.#destination());
    this.#gate = gate;
    this.#oscillators = hertz.map((f) => {
      const o = context.createOscillator();
      o.frequency.value = f;
      o.connect(gate);
      o.start();
      return o;
    });
    this.#step(pattern, 0, gain / hertz.length);
  }

  stop(): void {
    this.#now = null;
    clearTimeout(this.#timer);
    for (const o of this.#oscillators) o.stop();
    this.#oscillators = [];
    this.#gate?.disconnect();
    this.#gate = null;
  }

  close(): void {
    this.stop();
    this.#out?.pause();
    void this.#context?.close();
    this.#context = null;
    this.#out = null;
  }

  #node: MediaStreamAudioDestinationNode | null = null;

  #destination(): AudioNode {
    this.#ready();
    if (this.#node === null) throw new Error('the ringer has no way out');
    return this.#node;
  }

  /** Through an element, because elements can be sent to a device of their own in more browsers than contexts can. */
  #ready(): { context: AudioContext; out: HTMLAudioElement } {
    if (this.#context === null || this.#out === null) {
      this.#context = new AudioContext();
      this.#node = this.#context.createMediaStreamDestination();
      this.#out = new Audio();
      this.#out.srcObject = this.#node.stream;
    }
    return { context: this.#context, out: this.#out };
  }

  #step(pattern: number[], at: number, gain: number): void {
    const context = this.#context;
    const gate = this.#gate;
    if (context === null || gate === null) return;
    const on = at % 2 === 0;
    // A ramp of a few milliseconds, so that it does not click.
    gate.gain.setTargetAtTime(on ? gain : 0, context.currentTime, 0.008);
    const seconds = pattern[at] ?? 1;
    this.#timer = setTimeout(() => this.#step(pattern, (at + 1) % pattern.length, gain), seconds * 1000);
  }
}
