//! Who may call what. Deny by default: a route without a row in [`ROUTES`] does not exist, because the server builds
//! its router from this table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers the telephone: sees calls, tasks and the knowledge base.
    FrontDesk,
    /// Runs the practice: what the front desk may, and the state of the machine in detail.
    Manager,
    /// Runs the machine.
    Admin,
    /// Reads the record; takes part in nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::FrontDesk, Self::Manager, Self::Admin, Self::Auditor];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FrontDesk => "front_desk",
            Self::Manager => "manager",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }
}

/// An HTTP method, as far as the API uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or asks.
    Post,
    /// Ends.
    Delete,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody. What it answers must give nothing away.
    Anyone,
    /// A peer on this machine, or the holder of the metrics token.
    Metrics,
    /// Whoever is signed in, in any role.
    SignedIn,
    /// Those signed in with one of these roles.
    Roles(&'static [Role]),
}

impl Access {
    /// Whether somebody with `role` (or nobody, `None`) may call. [`Access::Metrics`] is decided by the server, which
    /// knows the peer; here it is refused.
    #[must_use]
    pub fn allows(self, role: Option<Role>) -> bool {
        match (self, role) {
            (Self::Anyone, _) | (Self::SignedIn, Some(_)) => true,
            (Self::Roles(roles), Some(role)) => roles.contains(&role),
            (Self::SignedIn | Self::Roles(_), None) | (Self::Metrics, _) => false,
        }
    }
}

