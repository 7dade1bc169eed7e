//! The Rust mistakes beside `planted.c`: as a library for it, and as a program of its own that races (`--cfg race`).

/// Reads one byte behind `len` bytes on the heap.
#[unsafe(no_mangle)]
pub extern "C" fn planted_rust_read_behind_the_end(len: usize) -> i32 {
    let bytes = std::hint::black_box(vec![1_u8; len]);
    // SAFETY: none, that is the point: this byte is not ours.
    i32::from(unsafe { std::hint::black_box(bytes.as_ptr().add(len)).read() })
}

/// Two threads write to one place on the heap, giving way to each other.
#[cfg(race)]
fn main() {
    let shared = Box::into_raw(Box::new(0_u64)).expose_provenance();
    let count = move || {
        let place = std::ptr::with_exposed_provenance_mut::<u64>(shared);
        for _ in 0..10_000 {
            // SAFETY: none, that is the point: two threads write here at once.
            unsafe { *place += 1 };
            std::thread::yield_now();
        }
    };
    let threads = [std::thread::spawn(count), std::thread::spawn(count)];
    for thread in threads {
        thread.join().expect("counting does not panic");
    }
    println!("race: nobody stopped this");
}
