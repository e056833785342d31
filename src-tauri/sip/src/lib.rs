//! SIP transports, transactions, dialogs and trunks. The only crate that knows the SIP library.
