//! Finding a piece's right bytes among copies of its blocks that contradict each other.
//!
//! A v1 piece has one hash. When it is wrong, nobody knows which of the blocks is, and fetching all of them again from
//! one peer costs the whole piece. So the copies are kept: one block after the other is asked of a second peer, the
//! most doubtful first. A copy that agrees clears the block; one that differs gives a second *version*, and every
//! combination of versions that was not tried yet is hashed, likely ones first. A test costs a fraction of a millisecond, a block on a
//! line tens of them. When a combination is right, whoever gave another version of a block is proven wrong.

use std::collections::{BTreeMap, HashSet};

use super::layout::Layout;
use super::peer::PeerId;

/// Bytes that are hashed at most for one new version,
const MOST_HASHED: u64 = 32 * 1024 * 1024;
/// ... and as long as others can be asked for copies, so many for each piece that is found that way: a copy more takes
/// tens of milliseconds on somebody's line, this much hashing about as long on the engine's thread.
const WORTH_HASHING: f64 = 64.0 * 1024.0 * 1024.0;
/// Versions of one block that are kept at most.
const MOST_VERSIONS: usize = 16;
/// Two peers that are wrong about a block hardly ever send the same wrong bytes.
const SAME_LIE: f64 = 0.01;

/// One content of a block, and who gave it.
#[derive(Clone, Debug)]
struct Version {
    bytes: Vec<u8>,
    givers: Vec<PeerId>,
}

/// A piece under way: the versions of each of its blocks.
#[derive(Clone, Debug)]
struct Case {
    blocks: Vec<Vec<Version>>,
    /// Blocks without any copy.
    missing: u32,
    /// Combinations that are wrong: of each block the version's place.
    tried: HashSet<Vec<u8>>,
    /// libtorrent does not get the blocks.
    kept: bool,
}

/// A version of a block that is not its likeliest.
#[derive(Clone, Copy, Debug)]
struct Other {
    /// How likely it is to be right, compared with the likeliest.
    ratio: f64,
    at: usize,
    version: u8,
}

/// What is known of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Copies are missing, or nothing new came.
    Open,
    /// These bytes are right.
    Right(Vec<u8>),
    /// No combination of what is here is right.
    Wrong,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    cases: BTreeMap<u32, Case>,
    bytes: u64,
}

impl Evidence {
    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A copy of a block came. `kept`: from libtorrent, too.
    pub fn add(&mut self, layout: &Layout, piece: u32, block: u32, from: PeerId, bytes: Vec<u8>, kept: bool) {
        if bytes.len() != layout.block_len(piece, block) as usize || bytes.is_empty() {
            return;
        }
        let blocks = layout.blocks_of(piece);
        let case = self.cases.entry(piece).or_insert_with(|| Case {
            blocks: vec![Vec::new(); blocks as usize],
            missing: blocks,
            tried: HashSet::new(),
            kept: false,
        });
        case.kept |= kept;
        let versions = &mut case.blocks[block as usize];
        match versions.iter_mut().find(|version| version.bytes == bytes) {
            Some(version) if version.givers.contains(&from) => {}
            Some(version) => version.givers.push(from),
            None => {
                if versions.is_empty() {
                    case.missing -= 1;
                }
                if versions.len() == MOST_VERSIONS {
                    return;
                }
                self.bytes += bytes.len() as u64;
                versions.push(Version { bytes, givers: vec![from] });
            }
        }
    }

    /// The first copy of a block, right or wrong.
    #[must_use]
    pub fn copy(&self, piece: u32, block: u32) -> Option<&[u8]> {
        let versions = self.cases.get(&piece)?.blocks.get(block as usize)?;
        versions.first().map(|version| &version.bytes[..])
    }

    /// libtorrent found the first copies wrong. False when not all blocks are known.
    pub fn refuted(&mut self, piece: u32) -> bool {
        let Some(case) = self.cases.get_mut(&piece) else { return false };
        case.kept = true;
        if case.missing > 0 {
            return false;
        }
        case.tried.insert(vec![0; case.blocks.len()]);
        true
    }

