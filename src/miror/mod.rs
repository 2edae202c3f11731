//! Replication: the session state machine and its transports.
