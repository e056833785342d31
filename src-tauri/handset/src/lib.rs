//! The telephone of who sits at this machine.
//!
//! # Architecture invariants
//!
//! The engine knows nothing of sound devices, and [`anteroom_sound`] nothing of calls: this is the only place where the
//! two meet. There is no window here; whoever has one shows [`View`] and calls the methods of [`Telephone`].
//!
//! One call is talked on at a time. Answering or taking back another holds the one before.

mod settings;
mod state;
mod telephone;

pub use anteroom_appliance::DesktopError;
pub use anteroom_sound::{DeviceInfo, Devices};
pub use settings::Settings;
pub use state::{CallState, CallView, Notice, View};
pub use telephone::{Telephone, TelephoneError};
