//! Tokens: who knows one can read its stream.

use subtle::{Choice, ConstantTimeEq};

/// Bytes from the operating system's generator in a token; 192 bits.
const RANDOM_LEN: usize = 24;
/// Characters of a token.
const TEXT_LEN: usize = RANDOM_LEN * 2;

/// A new token, as lowercase hexadecimal: safe in a URL path, opaque, not guessable.
///
/// # Errors
/// When the operating system's generator fails.
pub fn fresh() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; RANDOM_LEN];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A token ready to be compared. The time that takes does not depend on how much of it is right, and is small: every
/// call with a token and every HTTP request compares it with all open streams. Eight characters at a time.
#[derive(Clone, Copy, Debug)]
pub struct Secret([u64; TEXT_LEN / 8]);

impl Secret {
    /// `None`: the text has not the length of a token, which is no secret.
    pub fn of(text: &str) -> Option<Self> {
        let (chunks, rest) = text.as_bytes().as_chunks::<8>();
        let chunks: &[[u8; 8]; TEXT_LEN / 8] = chunks.try_into().ok()?;
        rest.is_empty().then(|| Self(chunks.map(u64::from_ne_bytes)))
    }
}

impl ConstantTimeEq for Secret {
    fn ct_eq(&self, other: &Self) -> Choice {
        let difference = self.0.iter().zip(&other.0).fold(0, |all, (own, other)| all | (own ^ other));
        difference.ct_eq(&0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (Some(a), Some(b)) = (Secret::of(a), Secret::of(b)) else { return false };
        a.ct_eq(&b).into()
    }

    #[test]
    fn equal_only_when_every_character_is() {
        let token = fresh().unwrap();
        assert_eq!(token.len(), TEXT_LEN);
        assert!(same(&token, &token.clone()));
        assert!(!same(&token, &fresh().unwrap()));
        for at in 0..TEXT_LEN {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            assert!(!same(&token, std::str::from_utf8(&other).unwrap()), "{at}");
        }
    }

    #[test]
    fn other_lengths_are_no_tokens() {
        let token = fresh().unwrap();
        for text in ["", &token[1..], &token[8..], &format!("{token}0"), &format!("{token}{token}")] {
            assert!(Secret::of(text).is_none(), "{text}");
        }
    }
}
