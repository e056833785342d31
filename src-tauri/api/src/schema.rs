//! The JSON schema of everything that crosses the wire.

use crate::{
    ApiError, Automation, AutomationRequest, CallDetail, CallsPage, CallsQuery, DeskCommand, DeskDone,
    EntryDetail, Handset, HealthReport, PeoplePage, SearchRequest, ServerMessage, SessionInfo,
    SessionRequest, TaskCommand, TaskDetail, TasksPage, TasksQuery, UserAdded, UserRequest, UsersPage,
};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// One JSON Schema (draft 2020-12) whose `$defs` name every type of the surface. Deterministic.
#[must_use]
pub fn document() -> Value {
    let mut g = SchemaSettings::draft2020_12().into_generator();
    g.subschema_for::<ServerMessage>();
    g.subschema_for::<SessionRequest>();
    g.subschema_for::<SessionInfo>();
    g.subschema_for::<CallsQuery>();
    g.subschema_for::<CallsPage>();
    g.subschema_for::<SearchRequest>();
    g.subschema_for::<CallDetail>();
    g.subschema_for::<TasksQuery>();
    g.subschema_for::<TasksPage>();
    g.subschema_for::<TaskDetail>();
    g.subschema_for::<TaskCommand>();
    g.subschema_for::<UsersPage>();
    g.subschema_for::<UserRequest>();
    g.subschema_for::<UserAdded>();
    g.subschema_for::<EntryDetail>();
    g.subschema_for::<HealthReport>();
    g.subschema_for::<Handset>();
    g.subschema_for::<PeoplePage>();
    g.subschema_for::<DeskCommand>();
    g.subschema_for::<DeskDone>();
    g.subschema_for::<Automation>();
    g.subschema_for::<AutomationRequest>();
    g.subschema_for::<ApiError>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "AnteroomApi",
        "description": "Everything that crosses Anteroom's HTTP and WebSocket surface.",
        "$defs": g.take_definitions(true),
    })
}
