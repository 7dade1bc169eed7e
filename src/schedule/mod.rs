//! Pure scheduling rules.