    /// Whether the piece can be put together rightly from what is here. `error_rate`: how often a peer is wrong, in
    /// 0..1; likely combinations are tried first, unlikely ones only if the search is `thorough`. `is_right` hashes
    /// blocks in this order.
    pub fn examine(
        &mut self,
        piece: u32,
        error_rate: impl Fn(PeerId) -> f64,
        thorough: bool,
        is_right: impl Fn(&[&[u8]]) -> bool,
    ) -> Finding {
        let Some(case) = self.cases.get_mut(&piece) else { return Finding::Open };
        if case.missing > 0 || !case.kept {
            return Finding::Open;
        }
        let len: u64 = case.blocks.iter().map(|versions| versions[0].bytes.len() as u64).sum();
        let tests = usize::try_from((MOST_HASHED / len.max(1)).max(1)).unwrap_or(1);
        let least = if thorough { 0.0 } else { (len as f64 / WORTH_HASHING).min(0.5) };
        match case.search(tests, least, &error_rate, &is_right) {
            Some(bytes) => Finding::Right(bytes),
            None => Finding::Wrong,
        }
    }

    /// The blocks of a piece, most likely wrong in all versions first, with that likelihood.
    pub fn doubtful(&self, piece: u32, error_rate: impl Fn(PeerId) -> f64) -> Vec<(u32, f64)> {
        let Some(case) = self.cases.get(&piece) else { return Vec::new() };
        let mut blocks: Vec<(u32, f64)> =
            (0u32..).zip(&case.blocks).map(|(at, versions)| (at, doubt(versions, &error_rate))).collect();
        blocks.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        blocks
    }

    /// Per peer: its copies of blocks that others gave copies of, in pieces that are not decided, and how many of them
    /// seem to be wrong.
    #[must_use]
    pub fn compared(&self, error_rate: impl Fn(PeerId) -> f64) -> BTreeMap<PeerId, (u32, f64)> {
        let mut counts: BTreeMap<PeerId, (u32, f64)> = BTreeMap::new();
        let several = |versions: &&Vec<Version>| versions.iter().map(|v| v.givers.len()).sum::<usize>() > 1;
        for versions in self.cases.values().flat_map(|case| &case.blocks).filter(several) {
            let odds = |right: usize| odds(versions, right, &error_rate);
            let all = (0..versions.len()).map(odds).sum::<f64>() + odds(usize::MAX);
            for (at, version) in versions.iter().enumerate() {
                let wrong = 1.0 - odds(at) / all.max(f64::MIN_POSITIVE);
                for giver in &version.givers {
                    let count = counts.entry(*giver).or_default();
                    *count = (count.0 + 1, count.1 + wrong);
                }
            }
        }
        counts
    }

    /// Whether every block of a piece is here in some copy, and libtorrent does not get them.
    #[must_use]
    pub fn is_ready(&self, piece: u32) -> bool {
        self.cases.get(&piece).is_some_and(|case| case.missing == 0 && case.kept)
    }

    /// A piece is decided. With its right bytes: how many right and wrong blocks each peer gave.
    pub fn close(&mut self, piece: u32, right: Option<&[u8]>) -> BTreeMap<PeerId, (u32, u32)> {
        let mut counts: BTreeMap<PeerId, (u32, u32)> = BTreeMap::new();
        let Some(case) = self.cases.remove(&piece) else { return counts };
        let mut at = 0;
        for versions in &case.blocks {
            let len = versions.first().map_or(0, |version| version.bytes.len());
            for version in versions {
                self.bytes -= version.bytes.len() as u64;
                let Some(right) = right else { continue };
                let is_right = right.get(at..at + len) == Some(&version.bytes[..]);
                for giver in &version.givers {
                    let count = counts.entry(*giver).or_default();
                    if is_right { count.0 += 1 } else { count.1 += 1 }
                }
            }
            at += len;
        }
        counts
    }

    /// Everything starts anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Case {
    /// Tries at most `most` combinations that were not tried yet and are at least so likely to be right: of each block
    /// the likeliest version, then one block another, then two, and so on.
    fn search(
        &mut self,
        most: usize,
        least: f64,
        error_rate: &impl Fn(PeerId) -> f64,
        is_right: &impl Fn(&[&[u8]]) -> bool,
    ) -> Option<Vec<u8>> {
        let mut likeliest = vec![0u8; self.blocks.len()];
        let mut likelihood = 1.0;
        // Every other version, with how much less likely it is.
        let mut others: Vec<Other> = Vec::new();
        for (at, versions) in self.blocks.iter().enumerate() {
            let likely = |i: &u8| odds(versions, usize::from(*i), error_rate);
            let count = u8::try_from(versions.len()).unwrap_or(u8::MAX);
            let best = (0..count).max_by(|a, b| likely(a).total_cmp(&likely(b)).then(b.cmp(a))).unwrap_or(0);
            likeliest[at] = best;
            let all = (0..count).map(|i| likely(&i)).sum::<f64>() + odds(versions, usize::MAX, error_rate);
            likelihood *= likely(&best) / all.max(f64::MIN_POSITIVE);
            let rest = (0..count).filter(|i| *i != best);
            others.extend(rest.map(|version| {
                let ratio = likely(&version) / likely(&best).max(f64::MIN_POSITIVE);
                Other { ratio, at, version }
            }));
        }
        others.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
        let mut left = most;
        for deviations in 0..=others.len() {
            let found = self.deviate(&likeliest, likelihood, &others, deviations, least, &mut left, is_right);
            if found.is_some() || left == 0 {
                return found;
            }
        }
        None
    }

