//! The owner of a vault: hosts it, serves the control API, wires filesystem and replication.
