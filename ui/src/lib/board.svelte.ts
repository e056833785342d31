// What the page knows.
import type {
  CallDesk,
  CallEvent,
  CallId,
  CallSummary,
  EngineState,
  LiveEvent,
  Person,
  ServerMessage,
  SessionInfo,
  TaskDto,
  TaskId,
} from './api';
import * as client from './client';
import { apply, emptyView, fold, summary, type CallView } from './fold';
import { Stream, type Connection } from './stream';

const ENDED_MAX = 20;
const RECENT_MAX = 50;

export type View = 'calls' | 'card' | 'tasks' | 'recent';
export type TaskView = 'todo' | 'mine' | 'closed';
export type Reading = { is: 'nothing' } | { is: 'loading' } | { is: 'failed'; why: unknown } | { is: 'call'; call: CallView };

export class Board {
  connection = $state<Connection>({ is: 'connecting' });
  engine = $state<EngineState | null>(null);
  calls = $state<CallView[]>([]);
  ended = $state<CallView[]>([]);
  tasks = $state<TaskDto[]>([]);
  /** Closed tasks, the latest first, once they were asked for; and where the next page begins. */
  closed = $state<{ tasks: TaskDto[]; next: TaskId | null } | null>(null);
  /** Who looks at this. */
  who = $state<Pick<SessionInfo, 'role' | 'user'> | null>(null);
  recent = $state<CallSummary[]>([]);
  /** Where calls in progress stand at the desk. */
  desk = $state<CallDesk[]>([]);
  people = $state<Person[]>([]);
  /** What a narrow screen shows. */
  view = $state<View>('calls');
  /** The clock, corrected by the server's. */
  now = $state(Date.now());
  /** What a screen reader is told. */
  announcement = $state('');

  #chosen = $state<CallId | null>(null);
  #fetched = $state<{ id: CallId; reading: Reading } | null>(null);
  #offset = 0;
  #position: { epoch: string; seq: number } | null = null;
  #version: string | null = null;
  #announce: (call: CallView, urgent: boolean) => string | null;
  #stream: Stream;
  #tick: ReturnType<typeof setInterval> | undefined;

