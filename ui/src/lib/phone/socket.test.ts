import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Failure } from '../client';
import { SipSocket, type Link } from './socket';

const session = vi.hoisted(() => vi.fn());
vi.mock('../client', async (real) => ({ ...(await real<typeof import('../client')>()), session }));

/** A WebSocket driven by the test. */
class Wire {
  static made: Wire[] = [];
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  readyState = 0;
  binaryType = '';
  sent: unknown[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((e: { data: unknown }) => void) | null = null;
  onclose: ((e: { code: number; reason: string }) => void) | null = null;
  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    Wire.made.push(this);
  }
  send(data: unknown): void {
    this.sent.push(data);
  }
  close(): void {
    this.readyState = 3;
  }
  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  closes(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code, reason: '' });
  }
}

let links: Link[];
let socket: SipSocket;
let up: number;
let down: number;
let heard: unknown[];
const wire = (): Wire => {
  const last = Wire.made.at(-1);
  if (last === undefined) throw new Error('nothing was opened');
  return last;
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', Wire);
  vi.stubGlobal('location', { href: 'https://clinic.example/handset', protocol: 'https:' });
  vi.spyOn(Math, 'random').mockReturnValue(1);
  session.mockReset().mockResolvedValue({});
  Wire.made = [];
  [links, heard, up, down] = [[], [], 0, 0];
  socket = new SipSocket('/sip', (l) => links.push(l));
  socket.onconnect = () => (up += 1);
  socket.ondisconnect = () => (down += 1);
  socket.ondata = (d) => heard.push(d);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('the SIP socket', () => {
  it('goes to the page’s own server, secure as the page is, with the subprotocol', () => {
    socket.connect();
    expect([wire().url, wire().protocol]).toEqual(['wss://clinic.example/sip', 'sip']);
    expect([socket.via_transport, socket.sip_uri]).toEqual(['WSS', 'sip:clinic.example;transport=ws']);
  });

  it('comes back by itself, later each time, and soon again once it was up', async () => {
    socket.connect();
    wire().closes(1006);
    expect(links.at(-1)).toEqual({ is: 'lost', retryAt: Date.now() + 1_000 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(Wire.made.length).toBe(2);
    wire().closes(1006);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(Wire.made.length).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    wire().opens();
    expect([up, down]).toEqual([1, 2]);
    wire().closes(1001);
    expect(links.at(-1)).toEqual({ is: 'lost', retryAt: Date.now() + 1_000 });
  });

  it('tries at once when asked to, and once only', async () => {
    socket.connect();
    wire().closes(1006);
    socket.retry();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(Wire.made.length).toBe(2);
  });

  it('stops when the session has ended, told by the server or asked for', async () => {
    socket.connect();
    wire().opens();
    wire().closes(4401);
    expect(links.at(-1)).toEqual({ is: 'signed_out' });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(Wire.made.length).toBe(1);

    session.mockRejectedValue(new Failure(401, null));
    socket.connect();
    wire().closes(1006);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([links.at(-1), Wire.made.length]).toEqual([{ is: 'signed_out' }, 2]);
  });

  it('goes on trying while the server cannot be reached', async () => {
    session.mockRejectedValue(new Failure(null, null));
    socket.connect();
    wire().closes(1006);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(links.filter((l) => l.is === 'lost' && l.retryAt !== null).length).toBeGreaterThan(2);
    session.mockResolvedValue({});
    await vi.advanceTimersByTimeAsync(60_000);
    expect(Wire.made.length).toBe(2);
  });

  it('finds out that a server that answered keep-alives does no longer', async () => {
    socket.connect();
    wire().opens();
    await vi.advanceTimersByTimeAsync(25_000);
    expect(wire().sent).toEqual(['\r\n\r\n']);
    wire().onmessage?.({ data: '\r\n' });
    await vi.advanceTimersByTimeAsync(34_999);
    expect(down).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect([down, heard]).toEqual([1, []]);
  });

  it('holds nothing against a server that never answered one', async () => {
    socket.connect();
    wire().opens();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(down).toBe(0);
  });

  it('passes on text and bytes in Latin-1 as the same words', () => {
    socket.connect();
    wire().opens();
    wire().onmessage?.({ data: 'SIP/2.0 200 OK\r\n\r\n' });
    wire().onmessage?.({ data: new Uint8Array([0x63, 0x61, 0x66, 0xe9]).buffer });
    expect(heard).toEqual(['SIP/2.0 200 OK\r\n\r\n', 'café']);
  });

  it('does nothing more once it is told to stop', async () => {
    socket.connect();
    wire().closes(1006);
    socket.disconnect();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(Wire.made.length).toBe(1);
    expect(socket.send('x')).toBe(false);
  });
});
