// Made by scripts/types.mjs from src-tauri/api/schema/api.json. Do not edit.
// schema sha256 e7950616ba2516e5dac20a940d6b7b3ad2966b245fa1387a39f7a0df2d6bdf80

/**
 * A ULID: 26 characters of Crockford base 32.
 */
export type TraceId = string;
/**
 * Wall-clock time: milliseconds since 1970-01-01T00:00:00Z.
 */
export type Wall = number;
/**
 * What became of something that was being said.
 */
export type BargeInAction = 'paused' | 'resumed' | 'dropped';
/**
 * Who spoke.
 */
export type Side = 'caller' | 'clinic';
/**
 * How the person a call is given to learns what it is about.
 */
export type BriefingKind = 'spoken' | 'text';
/**
 * A ULID: 26 characters of Crockford base 32.
 */
export type CallId = string;
/**
 * A ULID: 26 characters of Crockford base 32.
 */
export type LegId = string;
/**
 * Whose leg it is.
 */
export type LegParty =
  | {
      is: 'caller';
    }
  | {
      is: 'user';
      /**
       * Whose.
       */
      user: string;
    };
/**
 * How media runs between a leg's far end and us.
 */
export type MediaPath = 'direct' | 'relayed';
/**
 * Where a call stands at the desk. Times are wall-clock.
 */
