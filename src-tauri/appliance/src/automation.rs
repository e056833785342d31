//! The kill switch, for commands: how it will stand at the next start. A running appliance has its own, and keeps it here.

use crate::desk::Switch;
use crate::tools::now;
use anteroom_store::{Store, StoreError};

/// Whether the receptionist answers callers.
///
/// # Errors
/// When the store cannot be read.
pub fn is_on(store: &Store) -> Result<bool, StoreError> {
    Ok(Switch::restore(store)?.on)
}

/// Throws it. `actor` is who does it.
///
/// # Errors
/// When nothing could be written.
pub fn switch(store: &Store, on: bool, actor: &str) -> Result<(), StoreError> {
    if is_on(store)? == on {
        return Ok(());
    }
    let switch = Switch {
        on,
        since: Some(now()),
        by: Some(actor.to_owned()),
    };
    switch.keep(store)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_store::StoreConfig;
    use anteroom_store::keys::{KeySource, load_or_create};

    #[test]
    fn it_stays_as_it_was_thrown() {
        let dir = tempfile::tempdir().unwrap();
        let key = load_or_create(&KeySource::File(dir.path().join("key")), dir.path()).unwrap();
        let store = Store::open(StoreConfig::new(dir.path().to_owned(), key)).unwrap();
        assert!(is_on(&store).unwrap());
        switch(&store, false, "command line").unwrap();
        assert!(!is_on(&store).unwrap());
        let kept = Switch::restore(&store).unwrap();
        assert!(kept.since.is_some() && kept.by.as_deref() == Some("command line"));
        switch(&store, true, "command line").unwrap();
        assert!(is_on(&store).unwrap());
    }
}
