//! The Rust mistakes beside `planted.c`: as a library for it, and as a program of its own that races (`--cfg race`).

/// Reads one byte behind `len` bytes on the heap.
#[unsafe(no_mangle)]
pub extern "C" fn planted_rust_read_behind_the_end(len: usize) -> i32 {
    let bytes = std::hint::black_box(vec![1_u8; len]);
    // SAFETY: none, that is the point: this byte is not ours.
    i32::from(unsafe { std::hint::black_box(bytes.as_ptr().add(len)).read() })
}

#[cfg(race)]
fn main() {
    static mut SHARED: u64 = 0;
    let count = || {
        for _ in 0..100_000 {
            // SAFETY: none, that is the point: two threads write here at once.
            unsafe { SHARED = std::hint::black_box(SHARED) + 1 };
        }
    };
    let threads = [std::thread::spawn(count), std::thread::spawn(count)];
    for thread in threads {
        thread.join().expect("counting does not panic");
    }
    println!("race: nobody stopped this");
}