  /** Calls in progress, urgent ones first, then by who waits longest. */
  ordered = $derived(
    this.calls.toSorted((a, b) => Number(b.urgent !== null) - Number(a.urgent !== null) || a.startedAt - b.startedAt),
  );
  /** The call on the card: the one chosen, else the first. */
  selected = $derived(this.#chosen ?? this.ordered[0]?.id ?? null);
  reading: Reading = $derived.by(() => {
    const id = this.selected;
    if (id === null) return { is: 'nothing' };
    const known = this.calls.find((c) => c.id === id) ?? this.ended.find((c) => c.id === id);
    if (known !== undefined) return { is: 'call', call: known };
    return this.#fetched?.id === id ? this.#fetched.reading : { is: 'nothing' };
  });

  constructor(announce: (call: CallView, urgent: boolean) => string | null) {
    this.#announce = announce;
    this.#stream = new Stream({
      message: (m) => this.#message(m),
      connection: (c) => (this.connection = c),
      position: () => this.#position,
    });
  }

  start(): void {
    this.#tick = setInterval(() => (this.now = Date.now() + this.#offset), 1_000);
    this.#stream.start();
  }

  stop(): void {
    clearInterval(this.#tick);
    this.#stream.stop();
  }

  retry(): void {
    this.#stream.retry();
  }

  /** Whether a task is with whoever looks at this. Those who share a code that is nobody's share what they take. */
  isMine(task: TaskDto): boolean {
    return (task.owner ?? null) === (this.who?.user ?? null);
  }

  /** Reads closed tasks: the latest, or the page after those that are here. */
  async readClosed(further: boolean): Promise<void> {
    const page = await client.closedTasks(further ? (this.closed?.next ?? null) : null);
    const before = further ? (this.closed?.tasks ?? []) : [];
    const news = page.tasks.filter((t) => before.every((b) => b.id !== t.id));
    this.closed = { tasks: [...before, ...news], next: page.next ?? null };
  }

  async choose(id: CallId): Promise<void> {
    this.#chosen = id;
    this.view = 'card';
    if (this.calls.some((c) => c.id === id) || this.ended.some((c) => c.id === id)) return;
    this.#fetched = { id, reading: { is: 'loading' } };
    let reading: Reading;
    try {
      const call = fold((await client.call(id)).events);
      reading = call === null ? { is: 'nothing' } : { is: 'call', call };
    } catch (why) {
      reading = { is: 'failed', why };
    }
    if (this.#fetched?.id === id) this.#fetched = { id, reading };
  }

  back(): void {
    this.#chosen = null;
    this.view = 'calls';
  }

  #message(message: ServerMessage): void {
    switch (message.message) {
      case 'snapshot': {
        const { snapshot } = message;
        // A newer program serves a newer page.
        if (this.#version !== null && this.#version !== snapshot.state.version) location.reload();
        this.#version = snapshot.state.version;
        this.#position = { epoch: snapshot.epoch, seq: snapshot.seq };
        this.#clock(snapshot.now);
        this.engine = snapshot.state;
        this.calls = snapshot.calls.flatMap((c) => fold(c.events) ?? []);
        this.tasks = snapshot.tasks;
        // What was closed meanwhile is read again when it is asked for.
        this.closed = null;
        this.recent = snapshot.recent;
        this.desk = snapshot.desk;
        this.people = snapshot.people;
        break;
      }
      case 'resumed':
        break;
      case 'alive':
        this.#clock(message.now);
        break;
      case 'event':
        this.#event(message.event);
        break;
    }
  }

  #clock(server: number): void {
    this.#offset = server - Date.now();
    this.now = server;
  }

  #event(event: LiveEvent): void {
    if (this.#position !== null) {
      if (event.seq <= this.#position.seq) return;
      this.#position.seq = event.seq;
    }
    const { body } = event;
    switch (body.about) {
      case 'state':
        this.engine = body.state;
        break;
      case 'task':
        this.#task(body.task);
        break;
      case 'desk':
        this.desk = [...this.desk.filter((d) => d.call !== body.desk.call), body.desk];
        break;
      case 'people':
        this.people = body.people;
        break;
      case 'call':
        this.#callEvent(body.event);
        break;
    }
  }

  #task(task: TaskDto): void {
    const open = task.status === 'open' || task.status === 'taken';
    const without = (tasks: TaskDto[]) => tasks.filter((t) => t.id !== task.id);
    this.tasks = open ? [...without(this.tasks), task] : without(this.tasks);
    if (this.closed !== null) {
      const others = without(this.closed.tasks);
      this.closed = { tasks: open ? others : [task, ...others], next: this.closed.next };
    }
  }

  #callEvent(event: CallEvent): void {
    let view = this.calls.find((c) => c.id === event.call);
    const isNew = view === undefined;
    // A leg may outlive its call for a moment: what is told of it then does not bring the call back.
    if (isNew && event.seq > 1) return;
    if (view === undefined) {
      this.calls.push(emptyView(event));
      // Read back, so that what is changed is the tracked object.
      view = this.calls[this.calls.length - 1];
    }
    if (view === undefined) return;
    apply(view, event);
    const urgent = event.kind.type === 'marked_urgent';
    if (urgent || isNew) this.announcement = this.#announce(view, urgent) ?? this.announcement;
    if (event.kind.type === 'ended') this.#end(view);
  }

  #end(view: CallView): void {
    // Whoever reads it goes on reading it.
    if (this.selected === view.id) this.#chosen = view.id;
    this.ended = [$state.snapshot(view), ...this.ended].slice(0, ENDED_MAX);
    this.calls = this.calls.filter((c) => c.id !== view.id);
    this.desk = this.desk.filter((d) => d.call !== view.id);
    this.recent = [summary(view), ...this.recent.filter((c) => c.id !== view.id)].slice(0, RECENT_MAX);
  }
}
