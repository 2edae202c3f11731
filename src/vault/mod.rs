//! Nodes, versions, stamps, commits, the view, file contents.

pub mod contents;
