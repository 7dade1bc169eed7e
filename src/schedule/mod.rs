//! What to fetch first: pure rules, no clock, no lock, no thread, no IO.
//!
//! Streams tell what they want ([`plan::Demand`]); [`plan`] orders pieces into the tiers; [`picker`] turns that order
//! into requests to peers and works around slow, silent and lying ones; [`prebuffer`] says when a stream is ready.

pub mod bits;
pub mod layout;
pub mod peer;
pub mod picker;
pub mod piece;
pub mod plan;
pub mod prebuffer;
