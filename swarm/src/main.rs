//! `vozduxan-swarm`: starts a swarm, runs a command against it, and returns the command's exit code.

fn main() {}
