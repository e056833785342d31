// The microphone: opened when it is needed, watched while it is open, and let go afterwards.
import { problem, type MicProblem } from './devices';

/** Quieter than this counts as nothing on the meter, in dB below full scale. */
const FLOOR_DB = -60;

export type Opened = { is: 'open'; stream: MediaStream } | { is: 'failed'; why: MicProblem };

export class Mic {
  /** The device was unplugged or taken away. */
  onlost: () => void = () => undefined;
  #stream: MediaStream | null = null;
  #opening: Promise<Opened> | null = null;
  #context: AudioContext | null = null;
  #analyser: AnalyserNode | null = null;
  #source: MediaStreamAudioSourceNode | null = null;
  #samples = new Float32Array(0);

  get stream(): MediaStream | null {
    return this.#stream;
  }

  /** Whether the browser will let us without asking. Asking at the wrong moment costs the first words. */
  async allowed(): Promise<boolean> {
    try {
      return (await navigator.permissions.query({ name: 'microphone' as PermissionName })).state === 'granted';
    } catch {
      return false;
    }
  }

  open(device: string): Promise<Opened> {
    if (this.#stream !== null) return Promise.resolve({ is: 'open', stream: this.#stream });
    this.#opening ??= this.#ask(device).finally(() => (this.#opening = null));
    return this.#opening;
  }

  /** Lets the present device go and opens another. */
  async change(device: string): Promise<Opened> {
    await this.#opening;
    this.close();
    return this.open(device);
  }

  close(): void {
    this.#source?.disconnect();
    this.#source = null;
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.#stream = null;
    void this.#context?.close();
    this.#context = null;
  }

  /** How loud it is now, 0 to 1 over 60 dB. */
  level(): number {
    const analyser = this.#analyser;
    if (analyser === null || this.#stream === null) return 0;
    analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const s of this.#samples) sum += s * s;
    const db = 10 * Math.log10(sum / this.#samples.length || 1e-12);
    return Math.max(0, Math.min(1, 1 - db / FLOOR_DB));
  }

  async #ask(device: string): Promise<Opened> {
    // Absent where the page is not served securely.
    if (navigator.mediaDevices === undefined) return { is: 'failed', why: 'insecure' };
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: {
          echoCancellation: true,
          noiseSuppression: true,
          autoGainControl: true,
          ...(device === '' ? {} : { deviceId: { ideal: device } }),
        },
      });
      this.#keep(stream);
      return { is: 'open', stream };
    } catch (e) {
      return { is: 'failed', why: problem(e instanceof Error ? e.name : '') };
    }
  }

  #keep(stream: MediaStream): void {
    this.#stream = stream;
    const [track] = stream.getAudioTracks();
    if (track !== undefined) {
      track.onended = () => {
        if (this.#stream !== stream) return;
        this.close();
        this.onlost();
      };
    }
    this.#context = new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 1024;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
  }
}