export type DeskStage =
  | {
      is: 'automation';
    }
  | {
      is: 'queued';
      /**
       * Place in the queue, from 1.
       */
      position: number;
      since: Wall;
      /**
       * Expected wait in seconds, if it can be told.
       */
      wait_s?: number | null;
    }
  | {
      is: 'ringing';
      since: Wall;
      /**
       * At whom: users.
       */
      who: string[];
    }
  | {
      is: 'talking';
      since: Wall;
      /**
       * Who: users.
       */
      who: string[];
    }
  | {
      /**
       * By whom: a user.
       */
      by: string;
      is: 'held';
      since: Wall;
    }
  | {
      /**
       * Whether they have answered.
       */
      answered: boolean;
      briefing: BriefingKind;
      /**
       * Who gives it.
       */
      by: string;
      is: 'consulting';
      since: Wall;
      /**
       * To whom.
       */
      to: string;
    }
  | {
      /**
       * By whom: a user.
       */
      by: string;
      is: 'parked';
      /**
       * When it rings again at who parked it, if it does.
       */
      returns_at?: Wall | null;
      since: Wall;
      /**
       * Where.
       */
      slot: number;
    }
  | {
      is: 'voicemail';
      since: Wall;
    };
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
       * The trunk it came by, or [`TRUNK_DIRECT`] or [`TRUNK_INSIDE`].
       */
      trunk: string;
      type: 'offered';
    }
  | {
      /**
       * Whose telephone: a member of staff's account.
       */
      by: string;
      /**
       * Whether its limits count: an emergency call counts towards nothing.
       */
      counts: boolean;
      /**
       * How long it may last, milliseconds.
       */
      ms_max: number;
      /**
       * Its price, thousandths of the currency per minute begun.
       */
      per_minute_milli: number;
      /**
       * The trunk it leaves by; none when it stays in the house.
       */
      trunk?: string | null;
      type: 'placed';
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
       * The slot a call is parked in.
       */
      slot?: number | null;
      type: 'desk';
      what: DeskFact;
      /**
       * The user it is about: a member of staff's account, never the caller.
       */
      who?: string | null;
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
       * Estimated mean opinion score so far, 1 to 4.5.
       */
      mos: number;
      type: 'poor_quality';
      /**
       * The user whose telephone it is; none for the caller.
       */
      who?: string | null;
    }
  | {
      /**
       * The codec sent, by its encoding name.
       */
      codec?: string | null;
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
       * How it went: `direct`, `local`, `host`, `srflx` or `relay`.
       */
      path?: string | null;
      /**
       * Round-trip time in milliseconds, if the far end reports.
       */
      rtt_ms?: number | null;
      type: 'quality';
      /**
       * The user whose telephone it is; none for the caller.
       */
      who?: string | null;
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
 * What happened between a caller and people.
 */
export type DeskFact =
  | 'rung'
  | 'answered'
  | 'held'
  | 'resumed'
  | 'parked'
  | 'consulted'
  | 'transfer_failed'
  | 'transferred'
  | 'joined'
  | 'listens'
  | 'whispers'
  | 'barged'
  | 'left'
  | 'lost'
  | 'nobody_answered'
  | 'queued'
  | 'leaves_message'
  | 'message_kept'
  | 'automation_off';
/**
 * Why a call ended.
 */
export type EndReason =
  'caller_hung_up' | 'cancelled' | 'completed' | 'media_timeout' | 'refused' | 'too_long' | 'failed' | 'interrupted';
/**
 * Where a task stands.
 */
export type TaskStatus = 'open' | 'taken' | 'done' | 'cancelled';
/**
 * How a check came out. The order is from good to bad.
 */
export type CheckStatus = 'ok' | 'degraded' | 'failed';
/**
 * The body of `POST /api/v1/calls/{id}/desk`: what somebody at the desk does with the call.
 *
 * Whoever sends it acts with the leg they have in the call; commands that need none say so.
 */
export type DeskCommand =
  | {
      command: 'hold';
    }
  | {
      command: 'resume';
    }
  | {
      command: 'park';
      /**
       * Where; none for the first free slot. The answer says which it is.
       */
      slot?: number | null;
    }
  | {
      command: 'retrieve';
      /**
       * From where.
       */
      slot: number;
    }
  | {
      /**
       * A note for their screen.
       */
      briefing?: string | null;
      command: 'transfer';
      /**
       * To whom: a user, or a number their rights let them ring.
       */
      to: string;
    }
  | {
      briefing: BriefingKind;
      command: 'warm';
      /**
       * A note for their screen.
       */
      note?: string | null;
      /**
       * To whom.
       */
      to: string;
    }
  | {
      command: 'accept';
    }
  | {
      command: 'decline';
    }
  | {
      command: 'complete';
    }
  | {
      command: 'abort';
    }
  | {
      command: 'join';
    }
  | {
      command: 'leave';
    }
  | {
      command: 'listen';
    }
  | {
      command: 'whisper';
    }
  | {
      command: 'barge';
    }
  | {
      command: 'voicemail';
    }
  | {
      command: 'callback';
      /**
       * When it is due; none for the clinic's usual time.
       */
      due?: Wall | null;
      /**
       * A note for whoever rings back.
       */
      note?: string | null;
    }
  | {
      command: 'hang_up';
    }
  | {
      command: 'pickup';
    }
  | {
      command: 'pause_recording';
    }
  | {
      command: 'resume_recording';
    };
/**
 * What a device is.
 */
export type DeviceKind = 'desk_phone' | 'browser' | 'desktop';
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
    }
  | {
      about: 'desk';
      desk: CallDesk;
    }
  | {
      about: 'people';
      /**
       * Everybody.
       */
      people: Person[];
    };
/**
 * Where a person stands.
 */
export type PersonState = 'free' | 'ringing' | 'talking' | 'busy' | 'away';
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
 * The body of `POST /api/v1/tasks/{id}`: what somebody does with the task. The answer is the task as it is then.
 *
 * What somebody else has taken is theirs to release, give away and close, or a manager's; anybody may write a note to it
 * or change when it is due.
 */
export type TaskCommand =
  | {
      command: 'take';
    }
  | {
      command: 'release';
    }
  | {
      command: 'assign';
      /**
       * The user.
       */
      to: string;
    }
  | {
      at: Wall;
      command: 'due';
    }
  | {
      command: 'note';
      /**
       * What, at most [`TASK_TEXT_CHARS_MAX`] characters.
       */
      text: string;
    }
  | {
      command: 'done';
      /**
       * What came of it, as long as a note.
       */
      outcome: string;
    }
  | {
      command: 'cancel';
      /**
       * Why, as long as a note.
       */
      why: string;
    }
  | {
      command: 'reopen';
      /**
       * Why, as long as a note.
       */
      why?: string | null;
    };
