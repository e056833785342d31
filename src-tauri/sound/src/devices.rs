//! Which devices there are, under names that people know.

use cpal::traits::{DeviceTrait as _, HostTrait as _};
use cpal::{Device, Host};

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// There is none for this.
    #[error("there is no sound device for this")]
    NoDevice,
    /// The operating system's sound refuses.
    #[error("the sound device cannot be used: {0}")]
    Device(#[from] cpal::Error),
    /// Its samples are of a kind that we do not speak.
    #[error("the sound device wants samples of a kind that is not supported")]
    Format,
}

/// A device that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeviceInfo {
    /// What a choice names it by; the same when it is unplugged and plugged in again.
    pub id: String,
    /// Its name for people.
    pub name: String,
}

/// The devices there are now.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Devices {
    /// Those that hear.
    pub microphones: Vec<DeviceInfo>,
    /// Those that are heard.
    pub speakers: Vec<DeviceInfo>,
}

/// The devices there are now, as far as the operating system tells.
///
/// # Errors
/// When it does not tell.
pub fn devices() -> Result<Devices, SoundError> {
    list(&cpal::default_host())
}

pub(crate) fn list(host: &Host) -> Result<Devices, SoundError> {
    let mut found = Devices::default();
    for d in host.devices()? {
        let Some(id) = id_of(&d) else { continue };
        if !for_people(host, &id) {
            continue;
        }
        let info = DeviceInfo {
            name: name_of(&d),
            id,
        };
        let add = |to: &mut Vec<DeviceInfo>| {
            if !to.iter().any(|i| i.id == info.id) {
                to.push(info.clone());
            }
        };
        if d.supports_input() {
            add(&mut found.microphones);
        }
        if d.supports_output() {
            add(&mut found.speakers);
        }
    }
    Ok(found)
}

/// Whether people would know what it is. A server's monitors hear what is played; ALSA's plug-ins are its own affair.
fn for_people(host: &Host, id: &str) -> bool {
    if is_server(host) {
        return !id.ends_with(".monitor");
    }
    if cfg!(target_os = "linux") {
        let id = id.strip_prefix("alsa:").unwrap_or(id);
        return matches!(id, "default" | "pipewire" | "pulse")
            || id.starts_with("sysdefault:")
            || id.starts_with("plughw:");
    }
    true
}

/// Whether a sound server stands between us and the devices.
pub(crate) fn is_server(host: &Host) -> bool {
    #[cfg(target_os = "linux")]
    {
        host.id() == cpal::HostId::PulseAudio
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = host;
        false
    }
}

/// What a choice names the device by.
pub(crate) fn id_of(device: &Device) -> Option<String> {
    Some(device.id().ok()?.to_string())
}

/// The device's name for people.
pub(crate) fn name_of(device: &Device) -> String {
    device
        .description()
        .map_or_else(|_| "sound device".into(), |about| about.name().to_owned())
}

/// The direction in which a device is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

/// The device with this id, if it is there.
pub(crate) fn find(host: &Host, way: Way, id: &str) -> Option<Device> {
    host.devices().ok()?.find(|d| {
        let fits = match way {
            Way::In => d.supports_input(),
            Way::Out => d.supports_output(),
        };
        fits && id_of(d).as_deref() == Some(id)
    })
}

/// The devices to try, best first: the chosen one, the system's choice, any other.
pub(crate) fn candidates(host: &Host, way: Way, chosen: Option<&str>) -> Vec<Device> {
    let mut found: Vec<Device> = Vec::new();
    let mut add = |d: Option<Device>| {
        if let Some(d) = d
            && !found.iter().any(|f| id_of(f) == id_of(&d))
        {
            found.push(d);
        }
    };
    add(chosen.and_then(|id| find(host, way, id)));
    add(match way {
        Way::In => host.default_input_device(),
        Way::Out => host.default_output_device(),
    });
    let known = list(host).unwrap_or_default();
    let others = match way {
        Way::In => known.microphones,
        Way::Out => known.speakers,
    };
    for o in others {
        add(find(host, way, &o.id));
    }
    found
}
