// Sound for the browsers under test, and what arrives of it.
import { writeFile } from 'node:fs/promises';

/** A WAV file of a tone that comes and goes, like speech does: steady tones are taken for noise and removed. */
export async function toneFile(path, hertz, { rate = 48_000, channels = 1, seconds = 2 } = {}) {
  const samples = rate * seconds;
  const frame = 2 * channels;
  const wav = Buffer.alloc(44 + samples * frame);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + samples * frame, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(channels, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(rate * frame, 28);
  wav.writeUInt16LE(frame, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(samples * frame, 40);
  for (let i = 0; i < samples; i += 1) {
    const t = i / rate;
    const on = t % 0.4 < 0.25 ? Math.sin((Math.PI * (t % 0.4)) / 0.25) : 0;
    const value = Math.round(12_000 * on * Math.sin(2 * Math.PI * hertz * t));
    for (let c = 0; c < channels; c += 1) wav.writeInt16LE(value, 44 + i * frame + c * 2);
  }
  await writeFile(path, wav);
}

/** To be run before the page's own scripts: keeps hold of its connections, so that their sound can be measured. */
export function holdConnections() {
  const Real = window.RTCPeerConnection;
  window.heldConnections = [];
  // `window.relayOnly`: no way but by a TURN server; `window.noWay`: none at all. `window.onlyCodec`: as if this browser knew no other codec.
  const keep = (sdp, codec) => {
    const kept = [...sdp.matchAll(/a=rtpmap:(\d+) ([^/\s]+)/g)].filter(([, , name]) => [codec, 'telephone-event'].includes(name)).map(([, id]) => id);
    return sdp
      .split('\r\n')
      .filter((l) => !/^a=(rtpmap|fmtp|rtcp-fb):/.test(l) || kept.includes(l.match(/:(\d+)/)[1]))
      .map((l) => (l.startsWith('m=audio') ? [...l.split(' ').slice(0, 3), ...kept].join(' ') : l))
      .join('\r\n');
  };
  window.RTCPeerConnection = class extends Real {
    constructor(config, ...rest) {
      const relays = window.noWay ? { iceServers: [] } : {};
      super(window.relayOnly || window.noWay ? { ...config, ...relays, iceTransportPolicy: 'relay' } : config, ...rest);
      window.heldConnections.push(this);
    }
    setRemoteDescription(description, ...rest) {
      const { type, sdp } = description;
      return super.setRemoteDescription(window.onlyCodec ? { type, sdp: keep(sdp, window.onlyCodec) } : description, ...rest);
    }
  };
}

/** The name by which ICE knows this end of the page's newest open connection; none while there is none. */
export const iceName = (page) =>
  page.evaluate(() => window.heldConnections.findLast((c) => c.connectionState === 'connected')?.localDescription.sdp.match(/a=ice-ufrag:(.*)/)[1]);

/** How loud these frequencies are, in dB, in what the newest open connection of the page receives: the loudest of `looks`
 * looks 50 ms apart. */
export function receivedDb(page, hertz, looks = 30) {
  return page.evaluate(
    async ({ hertz, looks }) => {
      const connected = () => window.heldConnections.findLast((c) => c.connectionState === 'connected');
      for (let n = 0; n < looks && connected() === undefined; n += 1) await new Promise((next) => setTimeout(next, 50));
      const connection = connected();
      if (connection === undefined) return hertz.map(() => -200);
      const track = connection.getReceivers().find((r) => r.track.kind === 'audio').track;
      const context = new AudioContext({ sampleRate: 48_000 });
      const analyser = context.createAnalyser();
      analyser.fftSize = 4096;
      analyser.smoothingTimeConstant = 0;
      context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
      const bins = new Float32Array(analyser.frequencyBinCount);
      const loudest = hertz.map(() => -200);
      for (let n = 0; n < looks; n += 1) {
        await new Promise((next) => setTimeout(next, 50));
        analyser.getFloatFrequencyData(bins);
        hertz.forEach((f, i) => {
          const at = Math.round((f * analyser.fftSize) / 48_000);
          loudest[i] = Math.max(loudest[i], bins[at - 1], bins[at], bins[at + 1]);
        });
      }
      await context.close();
      return loudest;
    },
    { hertz, looks },
  );
}
