//! The desk's side of the engine: handsets, people, commands, kill switch.
//!
//! No desk is configured yet, and every answer says so; nothing is pretended.

use crate::engine::Engine;
use anteroom_api::{ApiError, Automation, DeskCommand, DeskDone, Handset, PeoplePage, Who};
use anteroom_types::CallId;
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// Both directions of a browser's SIP connection: towards the engine, and from it.
pub type SipStreams = (mpsc::Sender<bytes::Bytes>, mpsc::Receiver<bytes::Bytes>);

fn no_desk() -> ApiError {
    ApiError::new(
        503,
        "desk.not_configured",
        "No desk is configured on this machine.",
        "Ask whoever looks after the machine to set up users and their telephones.",
    )
}

impl Engine {
    /// A browser opens SIP over WebSocket.
    #[must_use]
    pub fn sip_socket(&self, _from: SocketAddr, _secure: bool, _who: &Who) -> Option<SipStreams> {
        None
    }

    /// What the asker's browser needs to be a telephone.
    ///
    /// # Errors
    /// When no desk is configured, or the asker is no user of it.
    pub async fn handset(&self, _who: Who) -> Result<Handset, ApiError> {
        Err(no_desk())
    }

    /// Everybody a call can be given to.
    ///
    /// # Errors
    /// When no desk is configured.
    pub async fn people(&self) -> Result<PeoplePage, ApiError> {
        Err(no_desk())
    }

    /// Somebody at the desk does something with a call.
    ///
    /// # Errors
    /// When no desk is configured, the call is not theirs, or it is past that.
    pub async fn desk(&self, _who: Who, _call: CallId, _command: DeskCommand) -> Result<DeskDone, ApiError> {
        Err(no_desk())
    }

    /// How the kill switch stands.
    ///
    /// # Errors
    /// None so far.
    pub async fn automation(&self) -> Result<Automation, ApiError> {
        Ok(Automation {
            on: self.snapshot().state.automation,
            since: None,
            by: None,
        })
    }

    /// The kill switch.
    ///
    /// # Errors
    /// When there is nobody to take the calls: no desk is configured.
    pub async fn set_automation(&self, _who: Who, _on: bool) -> Result<Automation, ApiError> {
        Err(no_desk())
    }
}
