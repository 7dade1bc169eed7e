//! ID3v2 tags before the music: skipped by their size, pictures unseen.

use super::Facts;
use super::reader::{Reader, Stop};
use crate::media::id3;

/// Tags in a row that are skipped; some tools put a second one before the first instead of replacing it.
const MAX_TAGS: u32 = 16;

/// Where what follows the tags begins, 0 if there are none.
pub(super) fn skip(file: &Reader<'_>, facts: &mut Facts) -> Result<u64, Stop> {
    let mut at = 0;
    for _ in 0..MAX_TAGS {
        let Some(len) = file.array_if_any(at)?.as_ref().and_then(id3::tag_len) else { break };
        at = file.advance(at, len)?;
        facts.audio_start = at;
    }
    Ok(at)
}
