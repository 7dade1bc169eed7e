//! Part files written by hand, byte by byte as libtorrent's own description has them.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::os::testing::{Scratch, symlink};

const NAME: &str = ".parts";

fn contents(piece_len: u32, lengths: &[u64]) -> Contents {
    let mut offset = 0;
    let mut files = Vec::new();
    for (number, length) in lengths.iter().enumerate() {
        files.push(ContentFile { path: format!("album/{number}"), offset, length: *length });
        offset += length;
    }
    let pieces = offset.div_ceil(u64::from(piece_len));
    Contents::new(piece_len, u32::try_from(pieces).unwrap(), files)
}

/// A part file with these slots: the piece, and the bytes of its slot.
fn write(root: &Path, contents: &Contents, slots: &[(u32, Vec<u8>)]) {
    let mut numbers = vec![contents.pieces, contents.piece_len as u32];
    for piece in 0..contents.pieces {
        let slot = slots.iter().position(|(held, _)| *held == piece);
        numbers.push(slot.map_or(u32::MAX, |slot| slot as u32));
    }
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    bytes.resize(bytes.len().next_multiple_of(1024), 0);
    for (_, slot) in slots {
        bytes.extend(slot);
        bytes.resize(bytes.len() + contents.piece_len as usize - slot.len(), 0);
    }
    fs::write(root.join(NAME), bytes).unwrap();
}

fn run(root: &Path, contents: &Contents) -> Result<Unpacked, Error> {
    unpack(root, NAME, contents, &AtomicBool::new(false))
}

fn file(root: &Path, number: usize) -> Vec<u8> {
    fs::read(root.join(format!("album/{number}"))).unwrap_or_default()
}

#[test]
fn a_piece_goes_to_all_the_files_it_spans() {
    let root = Scratch::new();
    let contents = contents(16_384, &[10_000, 0, 5_000, 20_000]);
    write(&root, &contents, &[(1, vec![2; 16_384]), (0, vec![1; 16_384])]);
    assert_eq!(run(&root, &contents).unwrap(), Unpacked::Done(32_768));
    assert_eq!(file(&root, 0), [1; 10_000]);
    assert!(!root.join("album/1").exists());
    assert_eq!(file(&root, 2), [1; 5_000]);
    let last = file(&root, 3);
    assert_eq!((&last[..1_384], &last[1_384..]), (&[1; 1_384][..], &[2; 16_384][..]));
}

#[test]
fn what_is_in_the_files_stays() {
    let root = Scratch::new();
    let contents = contents(65_536, &[65_536]);
    write(&root, &contents, &[(0, vec![9; 65_536])]);
    fs::create_dir(root.join("album")).unwrap();
    // The second block is here, and something of the third.
    let mut here = vec![0; 40_000];
    here[16_384..32_768].fill(5);
    here[39_000] = 6;
    fs::write(root.join("album/0"), &here).unwrap();
    assert_eq!(run(&root, &contents).unwrap(), Unpacked::Done(32_768));
    let found = file(&root, 0);
    assert_eq!(found[..16_384], [9; 16_384]);
    assert_eq!(found[16_384..40_000], here[16_384..]);
    assert_eq!(found[40_000..49_152], [0; 9_152]);
    assert_eq!(found[49_152..], [9; 16_384]);
}

#[test]
fn what_was_written_on_the_way_is_not_written_again() {
    let root = Scratch::new();
    let contents = contents(16_384, &[16_384]);
    write(&root, &contents, &[(0, vec![1; 16_384])]);
    assert_eq!(run(&root, &contents).unwrap(), Unpacked::Done(16_384));
    assert_eq!(run(&root, &contents).unwrap(), Unpacked::Done(0));
}

#[test]
fn another_torrents_part_file_is_left_alone() {
    let root = Scratch::new();
    let ours = contents(16_384, &[100_000]);
    for other in [contents(32_768, &[100_000]), contents(16_384, &[200_000])] {
        write(&root, &other, &[(0, vec![1; 16_384])]);
        assert_eq!(run(&root, &ours).unwrap(), Unpacked::Foreign);
    }
    for short in [0, 4, 12, 1_023] {
        write(&root, &ours, &[(0, vec![1; 16_384])]);
        let bytes = fs::read(root.join(NAME)).unwrap();
        fs::write(root.join(NAME), &bytes[..short]).unwrap();
        assert_eq!(run(&root, &ours).unwrap(), Unpacked::Foreign, "{short}");
    }
    assert!(!root.join("album").exists());
}

