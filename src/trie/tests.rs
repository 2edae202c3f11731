//! The trie against `BTreeMap`.