/**
 * What happened to a task.
 */
export type TaskEvent = 'taken' | 'released' | 'assigned' | 'due' | 'note' | 'done' | 'cancelled' | 'reopened';
/**
 * Which tasks are listed.
 */
export type TasksWhich = 'open' | 'closed';

/**
 * Everything that crosses Anteroom's HTTP and WebSocket surface.
 */
export interface AnteroomApi {
  ApiError: ApiError;
  Automation: Automation;
  AutomationRequest: AutomationRequest;
  BargeInAction: BargeInAction;
  Brief: Brief;
  BriefLine: BriefLine;
  BriefingKind: BriefingKind;
  CallDesk: CallDesk;
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
  DeskCommand: DeskCommand;
  DeskDone: DeskDone;
  DeskFact: DeskFact;
  DeskLeg: DeskLeg;
  DeskStage: DeskStage;
  Device: Device;
  DeviceKind: DeviceKind;
  EndReason: EndReason;
  EngineState: EngineState;
  EntryDetail: EntryDetail;
  EntryId: EntryId;
  EntryRef: EntryRef;
  EntryStatus: EntryStatus;
  EventKind: EventKind;
  GateClass: GateClass;
  Handset: Handset;
  HealthReport: HealthReport;
  IceServer: IceServer;
  KnowledgeEntry: KnowledgeEntry;
  LegId: LegId;
  LegParty: LegParty;
  LegQuality: LegQuality;
  LiveBody: LiveBody;
  LiveCall: LiveCall;
  LiveEvent: LiveEvent;
  MediaPath: MediaPath;
  Mono: Mono;
  OpenState: OpenState;
  PeoplePage: PeoplePage;
  Person: Person;
  PersonState: PersonState;
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
  TaskCommand: TaskCommand;
  TaskDetail: TaskDetail;
  TaskDto: TaskDto;
  TaskEvent: TaskEvent;
  TaskId: TaskId;
  TaskKind: TaskKind;
  TaskLine: TaskLine;
  TaskRecording: TaskRecording;
  TaskStatus: TaskStatus;
  TasksPage: TasksPage;
  TasksQuery: TasksQuery;
  TasksWhich: TasksWhich;
  TraceId: TraceId;
  TrunkState: TrunkState;
  TrunkStatus: TrunkStatus;
  TurnId: TurnId;
  UserAdded: UserAdded;
  UserDto: UserDto;
  UserRequest: UserRequest;
  UsersPage: UsersPage;
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
 * The kill switch.
 */
export interface Automation {
  /**
   * Who switched it: a user's name; none when nobody in particular did.
   */
  by?: string | null;
  /**
   * Whether callers are answered by the machine.
   */
  on: boolean;
  /**
   * Since when; none when it has not been touched since the start.
   */
  since?: Wall | null;
}
/**
 * The body of `POST /api/v1/automation`.
 */
export interface AutomationRequest {
  /**
   * Whether callers are to be answered by the machine.
   */
  on: boolean;
}
/**
 * What somebody who is rung learns of the call before they answer.
 */
export interface Brief {
  /**
   * Who that is; none when it is the receptionist.
   */
  by?: string | null;
  /**
   * The last lines, oldest first, at most [`BRIEF_LINES_MAX`].
   */
  lines: BriefLine[];
  /**
   * A note of whoever gives the call on.
   */
  note?: string | null;
  /**
   * Why the caller rings, if the receptionist has learnt it: the name of the gate's rule or of the intent.
   */
  reason?: string | null;
  /**
   * Whether accepting or declining is asked for ([`BriefingKind::Text`]).
   */
  wants_answer: boolean;
}
/**
 * A line of a briefing.
 */
export interface BriefLine {
  side: Side;
  /**
   * The words.
   */
  text: string;
}
/**
 * A call in progress, as the desk sees it.
 */
export interface CallDesk {
  /**
   * What to know before answering; none until somebody is rung.
   */
  brief?: Brief | null;
  call: CallId;
  /**
   * Its legs.
   */
  legs: DeskLeg[];
  /**
   * Users who listen or whisper, where policy lets staff see it.
   */
  listeners: string[];
  /**
   * Whether whoever has the caller put the call on hold by [`DeskCommand::Hold`]; a telephone's own hold is at its leg.
   */
  on_hold?: boolean;
  /**
   * Whether recording and transcription are paused, for instance while a payment card is read out.
   */
  recording_paused?: boolean;
  stage: DeskStage;
}
/**
 * A leg of a call.
 */
export interface DeskLeg {
  /**
   * The codec agreed, once there is one.
   */
  codec?: string | null;
  /**
   * Whether its media is encrypted.
   */
  encrypted: boolean;
  /**
   * Whether it is held.
   */
  held: boolean;
  leg: LegId;
  party: LegParty;
  /**
   * How media runs, if known.
   */
  path?: MediaPath | null;
  /**
   * How well it is heard, once measured.
   */
  quality?: LegQuality | null;
}
/**
 * How well a leg is heard, as measured by us.
 */
export interface LegQuality {
  /**
   * Interarrival jitter in milliseconds (RFC 3550 6.4.1).
   */
  jitter_ms: number;
  /**
   * Packets lost on the way to us.
   */
  lost: number;
  /**
   * Estimated mean opinion score, 1 to 4.5.
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
   * The caller's number or address; the user of a telephone of the clinic that placed it.
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
  /**
   * Whom a telephone of the clinic rang; none for a caller's call.
   */
  to?: string | null;
  trace: TraceId;
  /**
   * The trunk it came by; `inside` when a telephone of the clinic placed it.
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
  /**
   * The call it came from, if it came from one.
   */
  call?: CallId | null;
  /**
   * When it was closed.
   */
  closed_at?: Wall | null;
  /**
   * By whom: a user, or the role of whoever was nobody in particular.
   */
  closed_by?: string | null;
  created_at: Wall;
  due: Wall;
  id: TaskId;
  kind: TaskKind;
  /**
   * The number to ring back, if known.
   */
  number?: string | null;
  /**
   * What came of it, or why it needs no doing.
   */
  outcome?: string | null;
  /**
   * The user who sees to it or did; none also when that is nobody in particular.
   */
  owner?: string | null;
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
 * What a command came to.
 */
export interface DeskDone {
  /**
   * The slot the call is parked in.
   */
  slot?: number | null;
  /**
   * The task that was made.
   */
  task?: TaskId | null;
}
/**
 * A person's device.
 */
export interface Device {
  kind: DeviceKind;
  /**
   * Its name, e.g. its user agent or its place.
   */
  name: string;
  /**
   * Whether it is registered now.
   */
  online: boolean;
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
 * What a browser needs to be a telephone.
 */
export interface Handset {
  /**
   * The name others see.
   */
  display_name: string;
  /**
   * The domain of its SIP address, which is also the realm it is challenged for.
   */
  domain: string;
  /**
   * How to get through address translation; may be empty.
   */
  ice_servers: IceServer[];
  /**
   * The password for its registration. Made for this session; it ends with it.
   */
  password: string;
  /**
   * The user part of its SIP address.
   */
  user: string;
  /**
   * The path of SIP over WebSocket (RFC 7118) on the server that gave the page, e.g. `/sip`.
   */
  ws_path: string;
}
/**
 * An ICE server, as `RTCIceServer` (W3C WebRTC 4.2.4) wants it.
 */
export interface IceServer {
  /**
   * The password for TURN, short-lived.
   */
  credential?: string | null;
  /**
   * Addresses, `stun:…`, `turn:…` or `turns:…`.
   */
  urls: string[];
  /**
   * The name for TURN.
   */
  username?: string | null;
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
 * Somebody a call can be given to.
 */
export interface Person {
  /**
   * Their devices.
   */
  devices: Device[];
  /**
   * Their name for others.
   */
  name: string;
  state: PersonState;
  /**
   * Their user name: what [`DeskCommand`]s call them by.
   */
  user: string;
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
 * Everybody a call can be given to, by name.
 */
export interface PeoplePage {
  /**
   * The people.
   */
  people: Person[];
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
  /**
   * Where calls in progress stand at the desk.
   */
  desk: CallDesk[];
  epoch: TraceId;
  now: Wall;
  /**
   * Everybody a call can be given to.
   */
  people: Person[];
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
  /**
   * Which user that is; none when the code belongs to nobody in particular.
   */
  user?: string | null;
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
 * A task with all that is known of it.
 */
export interface TaskDetail {
  /**
   * What happened to it since it was made, the earliest first.
   */
  history: TaskLine[];
  /**
   * The recording of its call, if there is one.
   */
  recording?: TaskRecording | null;
  task: TaskDto;
}
/**
 * A line of a task's history.
 */
export interface TaskLine {
  at: Wall;
  /**
   * Of `due`: when it is due from then on.
   */
  due?: Wall | null;
  /**
   * A note, an outcome or a reason.
   */
  note?: string | null;
  /**
   * Of `taken` and `assigned`: whose it became.
   */
  owner?: string | null;
  what: TaskEvent;
  /**
   * Who: a user, or the role of whoever was nobody in particular.
   */
  who: string;
}
/**
 * What can be heard of a task's call.
 */
export interface TaskRecording {
  call: CallId;
  /**
   * Where the caller's message begins in it, in milliseconds; 0 when there is no message, only the call.
   */
  from_ms: number;
  /**
   * Whether that is a message left for the clinic.
   */
  message: boolean;
}
/**
 * A page of tasks.
 */
export interface TasksPage {
  /**
   * Of closed ones, what to send as `before` for the next page; none at the end.
   */
  next?: TaskId | null;
  /**
   * The tasks.
   */
  tasks: TaskDto[];
}
/**
 * The query of `GET /api/v1/tasks`.
 */
export interface TasksQuery {
  /**
   * Of closed ones, only those closed before this one; the last of the page before.
   */
  before?: TaskId | null;
  /**
   * Most rows wanted, at most [`PAGE_ROWS_MAX`]; of open ones, all there are unless given.
   */
  limit?: number | null;
  /**
   * Which; open ones unless given.
   */
  which?: TasksWhich | null;
}
/**
 * Somebody who was added, with what is shown this once.
 */
export interface UserAdded {
  at: Wall;
  /**
   * What their telephones register with. It is kept hashed, and never shown again.
   */
  password: string;
  /**
   * The domain their telephones register at.
   */
  realm: string;
  user: UserDto;
}
/**
 * Somebody whose telephones register here.
 */
export interface UserDto {
  /**
   * The class of rights with which they ring numbers outside; none when they may not.
   */
  class?: string | null;
  /**
   * What colleagues call them.
   */
  name: string;
  /**
   * Place in the desk's ring group, from 1; 0 when they are not in it.
   */
  rings: number;
  /**
   * What their telephones register as.
   */
  user: string;
}
/**
 * The body of `POST /api/v1/users`: somebody new, or a new name, place, rights and password for somebody who is there.
 */
export interface UserRequest {
  /**
   * The class of rights with which they ring numbers outside; none when they may not.
   */
  class?: string | null;
  /**
   * What colleagues call them: 1 to 80 characters.
   */
  name: string;
  /**
   * Place in the desk's ring group, from 1; 0 not to be in it. 1 unless given.
   */
  rings?: number | null;
  /**
   * What their telephones register as: 1 to 32 letters, digits, dots, dashes and underlines.
   */
  user: string;
}
/**
 * Everybody whose telephones register here.
 */
export interface UsersPage {
  /**
   * The people, by what their telephones register as.
   */
  users: UserDto[];
}