#[test]
fn a_slot_that_is_cut_gives_what_is_left_of_it() {
    let root = Scratch::new();
    let contents = contents(16_384, &[32_768]);
    write(&root, &contents, &[(0, vec![1; 16_384]), (1, vec![2; 16_384])]);
    let bytes = fs::read(root.join(NAME)).unwrap();
    fs::write(root.join(NAME), &bytes[..1024 + 16_384 + 100]).unwrap();
    assert_eq!(run(&root, &contents).unwrap(), Unpacked::Done(16_484));
    assert_eq!(file(&root, 0).len(), 16_484);
}

#[test]
fn it_can_be_stopped_and_begun_again() {
    let root = Scratch::new();
    let contents = contents(16_384, &[32_768]);
    write(&root, &contents, &[(0, vec![1; 16_384])]);
    let stopped = unpack(&root, NAME, &contents, &AtomicBool::new(true)).unwrap();
    assert_eq!((stopped, root.join("album").exists()), (Unpacked::Stopped, false));
    assert_eq!(run(&root, &contents).unwrap(), Unpacked::Done(16_384));
}

#[test]
fn nothing_is_written_through_a_link() {
    let outside = Scratch::new();
    fs::write(outside.join("0"), "theirs").unwrap();
    let contents = contents(16_384, &[16_384]);
    for link_folder in [true, false] {
        let root = Scratch::new();
        write(&root, &contents, &[(0, vec![1; 16_384])]);
        if link_folder {
            symlink(&*outside, root.join("album")).unwrap();
        } else {
            fs::create_dir(root.join("album")).unwrap();
            symlink(outside.join("0"), root.join("album/0")).unwrap();
        }
        let error = run(&root, &contents).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }
    let root = Scratch::new();
    symlink(outside.join("0"), root.join(NAME)).unwrap();
    assert!(matches!(run(&root, &contents), Err(Error::Refused { .. })));
    assert_eq!(fs::read(outside.join("0")).unwrap(), b"theirs");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against the rule said once more, byte by byte: where a block's part of a file is empty, it is the slot's.
    #[test]
    fn agrees_with_a_naive_twin(
        lengths in proptest::collection::vec(0_u64..60_000, 1..5),
        piece_blocks in 1_u32..4,
        held in proptest::collection::vec((0_u32..16, 1_u8..255), 0..6),
        there in proptest::collection::vec((0_usize..200_000, 0_usize..30_000), 0..4),
    ) {
        let root = Scratch::new();
        let contents = contents(piece_blocks * 16_384, &lengths);
        let mut slots: Vec<(u32, Vec<u8>)> = Vec::new();
        for (piece, fill) in held {
            if piece < contents.pieces && slots.iter().all(|(other, _)| *other != piece) {
                slots.push((piece, vec![fill; contents.piece_len as usize]));
            }
        }
        write(&root, &contents, &slots);
        let mut space = vec![0_u8; lengths.iter().sum::<u64>() as usize];
        for (from, len) in there {
            let end = space.len();
            space[from.min(end)..(from + len).min(end)].fill(255);
        }
        fs::create_dir(root.join("album")).unwrap();
        let mut begin = 0;
        for (number, length) in lengths.iter().enumerate() {
            let end = begin + *length as usize;
            fs::write(root.join(format!("album/{number}")), &space[begin..end]).unwrap();
            begin = end;
        }

        let before = space.clone();
        let mut begin = 0;
        for length in &lengths {
            let end = begin + *length as usize;
            for (byte, value) in space.iter_mut().enumerate().take(end).skip(begin) {
                let piece = byte as u64 / contents.piece_len;
                let block = byte / 16_384 * 16_384;
                let own = block.max(begin)..(block + 16_384).min(end);
                if let Some((_, slot)) = slots.iter().find(|(held, _)| u64::from(*held) == piece)
                    && before[own].iter().all(|byte| *byte == 0)
                {
                    *value = slot[0];
                }
            }
            begin = end;
        }
        prop_assert!(matches!(run(&root, &contents), Ok(Unpacked::Done(_))));
        let found: Vec<u8> = (0..lengths.len()).flat_map(|number| file(&root, number)).collect();
        prop_assert_eq!(found, space);
    }
}
