//! Both sides of a call as one stereo Ogg/Opus stream (RFC 7845), written in pages of a second.
//!
//! The caller is on the left, the clinic on the right. Every page stands for itself, so that a file cut off between two
//! pages plays up to the cut. Where the bytes go, and their encryption, is the store's affair.

use anteroom_types::audio::Frame;
use anteroom_types::{ErrorCode, FRAME_SAMPLES, RATE_HZ, UserFacing};
use ogg::{PacketWriteEndInfo, PacketWriter};

/// Packets of 20 ms in a page.
const PACKETS_PER_PAGE: u32 = 50;
/// Granule positions count 48 kHz samples whatever the input's rate (RFC 7845 4).
const GRANULE_PER_FRAME: u64 = 960;
/// Bits per second of both channels; speech at 16 kHz is transparent enough for a second transcription.
const BITRATE: i32 = 40_000;
/// Longest packet: Opus's own limit for one frame of each channel.
const PACKET_BYTES_MAX: usize = 2 * 1_275;

/// Why a recording could not be begun.
#[derive(Debug, thiserror::Error)]
#[error("the recording encoder could not be set up")]
pub struct RecordingError(#[source] opus::Error);

impl UserFacing for RecordingError {
    fn code(&self) -> ErrorCode {
        "media.recording"
    }
    fn hint(&self) -> String {
        "Restart the appliance; if it happens again, report it. The call itself goes on.".into()
    }
}

/// See the module.
pub struct StereoEncoder {
    opus: opus::Encoder,
    ogg: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    granule: u64,
    in_page: u32,
    /// The packet before, held back because the last one of the stream is marked.
    held: Option<Vec<u8>>,
    interleaved: Vec<i16>,
    lost_frames: u64,
}

impl StereoEncoder {
    /// A new stream; its headers come with the first page.
    ///
    /// # Errors
    /// When libopus refuses, for want of memory.
    pub fn new() -> Result<Self, RecordingError> {
        let mut opus = opus::Encoder::new(RATE_HZ, opus::Channels::Stereo, opus::Application::Voip)
            .map_err(RecordingError)?;
        opus.set_bitrate(opus::Bitrate::Bits(BITRATE))
            .map_err(RecordingError)?;
        opus.set_complexity(3).map_err(RecordingError)?;
        let lookahead = u16::try_from(opus.get_lookahead().map_err(RecordingError)?).unwrap_or(104);
        let serial = rand::random();
        let mut ogg = PacketWriter::new(Vec::new());
        // The input rate of the header is for information; granules and pre-skip count at 48 kHz.
        let pre_skip = lookahead * 3;
        // A Vec takes every write.
        let _ = ogg.write_packet(head(pre_skip), serial, PacketWriteEndInfo::EndPage, 0);
        let _ = ogg.write_packet(tags(), serial, PacketWriteEndInfo::EndPage, 0);
        Ok(Self {
            opus,
            ogg,
            serial,
            granule: 0,
            in_page: 0,
            held: None,
            interleaved: vec![0; FRAME_SAMPLES * 2],
            lost_frames: 0,
        })
    }

    /// Adds 20 ms of each side. About once a second it returns a page to be appended to the file.
    pub fn push(&mut self, rx: &Frame, tx: &Frame) -> Option<Vec<u8>> {
        for (out, (l, r)) in self.interleaved.chunks_exact_mut(2).zip(rx.iter().zip(tx)) {
            out[0] = *l;
            out[1] = *r;
        }
        match self.opus.encode_vec(&self.interleaved, PACKET_BYTES_MAX) {
            Ok(packet) => {
                let before = self.held.replace(packet);
                self.write(before, false)
            }
            Err(_) => {
                // It takes a wrong frame size to get here. The frame is lost, the stream goes on.
                self.lost_frames += 1;
                None
            }
        }
    }

    fn write(&mut self, packet: Option<Vec<u8>>, last: bool) -> Option<Vec<u8>> {
        let packet = packet?;
        self.granule += GRANULE_PER_FRAME;
        self.in_page += 1;
        let end = match (last, self.in_page == PACKETS_PER_PAGE) {
            (true, _) => PacketWriteEndInfo::EndStream,
            (_, true) => PacketWriteEndInfo::EndPage,
            _ => PacketWriteEndInfo::NormalPacket,
        };
        let flushed = last || self.in_page == PACKETS_PER_PAGE;
        let _ = self.ogg.write_packet(packet, self.serial, end, self.granule);
        if !flushed {
            return None;
        }
        self.in_page = 0;
        Some(std::mem::take(self.ogg.inner_mut()))
    }

    /// Frames that could not be encoded; none, unless libopus fails.
    #[must_use]
    pub fn lost_frames(&self) -> u64 {
        self.lost_frames
    }

    /// Ends the stream and returns what is left of it.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let last = self.held.take();
        match self.write(last, true) {
            Some(bytes) => bytes,
            // Nothing was ever pushed: the headers alone.
            None => std::mem::take(self.ogg.inner_mut()),
        }
    }
}

