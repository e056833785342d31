//! Signed statements of how far a chain reached.

use crate::chain::Chain;
use crate::digest::{Digest, hex, unhex};
use anteroom_types::time::Wall;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const DOMAIN: &[u8] = b"anteroom.audit.head.v1\n";

/// "At this time the chain ended with this entry", signed. Sent away or printed, it convicts a chain that was cut.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// Number of the chain's last entry then; 0 for an empty chain.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
    /// When it was signed, by the wall clock.
    pub at: Wall,
    /// Ed25519 signature; see the crate for what is signed. 128 hexadecimal digits in JSON.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub signature: [u8; 64],
}

impl fmt::Debug for SignedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedHead({} {} at {})", self.seq, self.hash, self.at.0)
    }
}

/// Why a head could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("the head has no canonical form")]
pub struct HeadError(#[source] serde_json::Error);

#[derive(Serialize)]
struct Signed {
    at: Wall,
    hash: Digest,
    seq: u64,
}

fn message(seq: u64, hash: Digest, at: Wall) -> Result<Vec<u8>, HeadError> {
    let mut m = DOMAIN.to_vec();
    m.extend(serde_json_canonicalizer::to_vec(&Signed { at, hash, seq }).map_err(HeadError)?);
    Ok(m)
}

/// The public key that belongs to a signing seed.
#[must_use]
pub fn public_key(seed: &[u8; 32]) -> Digest {
    Digest(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}

impl SignedHead {
    /// Signs where `chain` ends with the key of `seed`.
    ///
    /// # Errors
    /// When the numbers have no canonical form; a chain never gets there.
    pub fn sign(chain: &Chain, at: Wall, seed: &[u8; 32]) -> Result<Self, HeadError> {
        let message = message(chain.seq(), chain.hash(), at)?;
        Ok(Self {
            seq: chain.seq(),
            hash: chain.hash(),
            at,
            signature: SigningKey::from_bytes(seed).sign(&message).to_bytes(),
        })
    }

    /// Whether the signature is the given key's. Weak keys and malleable signatures are refused.
    #[must_use]
    pub fn is_signed_by(&self, public_key: &Digest) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&public_key.0) else {
            return false;
        };
        message(self.seq, self.hash, self.at).is_ok_and(|m| {
            key.verify_strict(&m, &Signature::from_bytes(&self.signature))
                .is_ok()
        })
    }
}

fn to_hex<S: Serializer>(bytes: &[u8; 64], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&hex(bytes))
}

fn from_hex<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 64], D::Error> {
    unhex(&String::deserialize(d)?)
        .ok_or_else(|| serde::de::Error::custom("not a signature: 128 hexadecimal digits are expected"))
}
