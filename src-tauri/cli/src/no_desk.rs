//! The desk's routes while no desk is configured: every answer says so, and nothing is pretended.

use anteroom_api::{ApiError, Automation, DeskDone, Handset, PeoplePage};
use anteroom_appliance::Engine;
use anteroom_web::Answer;

fn refused<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(async {
        Err(ApiError::new(
            503,
            "desk.not_configured",
            "No desk is configured on this machine.",
            "Ask whoever looks after the machine to set up users and their telephones.",
        ))
    })
}

pub(crate) fn handset() -> Answer<'static, Handset> {
    refused()
}

pub(crate) fn people() -> Answer<'static, PeoplePage> {
    refused()
}

pub(crate) fn command() -> Answer<'static, DeskDone> {
    refused()
}

/// How the kill switch stands can be told; it cannot be thrown, because nobody could take the calls.
pub(crate) fn automation(engine: &Engine) -> Answer<'static, Automation> {
    let on = engine.snapshot().state.automation;
    Box::pin(async move {
        Ok(Automation {
            on,
            since: None,
            by: None,
        })
    })
}

pub(crate) fn set_automation() -> Answer<'static, Automation> {
    refused()
}
