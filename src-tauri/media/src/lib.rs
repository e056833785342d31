//! RTP, SRTP, codecs, jitter, DTMF and recording taps. The only crate that knows RTP.
