//! The file format of a recording.
//!
//! ```text
//! header   8  "ANTEREC" and the format's version, 1
//!         16  the call's id, big end first
//!          7  a random prefix of every nonce
//!          1  zero
//! chunk    4  bytes of plaintext n, little end first; the highest bit marks the last chunk
//!      n + 16  ChaCha20-Poly1305 (RFC 8439) of the plaintext, with its tag
//! ```
//!
//! The nonce of chunk number i is the prefix, i as four bytes big end first, and one byte that is 1 for the last chunk
//! (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár): chunks cannot be changed, left out, reordered,
//! or cut off unnoticed. The header is authenticated with every chunk. A file that lacks its last chunk was interrupted;
//! [`make_whole`] cuts a torn chunk off and adds an empty last one. The nonce of that one differs from the torn chunk's
//! in its last byte, so no nonce is used for two texts.

use anteroom_types::CallId;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use zeroize::Zeroizing;

/// Bytes of plaintext in one chunk.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Bytes in front of the first chunk.
pub const HEADER_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"ANTEREC\x01";
const LAST: u32 = 1 << 31;
const TAG_BYTES: usize = 16;

/// A recording's own key.
pub type Key = Zeroizing<[u8; 32]>;

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Not a recording, of a later format, or of another call.
    #[error("not a recording of this call in a known format")]
    Header,
    /// A chunk was changed, or the key is another's.
    #[error("chunk {0} is not what was written")]
    Chunk(u32),
    /// The file ends before its last chunk, or goes on after it.
    #[error("the file does not end where the recording does")]
    End,
    /// The recording is too long for the format.
    #[error("too many or too large chunks")]
    TooLong,
    /// The file system refused.
    #[error("the file cannot be read or written")]
    Io(#[from] io::Error),
}

struct Sealer {
    cipher: ChaCha20Poly1305,
    header: [u8; HEADER_BYTES],
    next: u32,
}

impl Sealer {
    fn new(key: &Key, header: [u8; HEADER_BYTES]) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new((&**key).into()),
            header,
            next: 0,
        }
    }
    fn nonce(&self, last: bool) -> Nonce {
        let mut n = [0; 12];
        n[..7].copy_from_slice(&self.header[24..31]);
        n[7..11].copy_from_slice(&self.next.to_be_bytes());
        n[11] = u8::from(last);
        n.into()
    }
    fn seal(&mut self, plain: &[u8], last: bool) -> Result<Vec<u8>, FormatError> {
        let length = u32::try_from(plain.len())
            .ok()
            .filter(|_| plain.len() <= CHUNK_BYTES_MAX)
            .ok_or(FormatError::TooLong)?;
        let next = self.next.checked_add(1).ok_or(FormatError::TooLong)?;
        let payload = Payload {
            msg: plain,
            aad: &self.header,
        };
        let sealed = self
            .cipher
            .encrypt(&self.nonce(last), payload)
            .map_err(|_| FormatError::TooLong)?;
        self.next = next;
        let mut out = (length | if last { LAST } else { 0 }).to_le_bytes().to_vec();
        out.extend(sealed);
        Ok(out)
    }
    fn open(&mut self, sealed: &[u8], last: bool) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        let payload = Payload {
            msg: sealed,
            aad: &self.header,
        };
        let plain = self
            .cipher
            .decrypt(&self.nonce(last), payload)
            .map_err(|_| FormatError::Chunk(self.next))?;
        self.next = self.next.checked_add(1).ok_or(FormatError::TooLong)?;
        Ok(Zeroizing::new(plain))
    }
}

/// Makes the chunks of one file.
pub struct Encoder(Sealer);

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder({})", self.0.next)
    }
}

impl Encoder {
    /// An encoder and the header its file begins with.
    #[must_use]
    pub fn new(key: &Key, call: CallId, prefix: [u8; 7]) -> (Self, [u8; HEADER_BYTES]) {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(MAGIC);
        header[8..24].copy_from_slice(&call.to_u128().to_be_bytes());
        header[24..31].copy_from_slice(&prefix);
        (Self(Sealer::new(key, header)), header)
    }

