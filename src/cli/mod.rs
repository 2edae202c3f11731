//! One file per command; progress, tables, JSON, exit codes.