/// The identification header (RFC 7845 5.1).
fn head(pre_skip: u16) -> Vec<u8> {
    let mut h = b"OpusHead".to_vec();
    h.extend_from_slice(&[1, 2]);
    h.extend_from_slice(&pre_skip.to_le_bytes());
    h.extend_from_slice(&RATE_HZ.to_le_bytes());
    h.extend_from_slice(&[0, 0, 0]);
    h
}

/// The comment header (RFC 7845 5.2), which names nothing but the writer.
fn tags() -> Vec<u8> {
    let vendor = b"anteroom";
    let mut t = b"OpusTags".to_vec();
    t.extend_from_slice(&u32::try_from(vendor.len()).unwrap_or(0).to_le_bytes());
    t.extend_from_slice(vendor);
    t.extend_from_slice(&0u32.to_le_bytes());
    t
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;
    use anteroom_types::audio::SILENCE;

    /// Left and right of whatever pages are whole in `bytes`.
    fn play(bytes: &[u8]) -> (Vec<i16>, Vec<i16>) {
        let mut reader = ogg::PacketReader::new(std::io::Cursor::new(bytes));
        let mut opus = opus::Decoder::new(RATE_HZ, opus::Channels::Stereo).unwrap();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut n = 0;
        while let Ok(Some(p)) = reader.read_packet() {
            match n {
                0 => assert_eq!(&p.data[..8], b"OpusHead"),
                1 => assert_eq!(&p.data[..8], b"OpusTags"),
                _ => {
                    let mut pcm = [0; FRAME_SAMPLES * 2];
                    assert_eq!(opus.decode(&p.data, &mut pcm, false).unwrap(), FRAME_SAMPLES);
                    left.extend(pcm.iter().step_by(2));
                    right.extend(pcm.iter().skip(1).step_by(2));
                }
            }
            n += 1;
        }
        (left, right)
    }

    fn record(seconds: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut e = StereoEncoder::new().unwrap();
        let rx = tone::sine(440.0, RATE_HZ, 9_000, RATE_HZ as usize * seconds);
        let tx = tone::sine(1_000.0, RATE_HZ, 9_000, RATE_HZ as usize * seconds);
        let mut pages = Vec::new();
        for (l, r) in rx.chunks_exact(FRAME_SAMPLES).zip(tx.chunks_exact(FRAME_SAMPLES)) {
            pages.extend(e.push(l.try_into().unwrap(), r.try_into().unwrap()));
        }
        assert_eq!(e.lost_frames(), 0);
        (pages, e.finish())
    }

    #[test]
    fn both_sides_are_kept_apart() {
        let (pages, end) = record(3);
        let (left, right) = play(&[pages.concat(), end].concat());
        assert_eq!(left.len(), 3 * RATE_HZ as usize);
        let mid = 8_000..40_000;
        assert!(tone::is_tone(&left[mid.clone()], 440.0, RATE_HZ, 0.95));
        assert!(tone::is_tone(&right[mid], 1_000.0, RATE_HZ, 0.95));
    }

    #[test]
    fn a_file_that_was_cut_plays_up_to_the_cut() {
        let (pages, _) = record(5);
        assert!((4..=5).contains(&pages.len()), "{}", pages.len());
        let whole = pages.concat();
        let at = pages[..3].concat().len();
        for cut in [at, at + 1, at + pages[3].len() / 2] {
            let (left, _) = play(&whole[..cut]);
            assert_eq!(left.len(), 3 * RATE_HZ as usize, "cut at {cut}");
        }
    }

    #[test]
    fn an_empty_recording_is_a_stream_all_the_same() {
        let (left, _) = play(&StereoEncoder::new().unwrap().finish());
        assert!(left.is_empty());
        let mut e = StereoEncoder::new().unwrap();
        assert_eq!(e.push(&SILENCE, &SILENCE), None);
        assert_eq!(play(&e.finish()).0.len(), FRAME_SAMPLES);
    }
}
