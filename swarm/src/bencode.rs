//! Bencoding (BEP 3) as values, so that a test can make a torrent that no proper program would write.
//!
//! Nothing is checked and nothing is sorted: keys come out in the order they were put in, twice if they were put in
//! twice.

use std::fmt;

/// One bencoded value.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `i…e`, any text between: also numbers that are none.
    Int(String),
    /// `len:bytes`
    Bytes(Vec<u8>),
    /// `l…e`
    List(Vec<Value>),
    /// `d…e`, in this order.
    Dict(Vec<(Vec<u8>, Value)>),
    /// Bytes as they are, bencoded or not.
    Raw(Vec<u8>),
}

impl Value {
    /// An integer.
    pub fn int(number: impl fmt::Display) -> Self {
        Self::Int(number.to_string())
    }

    /// A string.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(bytes.as_ref().to_vec())
    }

    /// A list of strings: how BEP 3 writes a path.
    pub fn path<T: AsRef<[u8]>>(parts: &[T]) -> Self {
        Self::List(parts.iter().map(Self::bytes).collect())
    }

    /// A dictionary.
    pub fn dict<const N: usize>(entries: [(&str, Value); N]) -> Self {
        Self::Dict(entries.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value)).collect())
    }

    /// The value behind a key of a dictionary.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Self::Dict(entries) = self else { return None };
        entries.iter().find(|(k, _)| k == key.as_bytes()).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let Self::Dict(entries) = self else { return None };
        entries.iter_mut().find(|(k, _)| k == key.as_bytes()).map(|(_, value)| value)
    }

    /// Puts a key into a dictionary, in the place of the old one or at the end; nothing happens to other values.
    pub fn set(&mut self, key: &str, value: Value) {
        if let Some(old) = self.get_mut(key) {
            *old = value;
        } else if let Self::Dict(entries) = self {
            entries.push((key.as_bytes().to_vec(), value));
        }
    }

    /// Takes a key out of a dictionary.
    pub fn remove(&mut self, key: &str) {
        if let Self::Dict(entries) = self {
            entries.retain(|(k, _)| k != key.as_bytes());
        }
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// How many values there are, this one and all inside it.
    pub fn count(&self) -> usize {
        1 + match self {
            Self::List(values) => values.iter().map(Value::count).sum(),
            Self::Dict(entries) => entries.iter().map(|(_, value)| value.count()).sum::<usize>(),
            _ => 0,
        }
    }

    /// The `n`-th of them, counted from 0 (this one), depth first.
    pub fn nth_mut(&mut self, n: usize) -> Option<&mut Value> {
        if n == 0 {
            return Some(self);
        }
        let mut left = n - 1;
        let inside: Vec<&mut Value> = match self {
            Self::List(values) => values.iter_mut().collect(),
            Self::Dict(entries) => entries.iter_mut().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        for value in inside {
            let count = value.count();
            if left < count {
                return value.nth_mut(left);
            }
            left -= count;
        }
        None
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.append(&mut out);
        out
    }

    fn append(&self, out: &mut Vec<u8>) {
        let string = |bytes: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
        };
        match self {
            Self::Int(text) => out.extend_from_slice(format!("i{text}e").as_bytes()),
            Self::Bytes(bytes) => string(bytes, out),
            Self::List(values) => {
                out.push(b'l');
                values.iter().for_each(|value| value.append(out));
                out.push(b'e');
            }
            Self::Dict(entries) => {
                out.push(b'd');
                for (key, value) in entries {
                    string(key, out);
                    value.append(out);
                }
                out.push(b'e');
            }
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Reads the value that `bytes` begin with, and says how long it is. `None` for anything that is no bencoding, or
    /// is nested deeper than 100.
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut at = 0;
        let value = Self::read(bytes, &mut at, 100)?;
        Some((value, at))
    }

    fn read(bytes: &[u8], at: &mut usize, depth: u32) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        match *bytes.get(*at)? {
            b'i' => {
                let end = *at + bytes[*at..].iter().position(|byte| *byte == b'e')?;
                let text = std::str::from_utf8(&bytes[*at + 1..end]).ok()?.to_owned();
                *at = end + 1;
                Some(Self::Int(text))
            }
            b'l' => {
                *at += 1;
                let mut values = Vec::new();
                while *bytes.get(*at)? != b'e' {
                    values.push(Self::read(bytes, at, depth)?);
                }
                *at += 1;
                Some(Self::List(values))
            }
            b'd' => {
                *at += 1;
                let mut entries = Vec::new();
                while *bytes.get(*at)? != b'e' {
                    let key = Self::string(bytes, at)?;
                    entries.push((key, Self::read(bytes, at, depth)?));
                }
                *at += 1;
                Some(Self::Dict(entries))
            }
            _ => Self::string(bytes, at).map(Self::Bytes),
        }
    }

    fn string(bytes: &[u8], at: &mut usize) -> Option<Vec<u8>> {
        let colon = *at + bytes.get(*at..)?.iter().position(|byte| *byte == b':')?;
        let len: usize = std::str::from_utf8(&bytes[*at..colon]).ok()?.parse().ok()?;
        let text = bytes.get(colon + 1..(colon + 1).checked_add(len)?)?.to_vec();
        *at = colon + 1 + len;
        Some(text)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.encode();
        let shown = &bytes[..bytes.len().min(400)];
        write!(f, "{}", shown.escape_ascii())?;
        if bytes.len() > shown.len() { write!(f, "… ({} bytes)", bytes.len()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let value = Value::dict([
            ("b", Value::int(-7)),
            ("a", Value::path(&["x", "", "\u{1f3b5}"])),
            ("c", Value::dict([("nested", Value::List(vec![]))])),
        ]);
        let bytes = value.encode();
        assert!(bytes.starts_with(b"d1:bi-7e1:al1:x0:4:"));
        assert_eq!(Value::decode(&bytes), Some((value.clone(), bytes.len())));
        assert_eq!(value.count(), 8);
        assert_eq!(value.clone().nth_mut(3), Some(&mut Value::bytes("x")));
        assert_eq!(value.clone().nth_mut(8), None);
        assert_eq!(Value::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Value::decode(b"9999999999999999999999:x"), None);
        assert_eq!(Value::decode(&[b'l'; 1000]), None);
    }
}
