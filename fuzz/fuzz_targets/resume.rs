//! Resume data, as a damaged disk or another user of the folder may leave it.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use vozduxan::bridge;
use vozduxan_fuzz::{disturb, resume};

fuzz_target!(|data: &[u8]| {
    let Some((how, rest)) = data.split_first() else { return };
    let bytes = match how % 2 {
        0 => rest.to_vec(),
        _ => disturb(resume(), &mut Unstructured::new(rest)).unwrap_or_default(),
    };
    if let Ok(meta) = bridge::inspect_resume(&bytes) {
        assert!(meta.files.iter().all(|file| file.length <= i64::MAX as u64));
    }
});
