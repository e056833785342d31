// What JsSIP cannot answer is taken out before it sees it. Pure.

/** RFC 8760 2.4 wants a client to choose, of several challenges, the first it knows. JsSIP looks at the first only, and knows
 * MD5 only. The connection is TLS and belongs to the session already, so nothing rests on the digest alone. */
export function answerable(message: string): string {
  if (!message.startsWith('SIP/2.0 401') && !message.startsWith('SIP/2.0 407')) return message;
  const end = message.indexOf('\r\n\r\n');
  const lines = message.slice(0, end).split('\r\n');
  const isChallenge = (line: string) => /^(www|proxy)-authenticate\s*:/i.test(line);
  const isMd5 = (line: string) => /algorithm\s*=\s*"?(?!md5"?\s*(,|$))/i.test(line) === false;
  if (!lines.some((l) => isChallenge(l) && isMd5(l))) return message;
  return lines.filter((l) => !isChallenge(l) || isMd5(l)).join('\r\n') + message.slice(end);
}
