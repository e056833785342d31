// Made by scripts/types.mjs from src-tauri/api/schema/api.json. Do not edit.
// schema sha256 ae2a8649db4946b9c75a3e1e9af9dc5a77ac682d142a89e411357a3d07331d09

/**
 * A ULID: 26 characters of Crockford base 32.
 */
export type TraceId = string;
/**
 * What became of something that was being said.
 */
export type BargeInAction = 'paused' | 'resumed' | 'dropped';
/**
 * Wall-clock time: milliseconds since 1970-01-01T00:00:00Z.
 */
export type Wall = number;
/**
 * A ULID: 26 characters of Crockford base 32.
 */
export type CallId = string;
/**
 * What happened. See the module for `S`.
 */
export type EventKind =
  | {
      /**
       * The caller's number or address.
       */
      from: string;
      /**
       * The number or address dialled.
       */
      to: string;
      /**
       * The trunk it came by, or `direct`.
       */
      trunk: string;
      type: 'offered';
    }
  | {
      /**
       * The codec agreed.
       */
      codec: string;
      /**
       * Milliseconds from INVITE to our 200.
       */
      setup_ms: number;
      /**
       * Whether the media is encrypted.
       */
      srtp: boolean;
      type: 'answered';
    }
  | {
      /**
       * Milliseconds from INVITE to it.
       */
      ms_from_invite: number;
      type: 'greeting_started';
    }
  | {
      /**
       * Language tag.
       */
      language: string;
      /**
       * The script's name.
       */
      script: string;
      type: 'consent_notice_played';
    }
  | {
      /**
       * Whether it is on.
       */
      on: boolean;
      type: 'recording';
    }
  | {
      side: Side;
      /**
       * The words.
       */
      text: string;
      turn: TurnId;
      type: 'partial';
    }
  | {
      /**
       * Confidence of the recogniser, 0 to 1.
       */
      confidence: number;
      /**
       * Milliseconds the recogniser took.
       */
      decode_ms: number;
      end: Mono;
      /**
       * The recogniser rung that produced it, e.g. `whisper:base.en-q5_1` or `keypad`.
       */
      recogniser: string;
      side: Side;
      start: Mono;
      /**
       * What was recognised; may be empty.
       */
      text: string;
      turn: TurnId;
      type: 'heard';
    }
  | {
      record: DecisionRecord;
      type: 'decided';
    }
  | {
      /**
       * The entry whose words they are, if it is an answer.
       */
      entry?: EntryRef | null;
      /**
       * Milliseconds from the end of the caller's speech to the first audio sent, if it answers a turn.
       */
      ms_to_audio?: number | null;
      say: SayId;
      /**
       * The words.
       */
      text: string;
      /**
       * The turn it answers, if any.
       */
      turn?: TurnId | null;
      type: 'said';
    }
  | {
      action: BargeInAction;
      say: SayId;
      type: 'barge_in';
    }
  | {
      /**
       * The digit.
       */
      digit: string;
      type: 'dtmf';
    }
  | {
      type: 'marked_urgent';
      /**
       * The gate's rule.
       */
      why: string;
    }
  | {
      due: Wall;
      kind: TaskKind;
      /**
       * The number to ring back, if known.
       */
      number?: string | null;
      /**
       * One line for the person who takes it.
       */
      summary: string;
      task: TaskId;
      type: 'task_created';
    }
  | {
      /**
       * Whether we are held.
       */
      held: boolean;
      type: 'hold';
    }
  | {
      /**
       * From.
       */
      from: string;
      /**
       * To.
       */
      to: string;
      type: 'recogniser_changed';
      /**
       * Why: `load`, `error`, `missing` or `recovered`.
       */
      why: string;
    }
  | {
      type: 'watchdog';
      /**
       * Which.
       */
      which: string;
    }
  | {
      /**
       * Interarrival jitter in milliseconds (RFC 3550 6.4.1).
       */
      jitter_ms: number;
      /**
       * Packets lost on the way to us.
       */
      lost: number;
      /**
       * Estimated mean opinion score, 1 to 4.5 (ITU-T G.107, simplified).
       */
      mos: number;
      /**
       * RTP packets received.
       */
      packets: number;
      /**
       * Round-trip time in milliseconds, if the far end reports.
       */
      rtt_ms?: number | null;
      type: 'quality';
    }
  | {
      reason: EndReason;
      /**
       * Seconds since it was offered.
       */
      seconds: number;
      type: 'ended';
    };
