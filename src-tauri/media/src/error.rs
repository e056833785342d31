//! What can go wrong when a session is set up.

use crate::codec::CodecError;
use anteroom_types::{ErrorCode, UserFacing};

/// Why a session could not be set up or changed. None of the texts holds anything of the peer's description.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The description is longer than [`anteroom_types::limits::SDP_BYTES_MAX`].
    #[error("the session description is longer than allowed")]
    TooLong,
    /// The description cannot be read.
    #[error("the session description is malformed: {0}")]
    Malformed(&'static str),
    /// There is no audio stream we could speak: wrong transport, no common codec, or every stream switched off.
    #[error("no audio stream with a codec and transport in common")]
    NothingInCommon,
    /// SRTP is required and the peer offers none we can use.
    #[error("encryption is required and the peer offers none in common")]
    EncryptionRequired,
    /// The peer is on IPv6 and we are on IPv4, or the other way round.
    #[error("the peer's media address is of another IP version than ours")]
    AddressFamily,
    /// Every media port is in use.
    #[error("no free media port is left")]
    NoPorts,
    /// A socket could not be opened.
    #[error("a media socket could not be opened")]
    Socket(#[source] std::io::Error),
    /// A codec could not be set up.
    #[error("a codec could not be set up")]
    Codec(#[source] CodecError),
    /// The system gives no random numbers, or the crypto library refuses.
    #[error("encryption could not be set up")]
    Crypto,
    /// An answer came that no offer of ours asked for.
    #[error("an answer came without an offer")]
    NoOffer,
    /// The configuration cannot work.
    #[error("the media configuration is wrong: {0}")]
    Config(&'static str),
}

impl MediaError {
    /// Whether the peer's description is what does not suit, so that SIP answers 488 (RFC 3261 21.4.26) and not 500.
    #[must_use]
    pub const fn is_not_acceptable(&self) -> bool {
        matches!(
            self,
            Self::NothingInCommon | Self::EncryptionRequired | Self::AddressFamily
        )
    }

    /// Whether the peer's description breaks the rules, so that SIP answers 400.
    #[must_use]
    pub const fn is_bad_request(&self) -> bool {
        matches!(self, Self::TooLong | Self::Malformed(_))
    }
}

impl UserFacing for MediaError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooLong => "media.sdp_too_long",
            Self::Malformed(_) => "media.sdp_malformed",
            Self::NothingInCommon => "media.nothing_in_common",
            Self::EncryptionRequired => "media.encryption_required",
            Self::AddressFamily => "media.address_family",
            Self::NoPorts => "media.no_ports",
            Self::Socket(_) => "media.socket",
            Self::Codec(_) => "media.codec",
            Self::Crypto => "media.crypto",
            Self::NoOffer => "media.no_offer",
            Self::Config(_) => "media.config",
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::TooLong | Self::Malformed(_) => "Ask the telephone provider what its equipment sends; the call cannot be set up like this.",
            Self::NothingInCommon => "Allow PCMU, PCMA, G.722 or Opus over RTP/AVP or RTP/SAVP on the other side.",
            Self::EncryptionRequired => "Switch on SDES-SRTP (AES_CM_128_HMAC_SHA1_80) on the other side, or make encryption optional here.",
            Self::AddressFamily => "Set the media address to one of the IP version that the other side uses.",
            Self::NoPorts => "Widen the range of media ports, or lower the number of calls at once.",
            Self::Socket(_) => "Check that the media address is one of this machine's and that its ports are free.",
            Self::Codec(_) | Self::Crypto => "Restart the appliance; if it happens again, report it.",
            Self::NoOffer => "Nothing need be done; the answer was ignored.",
            Self::Config(_) => "Correct [media] of the configuration, and advertise in [sip]: both say where sound goes.",
        }
        .into()
    }
}
