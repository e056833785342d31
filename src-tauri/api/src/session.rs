//! Signing in and out.

use crate::access::Role;
use anteroom_types::Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest access code taken, in bytes.
pub const ACCESS_CODE_BYTES_MAX: usize = 256;

/// The body of `POST /api/v1/session`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// The access code.
    pub code: String,
}

impl fmt::Debug for SessionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionRequest([secret])")
    }
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionInfo {
    /// In which role.
    pub role: Role,
    /// Which user that is; none when the code belongs to nobody in particular.
    pub user: Option<String>,
    /// Until when.
    pub expires_at: Wall,
}
