//! Limits on what arrives from outside. Each has a unit in its name.

/// Bytes of a SIP message over any transport.
pub const SIP_MESSAGE_BYTES_MAX: usize = 65_535;
/// Bytes of an SDP body.
pub const SDP_BYTES_MAX: usize = 16_384;
/// Bytes of an RTP or RTCP datagram.
pub const RTP_DATAGRAM_BYTES_MAX: usize = 1_500;
/// Calls at once, unless configured lower.
pub const CALLS_MAX: usize = 500;
/// Seconds a single call may last.
pub const CALL_SECONDS_MAX: u64 = 2 * 60 * 60;
/// Milliseconds of one caller turn before it is ended for them.
pub const TURN_MS_MAX: u64 = 30_000;
/// Characters of recognised text kept for one turn.
pub const TURN_CHARS_MAX: usize = 2_000;
/// Characters of a question to the knowledge base.
pub const QUESTION_CHARS_MAX: usize = 1_000;
/// Characters of an approved answer.
pub const ANSWER_CHARS_MAX: usize = 2_000;
/// Question variants of one entry.
pub const QUESTION_VARIANTS_MAX: usize = 50;
/// Bytes of an entry's id.
pub const ENTRY_ID_BYTES_MAX: usize = 64;
/// Bytes of a document to import.
pub const DOCUMENT_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Entries one import may make.
pub const IMPORT_ENTRIES_MAX: usize = 5_000;
/// Bytes of the configuration file.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of an HTTP request body.
pub const HTTP_BODY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a WebSocket frame from a client.
pub const WS_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Live listeners on the event stream.
pub const WS_CLIENTS_MAX: usize = 64;
/// Recordings on their way to listeners, each held in memory.
pub const PLAYING_MAX: usize = 8;
/// Keypad digits kept for one question.
pub const DTMF_DIGITS_MAX: usize = 32;
/// Users who may register telephones.
pub const SIP_USERS_MAX: usize = 2_000;
/// Bytes of a SIP user name.
pub const SIP_USER_BYTES_MAX: usize = 64;
/// Bytes of a registered contact's URI, of one Path value, and of an instance id.
pub const SIP_CONTACT_BYTES_MAX: usize = 512;
/// Proxies on the way to a registered contact.
pub const SIP_PATH_MAX: usize = 8;
/// Characters kept of a telephone's User-Agent.
pub const SIP_USER_AGENT_CHARS_MAX: usize = 80;
/// Bytes of a header the application adds to a call.
pub const SIP_EXTRA_HEADER_BYTES_MAX: usize = 256;