    /// Tries `choice` with `count` blocks in versions out of `others`.
    #[expect(clippy::too_many_arguments, reason = "one recursion, whose state they are")]
    fn deviate(
        &mut self,
        choice: &[u8],
        likelihood: f64,
        others: &[Other],
        count: usize,
        least: f64,
        left: &mut usize,
        is_right: &impl Fn(&[&[u8]]) -> bool,
    ) -> Option<Vec<u8>> {
        if *left == 0 || likelihood < least {
            return None;
        }
        if count == 0 {
            if !self.tried.insert(choice.to_vec()) {
                return None;
            }
            *left -= 1;
            let parts: Vec<&[u8]> = self
                .blocks
                .iter()
                .zip(choice)
                .map(|(versions, i)| &versions[usize::from(*i)].bytes[..])
                .collect();
            return is_right(&parts).then(|| parts.concat());
        }
        for (i, other) in others.iter().enumerate() {
            let mut choice = choice.to_vec();
            choice[other.at] = other.version;
            // One version per block: the rest of the list, without this block.
            let rest: Vec<Other> = others[i + 1..].iter().copied().filter(|o| o.at != other.at).collect();
            let likelihood = likelihood * other.ratio;
            let found = self.deviate(&choice, likelihood, &rest, count - 1, least, left, is_right);
            if found.is_some() || *left == 0 || likelihood < least {
                return found;
            }
        }
        None
    }
}

/// How likely one version of a block is right, beside the others; not normed.
fn odds(versions: &[Version], right: usize, error_rate: &impl Fn(PeerId) -> f64) -> f64 {
    let rate = |giver: &PeerId| error_rate(*giver).clamp(1e-6, 1.0 - 1e-6);
    let of = |(at, version): (usize, &Version)| -> f64 {
        if at == right {
            return version.givers.iter().map(|giver| 1.0 - rate(giver)).product();
        }
        let each: f64 = version.givers.iter().map(rate).product();
        each * SAME_LIE.powi(version.givers.len() as i32 - 1)
    };
    versions.iter().enumerate().map(of).product()
}

