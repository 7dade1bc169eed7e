//! The program half of the smallest Rust host.

fn main() {
    player::run();
}