/// Every route there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteId {
    /// The page.
    Page,
    /// The same page, opened at the handset.
    HandsetPage,
    /// Its scripts, styles and fonts.
    Asset,
    /// Whether the process lives.
    Health,
    /// Whether it can take a call.
    Ready,
    /// Prometheus text.
    Metrics,
    /// Who am I.
    SessionRead,
    /// Sign in with an access code.
    SessionStart,
    /// Sign out.
    SessionEnd,
    /// The live event stream (WebSocket).
    Events,
    /// SIP over WebSocket (RFC 7118).
    Sip,
    /// What the asker's browser needs to be a telephone.
    Handset,
    /// Everybody a call can be given to.
    People,
    /// What somebody at the desk does with a call.
    Desk,
    /// How the kill switch stands.
    AutomationRead,
    /// The kill switch.
    AutomationSet,
    /// The engine's state.
    State,
    /// The health report in detail.
    HealthDetail,
    /// Recent calls.
    Calls,
    /// Calls in which something was said. A POST, so that the words sought are in no URL.
    CallsSearch,
    /// One call.
    Call,
    /// A call's recording, to be heard.
    Recording,
    /// Tasks.
    Tasks,
    /// One task with its history.
    Task,
    /// What somebody does with a task.
    TaskChange,
    /// Everybody whose telephones register here.
    Users,
    /// Adds or changes somebody.
    UserAdd,
    /// Removes somebody.
    UserRemove,
    /// One version of one knowledge entry.
    Entry,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct RouteRule {
    /// Which route.
    pub id: RouteId,
    /// Its method.
    pub method: Method,
    /// Its path, with `{name}` for what varies.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// Those who answer the telephone.
const DESK: Access = Access::Roles(&[Role::FrontDesk, Role::Manager]);
const STAFF: Access = Access::Roles(&[Role::FrontDesk, Role::Manager, Role::Admin]);
const RECORD: Access = Access::Roles(&[Role::FrontDesk, Role::Manager, Role::Auditor]);
const KNOWLEDGE: Access = Access::Roles(&Role::ALL);
/// Those who give out secrets.
const ADMIN: Access = Access::Roles(&[Role::Admin]);
const MACHINE: Access = Access::Roles(&[Role::Manager, Role::Admin]);

const fn row(id: RouteId, method: Method, path: &'static str, access: Access) -> RouteRule {
    RouteRule {
        id,
        method,
        path,
        access,
    }
}

/// The table. Calls, tasks and the live stream carry what callers said: administrators of the machine do not need
/// that and do not get the record; the front desk and managers do, auditors read the record but not the live stream.
pub const ROUTES: &[RouteRule] = &[
    row(RouteId::Page, Method::Get, "/", Access::Anyone),
    row(RouteId::HandsetPage, Method::Get, "/handset", Access::Anyone),
    row(RouteId::Asset, Method::Get, "/assets/{file}", Access::Anyone),
    row(RouteId::Health, Method::Get, "/health", Access::Anyone),
    row(RouteId::Ready, Method::Get, "/ready", Access::Anyone),
    row(RouteId::Metrics, Method::Get, "/metrics", Access::Metrics),
    row(
        RouteId::SessionStart,
        Method::Post,
        "/api/v1/session",
        Access::Anyone,
    ),
    row(
        RouteId::SessionRead,
        Method::Get,
        "/api/v1/session",
        Access::SignedIn,
    ),
    row(
        RouteId::SessionEnd,
        Method::Delete,
        "/api/v1/session",
        Access::SignedIn,
    ),
    row(RouteId::Events, Method::Get, "/api/v1/events", DESK),
    row(RouteId::Sip, Method::Get, "/sip", DESK),
    row(RouteId::Handset, Method::Get, "/api/v1/handset", DESK),
    row(RouteId::People, Method::Get, "/api/v1/people", DESK),
    row(RouteId::Desk, Method::Post, "/api/v1/calls/{id}/desk", DESK),
    row(RouteId::AutomationRead, Method::Get, "/api/v1/automation", STAFF),
    row(RouteId::AutomationSet, Method::Post, "/api/v1/automation", STAFF),
    row(RouteId::State, Method::Get, "/api/v1/state", STAFF),
    row(RouteId::HealthDetail, Method::Get, "/api/v1/health", MACHINE),
    row(RouteId::Calls, Method::Get, "/api/v1/calls", RECORD),
    row(RouteId::CallsSearch, Method::Post, "/api/v1/calls/search", RECORD),
    row(RouteId::Call, Method::Get, "/api/v1/calls/{id}", RECORD),
    row(
        RouteId::Recording,
        Method::Get,
        "/api/v1/calls/{id}/recording",
        RECORD,
    ),
    row(RouteId::Tasks, Method::Get, "/api/v1/tasks", RECORD),
    row(RouteId::Task, Method::Get, "/api/v1/tasks/{id}", RECORD),
    row(RouteId::TaskChange, Method::Post, "/api/v1/tasks/{id}", DESK),
    row(RouteId::Users, Method::Get, "/api/v1/users", ADMIN),
    row(RouteId::UserAdd, Method::Post, "/api/v1/users", ADMIN),
    row(RouteId::UserRemove, Method::Delete, "/api/v1/users/{user}", ADMIN),
    row(
        RouteId::Entry,
        Method::Get,
        "/api/v1/knowledge/{id}/{version}",
        KNOWLEDGE,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_route_is_listed_once() {
        let ids: HashSet<_> = ROUTES.iter().map(|r| r.id).collect();
        let paths: HashSet<_> = ROUTES.iter().map(|r| (r.method, r.path)).collect();
        assert_eq!((ids.len(), paths.len()), (ROUTES.len(), ROUTES.len()));
    }

    #[test]
    fn nobody_reads_the_api_without_signing_in() {
        for r in ROUTES {
            let open = r.access.allows(None);
            let may_be_open =
                !(r.path.starts_with("/api/") || r.id == RouteId::Sip) || r.id == RouteId::SessionStart;
            assert!(!open || may_be_open, "{} is open to anybody", r.path);
        }
    }

    #[test]
    fn what_callers_said_is_for_the_desk_managers_and_auditors() {
        use Role::{Admin, Auditor, FrontDesk, Manager};
        let may = |id: RouteId| -> Vec<Role> {
            let rule = ROUTES.iter().find(|r| r.id == id).unwrap();
            Role::ALL
                .into_iter()
                .filter(|r| rule.access.allows(Some(*r)))
                .collect()
        };
        for id in [
            RouteId::Calls,
            RouteId::Call,
            RouteId::CallsSearch,
            RouteId::Recording,
            RouteId::Tasks,
            RouteId::Task,
        ] {
            assert_eq!(may(id), [FrontDesk, Manager, Auditor], "{id:?}");
        }
        for id in [
            RouteId::Events,
            RouteId::Sip,
            RouteId::Handset,
            RouteId::People,
            RouteId::Desk,
            RouteId::TaskChange,
        ] {
            assert_eq!(may(id), [FrontDesk, Manager], "{id:?}");
        }
        for id in [RouteId::Users, RouteId::UserAdd, RouteId::UserRemove] {
            assert_eq!(may(id), [Admin], "{id:?}");
        }
        // Whoever looks after the machine must be able to stop it, too.
        assert_eq!(may(RouteId::AutomationSet), [FrontDesk, Manager, Admin]);
        assert_eq!(may(RouteId::HealthDetail), [Manager, Admin]);
        assert_eq!(may(RouteId::Metrics), []);
    }
}
