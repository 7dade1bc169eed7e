//! What to fetch first: pure rules, no clock, no lock, no thread, no IO.
//!
//! Streams tell what they want ([`plan::Demand`]); [`plan`] orders pieces into the tiers; [`picker`] turns that order
//! into requests to peers and works around slow, silent and lying ones; [`prebuffer`] says when a stream is ready.
//!
//! The picker's own rooms: [`board`] knows where every block is, [`peer`] and [`pace`] what each peer has and how
//! fast it answers; `choose` gives blocks out, `copies` asks a second peer for what comes too late, `silence` works
//! around peers that give nothing, `trust` finds those that send wrong data. With what [`evidence`] keeps and `record`
//! counts, `doubt` says which blocks of a wrong piece are asked again and `suspects` what their givers are still good for.

pub mod bits;
pub mod board;
mod choose;
mod copies;
pub mod deadlines;
mod doubt;
pub mod events;
pub mod evidence;
pub mod layout;
pub mod pace;
pub mod peer;
pub mod picker;
pub mod piece;
pub mod plan;
pub mod prebuffer;
mod record;
mod silence;
mod suspects;
#[cfg(test)]
mod tests;
mod trust;
