//! What the headset's window may ask for. The list in `build.rs` and the capability in `tauri.conf.json` name the same.

use anteroom_handset::{Devices, Settings, Telephone, View};
use anteroom_types::LegId;
use serde::Serialize;
use tauri::State;

/// Keys pressed at once.
const KEYS_MAX: usize = 32;

/// The telephone of this machine, if it is one.
pub(crate) struct Phone(pub(crate) Option<Telephone>);

/// Why something was not done; the window has words for each.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refused {
    /// This machine is no telephone.
    NoTelephone,
    /// It rings no longer, or there is no such call.
    NoCall,
    /// It cannot be dialled.
    NotPlaced,
    /// The operating system does not say which devices there are.
    NoDevices,
    /// The choice holds until the program ends: it could not be kept.
    NotKept,
    /// Those are no keys.
    NoKeys,
}

type Done<T> = Result<T, Refused>;

impl Phone {
    fn get(&self) -> Done<&Telephone> {
        self.0.as_ref().ok_or(Refused::NoTelephone)
    }
}

fn leg(text: &str) -> Done<LegId> {
    text.parse().map_err(|_| Refused::NoCall)
}

#[tauri::command]
pub(crate) fn view(phone: State<'_, Phone>) -> Done<View> {
    Ok(phone.get()?.view())
}

#[tauri::command]
pub(crate) fn answer(phone: State<'_, Phone>, call: Option<&str>) -> Done<()> {
    let named = call.map(leg).transpose()?;
    if phone.get()?.answer(named) {
        Ok(())
    } else {
        Err(Refused::NoCall)
    }
}

#[tauri::command]
pub(crate) fn hang_up(phone: State<'_, Phone>, call: &str) -> Done<()> {
    phone.get()?.hang_up(leg(call)?);
    Ok(())
}

#[tauri::command]
pub(crate) fn hold(phone: State<'_, Phone>, call: &str, held: bool) -> Done<()> {
    phone.get()?.hold(leg(call)?, held);
    Ok(())
}

#[tauri::command]
pub(crate) fn mute(phone: State<'_, Phone>, muted: bool) -> Done<()> {
    phone.get()?.mute(muted);
    Ok(())
}

#[tauri::command]
pub(crate) fn press(phone: State<'_, Phone>, digits: &str) -> Done<()> {
    let keys = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
    if !keys || digits.len() > KEYS_MAX {
        return Err(Refused::NoKeys);
    }
    phone.get()?.press(digits);
    Ok(())
}

#[tauri::command]
pub(crate) fn dial(phone: State<'_, Phone>, dialled: &str) -> Done<()> {
    phone
        .get()?
        .dial(dialled)
        .map(drop)
        .map_err(|_| Refused::NotPlaced)
}

// Away from the window's own thread: a driver may take its time.
#[tauri::command(async)]
pub(crate) fn devices() -> Done<Devices> {
    Telephone::devices().map_err(|e| {
        tracing::warn!(error = %anteroom_types::error::chain(&e), "the sound devices are not known");
        Refused::NoDevices
    })
}

#[tauri::command]
pub(crate) fn settings(phone: State<'_, Phone>) -> Done<Settings> {
    Ok(phone.get()?.settings())
}

#[tauri::command(async)]
pub(crate) fn choose(phone: State<'_, Phone>, settings: Settings) -> Done<()> {
    phone.get()?.choose(settings).map_err(|e| {
        tracing::warn!(error = %e, "the chosen devices could not be kept");
        Refused::NotKept
    })
}
