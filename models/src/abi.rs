//! From the C boundary: when the host's code may be called.

#[path = "../../src/abi/gate.rs"]
pub mod gate;