/**
 * Who spoke.
 */
export type Side = 'caller' | 'clinic';
/**
 * The number of a turn within its call, from 1.
 */
export type TurnId = number;
/**
 * Monotonic time: microseconds since the process's epoch (an instant the composition root chose at start).
 */
export type Mono = number;
/**
 * The stable name of a knowledge entry.
 */
export type EntryId = string;
/**
 * What was decided about a turn.
 */
export type Decision = 'answer' | 'clarify' | 'decline' | 'escalate' | 'task' | 'handover' | 'goodbye';
/**
 * What the safety gate says of a text.
 */
export type GateClass = 'urgent' | 'advice' | 'none';
/**
 * The number of something said to the caller within its call, from 1.
 */
export type SayId = number;
/**
 * What a task is about.
 */
export type TaskKind = 'callback' | 'urgent' | 'appointment' | 'prescription' | 'question' | 'voicemail';
/**
 * A ULID: 26 characters of Crockford base 32.
 */
export type TaskId = string;
/**
 * Why a call ended.
 */
export type EndReason =
  'caller_hung_up' | 'cancelled' | 'completed' | 'media_timeout' | 'refused' | 'too_long' | 'failed' | 'interrupted';
/**
 * Where a task stands.
 */
export type TaskStatus = 'open' | 'done';
/**
 * How a check came out. The order is from good to bad.
 */
export type CheckStatus = 'ok' | 'degraded' | 'failed';
/**
 * How the recogniser does.
 */
export type RecogniserHealth = 'ok' | 'fallback' | 'down';
/**
 * How a trunk stands.
 */
export type TrunkStatus = 'up' | 'connecting' | 'down';
/**
 * Where an entry version stands.
 */
export type EntryStatus = 'draft' | 'approved' | 'retired';
/**
 * What changed.
 */
export type LiveBody =
  | {
      about: 'call';
      event: CallEvent;
    }
  | {
      about: 'state';
      state: EngineState;
    }
  | {
      about: 'task';
      task: TaskDto;
    };
/**
 * What a person may do.
 */
export type Role = 'front_desk' | 'manager' | 'admin' | 'auditor';
/**
 * What the server sends. The client sends nothing but what the protocol itself needs.
 */
export type ServerMessage =
  | {
      message: 'snapshot';
      snapshot: Snapshot;
    }
  | {
      message: 'resumed';
      /**
       * The number you gave.
       */
      seq: number;
    }
  | {
      event: LiveEvent;
      message: 'event';
    }
  | {
      message: 'alive';
      now: Wall;
    };

/**
 * Everything that crosses Anteroom's HTTP and WebSocket surface.
 */
export interface AnteroomApi {
  ApiError: ApiError;
  BargeInAction: BargeInAction;
  CallDetail: CallDetail;
  CallEvent: CallEvent;
  CallId: CallId;
  CallSummary: CallSummary;
  CallsPage: CallsPage;
  CallsQuery: CallsQuery;
  Check: Check;
  CheckStatus: CheckStatus;
  Decision: Decision;
  DecisionRecord: DecisionRecord;
  EndReason: EndReason;
  EngineState: EngineState;
  EntryDetail: EntryDetail;
  EntryId: EntryId;
  EntryRef: EntryRef;
  EntryStatus: EntryStatus;
  EventKind: EventKind;
  GateClass: GateClass;
  HealthReport: HealthReport;
  KnowledgeEntry: KnowledgeEntry;
  LiveBody: LiveBody;
  LiveCall: LiveCall;
  LiveEvent: LiveEvent;
  Mono: Mono;
  OpenState: OpenState;
  RecogniserHealth: RecogniserHealth;
  RecogniserState: RecogniserState;
  RecordingInfo: RecordingInfo;
  Role: Role;
  SayId: SayId;
  SearchRequest: SearchRequest;
  ServerMessage: ServerMessage;
  SessionInfo: SessionInfo;
  SessionRequest: SessionRequest;
  Side: Side;
  Snapshot: Snapshot;
  TaskDto: TaskDto;
  TaskId: TaskId;
  TaskKind: TaskKind;
  TaskStatus: TaskStatus;
  TasksPage: TasksPage;
  TraceId: TraceId;
  TrunkState: TrunkState;
  TrunkStatus: TrunkStatus;
  TurnId: TurnId;
  Wall: Wall;
}
/**
 * What a caller of the API is told: what happened, what to do next, and the trace that finds it in the log.
 *
 * It never holds personal data, so it may be logged.
 */
