//! What the pieces of a torrent have to hash to, and whether blocks do.
//!
//! A v1 or hybrid torrent has one SHA-1 for a whole piece. A v2 torrent has the root of a tree over the SHA-256s of its
//! blocks: of another combination only the blocks that were not seen before have to be hashed.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::bridge::{self, Bridge, PieceRoot};
use crate::schedule::layout::BLOCK_LEN;

/// Bytes of a SHA-1.
const HASH_LEN: usize = 20;

/// See the module.
pub enum Hashes {
    /// SHA-1 of each piece.
    V1(Vec<u8>),
    /// The root of each piece's tree.
    V2(Vec<PieceRoot>),
    /// Not known, or not all: a v2 torrent's come from peers where it was added by a magnet link.
    None,
}

impl Hashes {
    /// Those that libtorrent knows now.
    pub fn of(bridge: &Bridge, torrent: u32) -> Self {
        let hashes = bridge.piece_hashes(torrent);
        if !hashes.is_empty() {
            return Self::V1(hashes);
        }
        let roots = bridge.piece_roots(torrent);
        if roots.is_empty() { Self::None } else { Self::V2(roots) }
    }

    /// Tells whether blocks in this order are a piece. Without hashes all are: libtorrent will look at them.
    pub fn check(&self, piece: u32) -> impl Fn(&[&[u8]]) -> bool {
        let seen = RefCell::new(HashMap::new());
        move |blocks| match self {
            Self::V1(hashes) => {
                let at = piece as usize * HASH_LEN;
                hashes.get(at..at + HASH_LEN).is_some_and(|hash| bridge::sha1(&blocks.concat()) == hash)
            }
            Self::V2(roots) => roots
                .get(piece as usize)
                .is_some_and(|root| root_of(blocks, root, &mut seen.borrow_mut()) == root.root),
            Self::None => true,
        }
    }
}

/// The root of the tree over a piece's blocks. `seen`: hashes of blocks by where they are; they do not move meanwhile.
fn root_of(blocks: &[&[u8]], of: &PieceRoot, seen: &mut HashMap<usize, [u8; 32]>) -> [u8; 32] {
    let mut layer = vec![[0; 32]; of.leaves as usize];
    for ((leaf, block), start) in layer.iter_mut().zip(blocks).zip((0..of.length).step_by(BLOCK_LEN as usize))
    {
        let len = block.len().min((of.length - start) as usize);
        *leaf = *seen.entry(block.as_ptr().addr()).or_insert_with(|| bridge::sha256(&block[..len]));
    }
    while layer.len() > 1 {
        layer = layer.chunks(2).map(|pair| bridge::sha256(&pair.concat())).collect();
    }
    layer.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(byte: u8) -> Vec<u8> {
        vec![byte; BLOCK_LEN as usize]
    }

    fn pair(left: [u8; 32], right: [u8; 32]) -> [u8; 32] {
        bridge::sha256(&[left, right].concat())
    }

    #[test]
    fn a_piece_is_right_when_its_trees_root_is() {
        let (a, b, c) = (block(1), block(2), block(3));
        let leaf = |bytes: &[u8]| bridge::sha256(bytes);
        // The last block ends after 100 bytes; the rest of it is padding, and the fourth leaf is nothing.
        let root = pair(pair(leaf(&a), leaf(&b)), pair(leaf(&c[..100]), [0; 32]));
        let right = PieceRoot { root, leaves: 4, length: 2 * BLOCK_LEN + 100 };
        let hashes = Hashes::V2(vec![right]);
        let check = hashes.check(0);
        let mut padded = c.clone();
        padded[100..].fill(0);
        for (blocks, expected) in [
            ([&a[..], &b, &c], true),
            ([&a, &b, &padded], true),
            ([&b, &a, &c], false),
            ([&a, &b, &b], false),
            ([&a, &b, &c], true),
        ] {
            assert_eq!(check(&blocks), expected);
        }
        assert!(!hashes.check(1)(&[&a]));
    }

    #[test]
    fn a_file_of_one_block_is_its_own_root() {
        let short = vec![7; 9];
        let right = PieceRoot { root: bridge::sha256(&short), leaves: 1, length: 9 };
        assert!(Hashes::V2(vec![right]).check(0)(&[&short]));
    }

    #[test]
    fn a_v1_piece_is_right_when_its_sha1_is() {
        let (a, b) = (block(1), block(2));
        let hashes = Hashes::V1([[0; 20], bridge::sha1(&[&a[..], &b].concat())].concat());
        assert!(hashes.check(1)(&[&a, &b]) && !hashes.check(1)(&[&b, &a]));
        assert!(!hashes.check(0)(&[&a, &b]) && !hashes.check(2)(&[&a, &b]));
    }

    #[test]
    fn without_hashes_libtorrent_is_asked() {
        assert!(Hashes::None.check(0)(&[&block(1)]));
    }
}
