// The HTTP side of the API.
import type { ApiError, Automation, CallDetail, DeskCommand, DeskDone, EntryDetail, Handset, SessionInfo } from './api';

/** What the server refused, or null when it could not be reached. */
export class Failure extends Error {
  constructor(
    readonly status: number | null,
    readonly error: ApiError | null,
  ) {
    super(error?.code ?? 'unreachable');
  }
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      signal: AbortSignal.timeout(20_000),
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
  } catch {
    throw new Failure(null, null);
  }
  if (response.status === 204) return null;
  const value: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new Failure(response.status, value as ApiError | null);
  return value;
}

export async function session(): Promise<SessionInfo> {
  return (await ask('GET', '/api/v1/session')) as SessionInfo;
}

export async function signIn(code: string): Promise<SessionInfo> {
  return (await ask('POST', '/api/v1/session', { code })) as SessionInfo;
}

export async function signOut(): Promise<void> {
  await ask('DELETE', '/api/v1/session');
}

export async function call(id: string): Promise<CallDetail> {
  return (await ask('GET', `/api/v1/calls/${encodeURIComponent(id)}`)) as CallDetail;
}

export async function entry(id: string, version: number): Promise<EntryDetail> {
  return (await ask('GET', `/api/v1/knowledge/${encodeURIComponent(id)}/${version}`)) as EntryDetail;
}

export async function handset(): Promise<Handset> {
  return (await ask('GET', '/api/v1/handset')) as Handset;
}

export async function desk(call: string, command: DeskCommand): Promise<DeskDone> {
  return (await ask('POST', `/api/v1/calls/${encodeURIComponent(call)}/desk`, command)) as DeskDone;
}

export async function setAutomation(on: boolean): Promise<Automation> {
  return (await ask('POST', '/api/v1/automation', { on })) as Automation;
}
