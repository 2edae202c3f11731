//! A path-compressed radix-16 Merkle trie over a store, generic over its leaf codec.