    /// The next chunk as it is written; `last` ends the recording.
    ///
    /// # Errors
    /// When `plain` is longer than [`CHUNK_BYTES_MAX`] or there are more than 2^32 chunks.
    pub fn chunk(&mut self, plain: &[u8], last: bool) -> Result<Vec<u8>, FormatError> {
        self.0.seal(plain, last)
    }
}

/// What stands at one place of a file.
enum Step {
    Chunk(Zeroizing<Vec<u8>>),
    Last(Zeroizing<Vec<u8>>),
    /// The file ends here, or with a part of a chunk.
    Torn,
}

struct Reader<R> {
    from: R,
    sealer: Sealer,
}

impl<R: Read> Reader<R> {
    fn new(mut from: R, key: &Key, call: CallId) -> Result<Self, FormatError> {
        let mut header = [0; HEADER_BYTES];
        if !fill(&mut from, &mut header)?
            || header[..8] != *MAGIC
            || header[8..24] != call.to_u128().to_be_bytes()
        {
            return Err(FormatError::Header);
        }
        Ok(Self {
            from,
            sealer: Sealer::new(key, header),
        })
    }

    fn step(&mut self) -> Result<Step, FormatError> {
        let mut length = [0; 4];
        if !fill(&mut self.from, &mut length)? {
            return Ok(Step::Torn);
        }
        let length = u32::from_le_bytes(length);
        let last = length & LAST != 0;
        let plain = (length & !LAST) as usize;
        if plain > CHUNK_BYTES_MAX {
            return Err(FormatError::Chunk(self.sealer.next));
        }
        let mut sealed = vec![0; plain + TAG_BYTES];
        if !fill(&mut self.from, &mut sealed)? {
            return Ok(Step::Torn);
        }
        let plain = self.sealer.open(&sealed, last)?;
        Ok(if last {
            Step::Last(plain)
        } else {
            Step::Chunk(plain)
        })
    }
}

/// Fills `buffer`; false when the file ends first.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// Appends the plaintext of a file to `out`. With `whole`, a file without its last chunk is refused; without, reading
/// stops where the file does.
///
/// # Errors
/// When the file is not what was written under `key` for `call`.
pub fn read(
    from: impl Read,
    key: &Key,
    call: CallId,
    whole: bool,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let mut reader = Reader::new(from, key, call)?;
    loop {
        match reader.step()? {
            Step::Chunk(plain) => out.extend_from_slice(&plain),
            Step::Last(plain) => {
                out.extend_from_slice(&plain);
                return if fill(&mut reader.from, &mut [0])? {
                    Err(FormatError::End)
                } else {
                    Ok(())
                };
            }
            Step::Torn if whole => return Err(FormatError::End),
            Step::Torn => return Ok(()),
        }
    }
}

/// Gives an interrupted file its last chunk; a torn or unreadable end is cut off. A whole file stays as it is.
/// Returns the bytes of plaintext in it.
///
/// # Errors
/// When it is not a recording of `call`, or the file system refuses.
pub fn make_whole(file: &mut File, key: &Key, call: CallId) -> Result<u64, FormatError> {
    file.rewind()?;
    let mut reader = Reader::new(BufReader::new(&*file), key, call)?;
    let (mut plain_bytes, mut good) = (0u64, HEADER_BYTES as u64);
    loop {
        match reader.step() {
            Ok(Step::Chunk(plain)) => {
                plain_bytes += plain.len() as u64;
                good += (4 + plain.len() + TAG_BYTES) as u64;
            }
            Ok(Step::Last(plain)) => return Ok(plain_bytes + plain.len() as u64),
            // After a power cut the end may also be of the right length and hold zeros.
            Ok(Step::Torn) | Err(FormatError::Chunk(_)) => break,
            Err(e) => return Err(e),
        }
    }
    let mut sealer = reader.sealer;
    let end = sealer.seal(&[], true)?;
    file.set_len(good)?;
    file.seek(SeekFrom::Start(good))?;
    file.write_all(&end)?;
    Ok(plain_bytes)
}