/// How likely all versions of a block are wrong.
fn doubt(versions: &[Version], error_rate: &impl Fn(PeerId) -> f64) -> f64 {
    let none = odds(versions, usize::MAX, error_rate);
    let one: f64 = (0..versions.len()).map(|right| odds(versions, right, error_rate)).sum();
    none / (none + one).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::layout::BLOCK_LEN;
    use proptest::prelude::*;

    const BLOCKS: u32 = 4;

    fn layout() -> Layout {
        Layout::new(BLOCKS * BLOCK_LEN, u64::from(BLOCKS * BLOCK_LEN)).expect("a torrent")
    }

    /// A block's content: its place, and who corrupted it (0: nobody).
    fn content(block: u32, liar: u8) -> Vec<u8> {
        let mut bytes = vec![block as u8; BLOCK_LEN as usize];
        bytes[7] = liar;
        bytes
    }

    fn is_right(parts: &[&[u8]]) -> bool {
        parts.iter().zip(0u32..).all(|(part, block)| *part == content(block, 0))
    }

    #[test]
    fn one_wrong_block_costs_one_copy() {
        let mut evidence = Evidence::default();
        for block in 0..BLOCKS {
            let liar = if block == 2 { 1 } else { 0 };
            evidence.add(&layout(), 0, block, PeerId(1), content(block, liar), true);
        }
        assert_eq!(evidence.examine(0, |_| 0.1, true, is_right), Finding::Wrong);
        assert_eq!(evidence.compared(|_| 0.1), BTreeMap::new());
        evidence.add(&layout(), 0, 2, PeerId(2), content(2, 0), true);
        // Nobody knows who of the two is wrong, unless one is known for it.
        let seems =
            |rate: fn(PeerId) -> f64| evidence.compared(rate).values().map(|c| c.1).collect::<Vec<_>>();
        assert!(seems(|_| 0.1).iter().all(|wrong| (0.5..0.6).contains(wrong)));
        assert!(seems(|peer| [0.2, 0.01][peer.0 as usize - 1])[1] < 0.05);
        let Finding::Right(bytes) = evidence.examine(0, |_| 0.1, true, is_right) else { panic!("not found") };
        assert_eq!(
            evidence.close(0, Some(&bytes)),
            BTreeMap::from([(PeerId(1), (3, 1)), (PeerId(2), (1, 0))])
        );
        assert_eq!(evidence.bytes(), 0);
    }

    #[test]
    fn what_libtorrent_has_is_left_to_it_until_it_says_wrong() {
        let mut evidence = Evidence::default();
        for block in 0..BLOCKS {
            assert_eq!(evidence.examine(0, |_| 0.1, true, is_right), Finding::Open);
            evidence.add(&layout(), 0, block, PeerId(1), content(block, u8::from(block == 0)), false);
        }
        assert_eq!(evidence.examine(0, |_| 0.1, true, is_right), Finding::Open);
        assert!(evidence.refuted(0));
        evidence.add(&layout(), 0, 0, PeerId(2), content(0, 0), true);
        assert!(matches!(evidence.examine(0, |_| 0.1, true, is_right), Finding::Right(_)));
    }

    #[test]
    fn the_least_trusted_givers_block_is_the_most_doubtful_and_a_confirmed_one_the_least() {
        let mut evidence = Evidence::default();
        for block in 0..BLOCKS {
            evidence.add(&layout(), 0, block, PeerId(block), content(block, 0), true);
        }
        evidence.add(&layout(), 0, 3, PeerId(9), content(3, 0), true);
        let rate = |peer: PeerId| [0.05, 0.2, 0.1, 0.3].get(peer.0 as usize).copied().unwrap_or(0.1);
        let order: Vec<u32> = evidence.doubtful(0, rate).into_iter().map(|(block, _)| block).collect();
        assert_eq!(order, vec![1, 2, 0, 3]);
    }

    #[test]
    fn a_block_of_a_wrong_length_is_ignored() {
        let mut evidence = Evidence::default();
        evidence.add(&layout(), 0, 0, PeerId(1), vec![0; 5], true);
        evidence.add(&layout(), 0, 99, PeerId(1), content(0, 0), true);
        evidence.add(&layout(), 7, 0, PeerId(1), content(0, 0), true);
        assert_eq!(evidence.bytes(), 0);
    }

    proptest! {
        #[test]
        fn whatever_comes_in_whatever_order_the_right_bytes_are_found_as_soon_as_they_are_here(
            copies in prop::collection::vec((0..BLOCKS, 0u32..5, any::<bool>()), 0..60),
        ) {
            let mut evidence = Evidence::default();
            let mut right = [false; BLOCKS as usize];
            let mut wrong: BTreeMap<PeerId, std::collections::BTreeSet<u32>> = BTreeMap::new();
            let mut some = [false; BLOCKS as usize];
            for (block, peer, lies) in copies {
                let liar = if lies { peer as u8 + 1 } else { 0 };
                evidence.add(&layout(), 0, block, PeerId(peer), content(block, liar), true);
                some[block as usize] = true;
                right[block as usize] |= !lies;
                if lies {
                    wrong.entry(PeerId(peer)).or_default().insert(block);
                }
                match evidence.examine(0, |_| 0.1, true, is_right) {
                    Finding::Open => prop_assert!(!some.iter().all(|some| *some)),
                    Finding::Wrong => prop_assert!(!right.iter().all(|right| *right)),
                    Finding::Right(bytes) => {
                        prop_assert!(right.iter().all(|right| *right));
                        let counts: BTreeMap<PeerId, u32> =
                            wrong.into_iter().map(|(peer, blocks)| (peer, blocks.len() as u32)).collect();
                        let closed = evidence.close(0, Some(&bytes));
                        let closed = closed.into_iter().filter(|(_, (_, wrong))| *wrong > 0);
                        prop_assert_eq!(closed.map(|(peer, (_, wrong))| (peer, wrong)).collect::<BTreeMap<_, _>>(), counts);
                        prop_assert_eq!(evidence.bytes(), 0);
                        return Ok(());
                    }
                }
            }
        }
    }
}
