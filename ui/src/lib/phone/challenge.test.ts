import { describe, expect, it } from 'vitest';
import { answerable } from './challenge';

const message = (...headers: string[]) => ['SIP/2.0 401 Unauthorized', ...headers, 'Content-Length: 0', '', ''].join('\r\n');
const SHA = 'WWW-Authenticate: Digest realm="a", nonce="n", algorithm=SHA-256, qop="auth"';
const MD5 = 'WWW-Authenticate: Digest realm="a", nonce="n", algorithm=MD5, qop="auth"';
const NONE = 'WWW-Authenticate: Digest realm="a", nonce="n"';
const SESS = 'WWW-Authenticate: Digest realm="a", nonce="n", algorithm=MD5-sess';

describe('answerable', () => {
  it('leaves the challenge that can be answered', () => {
    expect(answerable(message(SHA, MD5))).toBe(message(MD5));
    expect(answerable(message(SHA, NONE))).toBe(message(NONE));
    expect(answerable(message(SESS, MD5))).toBe(message(MD5));
  });
  it('leaves everything when none can be answered, so that the refusal is seen', () => {
    expect(answerable(message(SHA))).toBe(message(SHA));
  });
  it('touches nothing else', () => {
    const ok = 'SIP/2.0 200 OK\r\nWWW-Authenticate: algorithm=SHA-256\r\n\r\nbody';
    expect(answerable(ok)).toBe(ok);
    expect(answerable('INVITE sip:a SIP/2.0\r\n\r\n')).toBe('INVITE sip:a SIP/2.0\r\n\r\n');
  });
});
