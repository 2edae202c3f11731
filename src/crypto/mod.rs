//! Keys, key slots, the object envelope.