export interface ApiError {
  /**
   * A stable code, `area.problem`.
   */
  code: string;
  /**
   * What to do about it.
   */
  hint: string;
  /**
   * What happened.
   */
  message: string;
  /**
   * Joins this answer to the log. The server sets it; an engine may leave it empty.
   */
  trace?: TraceId | null;
}
/**
 * A call with everything that happened in it.
 */
export interface CallDetail {
  /**
   * What happened, in order.
   */
  events: CallEvent[];
  /**
   * Its recording, if it was recorded.
   */
  recording?: RecordingInfo | null;
  summary: CallSummary;
  /**
   * The tasks it left.
   */
  tasks: TaskDto[];
}
/**
 * One thing that happened in a call.
 */
export interface CallEvent {
  at: Wall;
  call: CallId;
  kind: EventKind;
  mono: Mono;
  /**
   * Number of the event within its call, from 1.
   */
  seq: number;
  trace: TraceId;
}
/**
 * A decision with what it rested on. It holds no personal data; the text heard is in the turn's own event.
 */
export interface DecisionRecord {
  /**
   * The candidates, best first, at most five.
   */
  candidates: EntryRef[];
  decision: Decision;
  /**
   * The entry spoken.
   */
  entry?: EntryRef | null;
  gate: GateClass;
  /**
   * Why the gate said so: the rule's name.
   */
  gate_why?: string | null;
  /**
   * The intent recognised, if any, with its confidence.
   */
  intent?: string | null;
  /**
   * Version of the policy that decided.
   */
  policy_version: string;
  turn: TurnId;
}
/**
 * An entry and the version of it that was used.
 */
export interface EntryRef {
  id: EntryId;
  /**
   * Calibrated confidence that this entry answers what was heard, 0 to 1.
   */
  score: number;
  /**
   * Its version.
   */
  version: number;
}
/**
 * The recording of a call.
 */
export interface RecordingInfo {
  /**
   * How large, encrypted.
   */
  bytes: number;
  /**
   * How long.
   */
  seconds: number;
}
/**
 * A call in a list.
 */
export interface CallSummary {
  /**
   * Entries answered with.
   */
  answers: number;
  /**
   * Why it ended; none while it lasts.
   */
  ended?: EndReason | null;
  /**
   * The first words understood, if any.
   */
  first_words?: string | null;
  /**
   * The caller's number or address.
   */
  from: string;
  id: CallId;
  /**
   * Seconds it lasted; none while it lasts.
   */
  seconds?: number | null;
  started_at: Wall;
  /**
   * Tasks made.
   */
  tasks: number;
  trace: TraceId;
  /**
   * The trunk it came by.
   */
  trunk: string;
  /**
   * Turns heard from the caller.
   */
  turns: number;
  /**
   * Whether it was marked urgent.
   */
  urgent: boolean;
}
/**
 * A task.
 */
export interface TaskDto {
  call: CallId;
  created_at: Wall;
  due: Wall;
  id: TaskId;
  kind: TaskKind;
  /**
   * The number to ring back, if known.
   */
  number?: string | null;
  status: TaskStatus;
  /**
   * One line for the person who takes it.
   */
  summary: string;
}
/**
 * A page of calls, newest first.
 */
export interface CallsPage {
  /**
   * The calls.
   */
  calls: CallSummary[];
  /**
   * What to send as `before` for the next page; none at the end.
   */
  next?: CallId | null;
}
/**
 * The query of `GET /api/v1/calls`.
 */
export interface CallsQuery {
  /**
   * Only calls before this one; the last of the page before.
   */
  before?: CallId | null;
  /**
   * Most rows wanted, at most [`PAGE_ROWS_MAX`].
   */
  limit?: number | null;
}
/**
 * One thing looked at.
 */
export interface Check {
  /**
   * What was found, in a sentence without personal data.
   */
  detail: string;
  /**
   * What to do, when it is not in order.
   */
  hint?: string | null;
  /**
   * Its stable name, e.g. `store`, `recogniser`, `trunk:main`.
   */
  name: string;
  status: CheckStatus;
}
/**
 * What the strip at the top shows.
 */
