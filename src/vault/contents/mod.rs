//! The bytes of files: how a node names them.

mod content;

pub use content::Content;
