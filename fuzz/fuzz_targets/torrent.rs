//! .torrent bytes and magnet links through the bridge: refused, or of a shape that the engine can rely on.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use vozduxan::engine::input::{Input, Source};
use vozduxan_fuzz::{disturb, v1, v2};

/// What everything behind the parser relies on.
fn check(source: &Source) {
    let Some(meta) = &source.meta else { return };
    let info = &meta.info;
    assert_eq!(meta.layout.pieces(), info.piece_count);
    assert!(info.piece_length > 0 && !info.files.is_empty());
    let mut end = 0;
    for file in &info.files {
        // Names stay below the torrent's folder.
        let parts = file.disk_path.split('/');
        assert!(!file.disk_path.contains('\0'), "{:?}", file.disk_path);
        for part in parts {
            assert!(!matches!(part, "" | "." | ".."), "{:?}", file.disk_path);
        }
        assert!(file.offset >= end && file.offset + file.length <= info.total_length);
        end = file.offset + file.length;
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((how, rest)) = data.split_first() else { return };
    let mut input = Unstructured::new(rest);
    let torrent = match how % 4 {
        0 => rest.to_vec(),
        1 => disturb(v1(), &mut input).unwrap_or_default(),
        2 => disturb(v2(), &mut input).unwrap_or_default(),
        _ => {
            if let Ok(text) = std::str::from_utf8(rest) {
                let magnet = format!("magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&{text}");
                let _ = Source::parse(Input { magnet: Some(&magnet), torrent: None });
                let _ = Source::parse(Input { magnet: Some(text), torrent: None });
            }
            return;
        }
    };
    if let Ok(source) = Source::parse(Input { magnet: None, torrent: Some(&torrent) }) {
        check(&source);
    }
});
