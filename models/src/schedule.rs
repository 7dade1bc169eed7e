//! The rules that the waiting code needs.

#[path = "../../src/schedule/bits.rs"]
pub mod bits;
#[path = "../../src/schedule/layout.rs"]
pub mod layout;
