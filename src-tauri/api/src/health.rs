//! Health, for people and for probes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a check came out. The order is from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Calls are answered, but somebody should look.
    Degraded,
    /// Calls cannot be answered as they should be.
    Failed,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its stable name, e.g. `store`, `recogniser`, `trunk:main`.
    pub name: String,
    /// How it came out.
    pub status: CheckStatus,
    /// What was found, in a sentence without personal data.
    pub detail: String,
    /// What to do, when it is not in order.
    pub hint: Option<String>,
}

/// All checks together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthReport {
    /// The worst of the checks.
    pub status: CheckStatus,
    /// Whether a call that arrived now would be answered.
    pub ready: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

impl HealthReport {
    /// Puts checks together: the status is the worst of them; ready unless draining or something failed.
    #[must_use]
    pub fn of(checks: Vec<Check>, draining: bool) -> Self {
        let status = checks.iter().map(|c| c.status).max().unwrap_or(CheckStatus::Ok);
        Self {
            status,
            ready: !draining && status != CheckStatus::Failed,
            checks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_decides() {
        let check = |status| Check {
            name: "x".into(),
            status,
            detail: String::new(),
            hint: None,
        };
        let r = HealthReport::of(vec![check(CheckStatus::Ok), check(CheckStatus::Degraded)], false);
        assert_eq!((r.status, r.ready), (CheckStatus::Degraded, true));
        assert!(!HealthReport::of(vec![check(CheckStatus::Failed)], false).ready);
        assert!(!HealthReport::of(vec![], true).ready);
    }
}
