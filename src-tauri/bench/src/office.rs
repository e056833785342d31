//! What bridged calls are measured on: the appliance, rustpbx, or Kamailio with rtpengine, each with the same telephones
//! and the same trunk.

use crate::appliance::Appliance;
use crate::error::{Doing as _, Failure};
use crate::kamailio::{self, Kamailio};
use crate::process::{cpu_ms, proportional_kib, resident_kib};
use crate::report::Report;
use crate::rustpbx::{self, Rustpbx};
use crate::sipp::{Ends, TRUNK_AT, User, free_port};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Telephones that take turns in ringing out: so many as a clinic has, and no limit of one person's is met.
pub(crate) const TELEPHONES: usize = 50;
/// Calls at once that ours is told to allow; the most that a configuration may say.
const CALLS_MAX: usize = 500;

/// Whose figures they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    Rustpbx,
    Kamailio,
}

impl Whose {
    /// In the order of their turns.
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Rustpbx, Self::Kamailio];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Rustpbx => "rustpbx",
            Self::Kamailio => "kamailio",
        }
    }

    /// Makes sure that the peers are there, before the load of the machine is looked at (building one takes long), and
    /// says which they are.
    pub(crate) fn versions(report: &mut Report) -> Result<(), Failure> {
        rustpbx::program()?;
        report.version("rustpbx", rustpbx::VERSION);
        for (name, version) in kamailio::versions()? {
            report.version(name, version);
        }
        Ok(())
    }
}

/// What each of them showed, in the order of [`Whose::ALL`].
#[derive(Default)]
pub(crate) struct Each<T>([T; 3]);

impl<T> Each<T> {
    pub(crate) const fn of(&mut self, whose: Whose) -> &mut T {
        &mut self.0[whose as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        Whose::ALL.into_iter().map(Whose::name).zip(&self.0)
    }

    /// Ours, and then each peer with its name.
    pub(crate) fn beside(&self) -> (&T, impl Iterator<Item = (&'static str, &T)>) {
        (&self.0[0], self.iter().skip(1))
    }
}

/// A folder for each system, which it keeps over its starts.
pub(crate) struct Folders {
    base: tempfile::TempDir,
}

impl Folders {
    pub(crate) fn new() -> Result<Self, Failure> {
        // Not the system's folder for temporary files, which may be in memory: some write records.
        let base = crate::peer::folder();
        std::fs::create_dir_all(&base).doing("making a folder")?;
        let base = tempfile::tempdir_in(base).doing("making a folder")?;
        for whose in Whose::ALL {
            std::fs::create_dir(base.path().join(whose.name())).doing("making a folder")?;
        }
        Ok(Self { base })
    }

    fn of(&self, whose: Whose) -> PathBuf {
        self.base.path().join(whose.name())
    }
}

enum System {
    Ours(Box<Appliance>),
    Rustpbx(Box<Rustpbx>),
    Kamailio(Box<Kamailio>),
}

/// A system that runs, with both ends of its calls.
pub(crate) struct Office {
    system: System,
    pub(crate) ends: Ends,
    pids: Vec<u32>,
}

impl Office {
    /// Starts one; its telephones are registered when it returns.
    pub(crate) async fn start(whose: Whose, folders: &Folders, speak: bool) -> Result<Self, Failure> {
        let dir = folders.of(whose);
        let trunk: SocketAddr = format!("{TRUNK_AT}:{}", free_port(TRUNK_AT)?)
            .parse()
            .doing("naming the trunk")?;
        let people = || (0..TELEPHONES).map(|n| (user(n), format!("secret-{n}")));
        let (system, target, users, pids) = match whose {
            Whose::Ours => {
                std::fs::write(dir.join("anteroom.toml"), settings(trunk))
                    .doing("writing the configuration")?;
                let it = Appliance::of_an_office(dir, TELEPHONES).await?;
                let (target, users) = (it.sip, it.users.clone());
                let pids = it.pid().into_iter().collect();
                (System::Ours(Box::new(it)), target, users, pids)
            }
            Whose::Rustpbx => {
                let users: Vec<User> = people().collect();
                let it = Rustpbx::start(&dir, trunk, &users).await?;
                let (target, pids) = (it.sip, it.pid().into_iter().collect());
                (System::Rustpbx(Box::new(it)), target, users, pids)
            }
            Whose::Kamailio => {
                let users: Vec<User> = people().collect();
                let it = Kamailio::start(&dir, trunk, &users).await?;
                let (target, pids) = (it.sip, it.pids()?);
                (System::Kamailio(Box::new(it)), target, users, pids)
            }
        };
        let ends = Ends::new(target, trunk, &users, speak)?;
        ends.register(users.len()).await?;
        if pids.is_empty() {
            return Err(Failure::new("the system ended"));
        }
        Ok(Self { system, ends, pids })
    }

    pub(crate) fn resident_kib(&self) -> Result<f64, Failure> {
        match self.pids[..] {
            [pid] => resident_kib(pid),
            ref several => proportional_kib(several),
        }
    }

    pub(crate) fn cpu_ms(&self) -> Result<f64, Failure> {
        self.pids.iter().map(|pid| cpu_ms(*pid)).sum()
    }

    pub(crate) async fn stop(self) {
        match self.system {
            System::Ours(it) => it.stop().await,
            System::Rustpbx(it) => it.stop().await,
            System::Kamailio(it) => it.stop().await,
        }
    }
}

/// The name of the nth telephone.
pub(crate) fn user(n: usize) -> String {
    format!("{}", 200 + n)
}

/// The appliance as an office has it: strict, with one trunk, and limits that are not what is measured.
fn settings(trunk: SocketAddr) -> String {
    format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\ncalls_max = {CALLS_MAX}\nrate_per_source_per_s = 100000\n\
         [media]\nports = \"20000-29999\"\n[web]\nlisten = \"127.0.0.1:0\"\n[desk]\nban_failures = 0\n\
         [[sip.trunk]]\nname = \"main\"\naddresses = [\"{}\"]\ntarget = \"{trunk}\"\n\
         [outbound]\ntrunks = [\"main\"]\ncaller_id = \"+441632960000\"\n\
         [[outbound.class]]\nname = \"bench\"\ncalls_at_once = {CALLS_MAX}\ncalls_per_hour = 1000000\n\
         minutes_per_day = 1000000000\nspend_milli_per_day = 1000000000\n\
         [[outbound.class.rule]]\nprefix = \"+44\"\nallow = \"always\"\n",
        trunk.ip(),
    )
}
