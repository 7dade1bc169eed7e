//! From the engine: who waits for whom.

#[path = "../../src/engine/availability.rs"]
pub mod availability;
#[path = "../../src/engine/calls.rs"]
pub mod calls;
#[path = "../../src/engine/ending.rs"]
pub mod ending;
#[path = "../../src/engine/mailbox.rs"]
pub mod mailbox;
#[path = "../../src/engine/nudge.rs"]
pub mod nudge;
#[path = "../../src/engine/waiter.rs"]
pub mod waiter;

/// As much of the engine's error as the waiting code knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A defect.
    Internal(String),
}
