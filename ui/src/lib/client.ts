// The HTTP side of the API.
import type {
  ApiError,
  Automation,
  CallDetail,
  DeskCommand,
  DeskDone,
  EntryDetail,
  Handset,
  SessionInfo,
  TaskCommand,
  TaskDetail,
  TaskDto,
  TasksPage,
} from './api';

/** What the server refused, or null when it could not be reached. */
export class Failure extends Error {
  constructor(
    readonly status: number | null,
    readonly error: ApiError | null,
  ) {
    super(error?.code ?? 'unreachable');
  }
}

async function send(method: string, path: string, body?: unknown): Promise<Response> {
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
  if (response.ok) return response;
  throw new Failure(response.status, (await response.json().catch(() => null)) as ApiError | null);
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await send(method, path, body);
  return response.status === 204 ? null : ((await response.json().catch(() => null)) as unknown);
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

export async function task(id: string): Promise<TaskDetail> {
  return (await ask('GET', `/api/v1/tasks/${encodeURIComponent(id)}`)) as TaskDetail;
}

export async function closedTasks(before: string | null): Promise<TasksPage> {
  const from = before === null ? '' : `&before=${encodeURIComponent(before)}`;
  return (await ask('GET', `/api/v1/tasks?which=closed${from}`)) as TasksPage;
}

export async function changeTask(id: string, command: TaskCommand): Promise<TaskDto> {
  return (await ask('POST', `/api/v1/tasks/${encodeURIComponent(id)}`, command)) as TaskDto;
}

/** A call's recording, all of it. That it was fetched is kept. */
export async function recording(call: string): Promise<Blob> {
  return (await send('GET', `/api/v1/calls/${encodeURIComponent(call)}/recording`)).blob();
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
