//! The JSON schema of everything that crosses the wire.

use crate::{
    ApiError, CallDetail, CallsPage, CallsQuery, EntryDetail, HealthReport, SearchRequest, ServerMessage,
    SessionInfo, SessionRequest, TasksPage,
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
    g.subschema_for::<TasksPage>();
    g.subschema_for::<EntryDetail>();
    g.subschema_for::<HealthReport>();
    g.subschema_for::<ApiError>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "AnteroomApi",
        "description": "Everything that crosses Anteroom's HTTP and WebSocket surface.",
        "$defs": g.take_definitions(true),
    })
}