export interface EngineState {
  /**
   * Whether callers are answered by the machine. Off is the kill switch: every call goes to the desk.
   */
  automation: boolean;
  /**
   * Calls taken at once.
   */
  calls_max: number;
  /**
   * Calls up now.
   */
  calls_up: number;
  /**
   * The clinic's name.
   */
  clinic: string;
  /**
   * Whether no new calls are taken because the program is about to stop.
   */
  draining: boolean;
  /**
   * Whether the clinic is open; none when no hours are configured.
   */
  open?: OpenState | null;
  recogniser: RecogniserState;
  /**
   * The trunks.
   */
  trunks: TrunkState[];
  /**
   * The program's version.
   */
  version: string;
}
/**
 * Whether the clinic is open.
 */
export interface OpenState {
  /**
   * When that changes next, if known.
   */
  changes_at?: Wall | null;
  /**
   * Whether it is open now.
   */
  open: boolean;
}
/**
 * The recogniser in use.
 */
export interface RecogniserState {
  /**
   * Whether that is the demonstration model, which knows about a thousand words and must not serve real callers.
   */
  demonstration: boolean;
  health: RecogniserHealth;
  /**
   * The rung of the ladder, e.g. `whisper:base.en-q5_1`, `whisper:demo-clinic-en` or `keypad`.
   */
  rung: string;
}
/**
 * A trunk.
 */
export interface TrunkState {
  /**
   * What to know about it, without secrets.
   */
  detail?: string | null;
  /**
   * Its name in the configuration.
   */
  name: string;
  status: TrunkStatus;
}
/**
 * One version of an entry, and whether it is still what would be said.
 */
export interface EntryDetail {
  /**
   * The version that is approved now, if any.
   */
  current_version?: number | null;
  entry: KnowledgeEntry;
}
/**
 * One version of one entry. Versions never change once approved; an edit makes the next one.
 */
export interface KnowledgeEntry {
  /**
   * The words that are spoken.
   */
  answer: string;
  /**
   * When it was approved.
   */
  approved_at?: Wall | null;
  /**
   * Who approved it.
   */
  approved_by?: string | null;
  /**
   * From when on it may no longer be spoken.
   */
  expires_at?: Wall | null;
  id: EntryId;
  /**
   * BCP 47 language tag, e.g. `en`.
   */
  language: string;
  /**
   * Ways callers ask for it.
   */
  questions: string[];
  /**
   * Where it came from: a file name, or `editor`.
   */
  source?: string | null;
  status: EntryStatus;
  /**
   * A short title for staff.
   */
  title: string;
  /**
   * From 1.
   */
  version: number;
}
/**
 * All checks together.
 */
export interface HealthReport {
  /**
   * The checks.
   */
  checks: Check[];
  /**
   * Whether a call that arrived now would be answered.
   */
  ready: boolean;
  status: CheckStatus;
}
/**
 * A call in progress and what happened in it so far.
 */
export interface LiveCall {
  /**
   * Its events in order, as far as a screen needs them: of partial words and quality only the latest.
   */
  events: CallEvent[];
  id: CallId;
}
/**
 * One thing that changed.
 */
export interface LiveEvent {
  body: LiveBody;
  /**
   * Number of the event since the engine started, from 1, without gaps.
   */
  seq: number;
}
/**
 * The body of `POST /api/v1/calls/search`.
 */
export interface SearchRequest {
  /**
   * Most rows wanted, at most [`PAGE_ROWS_MAX`].
   */
  limit?: number | null;
  /**
   * The words sought, at most [`SEARCH_CHARS_MAX`] characters. They can be a name: never logged.
   */
  text: string;
}
/**
 * Everything a screen needs to start.
 */
export interface Snapshot {
  /**
   * Calls in progress, oldest first.
   */
  calls: LiveCall[];
  epoch: TraceId;
  now: Wall;
  /**
   * Calls that ended in this run, newest first, at most [`crate::board::RECENT_CALLS_MAX`].
   */
  recent: CallSummary[];
  /**
   * The last event this contains.
   */
  seq: number;
  state: EngineState;
  /**
   * Open tasks, as far as they were made in this run or loaded at start.
   */
  tasks: TaskDto[];
}
/**
 * Who is signed in.
 */
export interface SessionInfo {
  expires_at: Wall;
  role: Role;
}
/**
 * The body of `POST /api/v1/session`.
 */
export interface SessionRequest {
  /**
   * The access code.
   */
  code: string;
}
/**
 * Open tasks, the most pressing first.
 */
export interface TasksPage {
  /**
   * The tasks.
   */
  tasks: TaskDto[];
}
