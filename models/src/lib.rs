//! The engine's waiting and waking code, compiled against a model checker.
//!
//! loom runs a test again and again, once for every order in which its threads can meet, also those that only a weak
//! memory model allows. The files under test are the engine's own, included by path: they take their locks and atomics
//! from `crate::sync`, which here is [`sync`].

pub mod abi;
pub mod engine;
pub mod schedule;
pub mod sync;
