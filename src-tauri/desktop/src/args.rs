//! What the program is started with.

use clap::Parser;
use std::path::PathBuf;

/// Anteroom on the desk: answers the telephone, shows the page in a window, and makes this machine's headset a telephone.
#[derive(Debug, Parser)]
#[command(
    name = "anteroom-desktop",
    version,
    after_help = "Example:\n  anteroom-desktop --user 201"
)]
pub(crate) struct Args {
    /// The folder with everything it keeps.
    #[arg(long, value_name = "DIR", env = "ANTEROOM_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// The configuration file; by default `anteroom.toml` in the data folder.
    #[arg(long, value_name = "FILE", env = "ANTEROOM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Who sits at this machine, by the name `anteroom users add` gave; the front desk without.
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
}
