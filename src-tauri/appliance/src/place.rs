//! Where things are on this machine.

use crate::config::{Config, ConfigError};
use std::path::{Path, PathBuf};

/// Where state, models and the configuration are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The data folder.
    pub data: PathBuf,
    /// The models folder.
    pub models: PathBuf,
}

impl Place {
    /// Finds the configuration and the folders: `config` as given, else `anteroom.toml` in the data folder, else the
    /// defaults; `data` as given, else what the configuration says, else the user's data folder.
    ///
    /// # Errors
    /// When there is a configuration file that cannot be used.
    pub fn find(data: Option<&Path>, config: Option<&Path>) -> Result<(Config, Self), ConfigError> {
        let beside = data.map(|d| d.join("anteroom.toml")).filter(|f| f.exists());
        let config = match config.map(Path::to_owned).or(beside) {
            Some(file) => Config::load(&file)?,
            None => Config::default(),
        };
        let data = data
            .map(Path::to_owned)
            .or_else(|| config.data.dir.clone())
            .unwrap_or_else(default_data);
        let models = std::env::var_os("ANTEROOM_MODELS")
            .map(PathBuf::from)
            .or_else(|| config.speech.models.clone())
            .unwrap_or_else(default_models);
        Ok((config, Self { data, models }))
    }

    /// Rendered speech: approved answers and prompts.
    #[must_use]
    pub fn speech(&self) -> PathBuf {
        self.data.join("speech")
    }
    /// Log files.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.data.join("log")
    }
}

fn home(variable: &str, below: &str) -> PathBuf {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(below)))
        .unwrap_or_else(std::env::temp_dir)
        .join("anteroom")
}

fn default_data() -> PathBuf {
    home("XDG_DATA_HOME", ".local/share")
}

fn default_models() -> PathBuf {
    home("XDG_CACHE_HOME", ".cache").join("models")
}
