//! Which devices were chosen, kept from one start to the next.

use anteroom_sound::{Choice, Cleaning};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The longest name of a device that is kept, in bytes.
const ID_BYTES_MAX: usize = 512;

/// What was chosen. A device is named as [`anteroom_sound::devices`] does; none is the system's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What hears.
    pub microphone: Option<String>,
    /// Where the caller is heard.
    pub headset: Option<String>,
    /// Where it rings.
    pub ringer: Option<String>,
    /// Whether the caller is kept from hearing themselves.
    pub cancel_echo: bool,
    /// Whether noise at the desk is made quieter.
    pub suppress_noise: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            microphone: None,
            headset: None,
            ringer: None,
            cancel_echo: true,
            suppress_noise: true,
        }
    }
}

impl Settings {
    /// What was kept; the defaults when nothing was, or nothing that can be read.
    #[must_use]
    pub fn load(file: &Path) -> Self {
        let Ok(text) = std::fs::read_to_string(file) else {
            return Self::default();
        };
        toml::from_str(&text).map(Self::bounded).unwrap_or_else(|e| {
            tracing::warn!(error = %e, "the chosen devices cannot be read; the system's are used");
            Self::default()
        })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, file: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        let part = file.with_extension("part");
        std::fs::write(&part, text)?;
        std::fs::rename(part, file)
    }

    /// Without names that no device has.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for id in [&mut self.microphone, &mut self.headset, &mut self.ringer] {
            id.take_if(|id| id.is_empty() || id.len() > ID_BYTES_MAX);
        }
        self
    }

    pub(crate) fn choice(&self) -> Choice {
        Choice {
            microphone: self.microphone.clone(),
            headset: self.headset.clone(),
            ringer: self.ringer.clone(),
            cleaning: Cleaning {
                echo: self.cancel_echo,
                noise: self.suppress_noise,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_there_again_and_nonsense_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("headset.toml");
        assert_eq!(Settings::load(&file), Settings::default());
        let chosen = Settings {
            headset: Some("alsa_output.usb-headset".into()),
            suppress_noise: false,
            ..Settings::default()
        };
        chosen.save(&file).unwrap();
        assert_eq!(Settings::load(&file), chosen);
        std::fs::write(&file, "headset = 3").unwrap();
        assert_eq!(Settings::load(&file), Settings::default());
        let long = Settings {
            ringer: Some("x".repeat(600)),
            ..Settings::default()
        };
        assert_eq!(long.bounded().ringer, None);
    }
}
