//! Files that packages own, as their databases list them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::limits;

/// One file that a package owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OwnedFile {
    /// From the root, without a slash in front, as layers name it: `usr/bin/bash`.
    pub path: String,
    /// What the package brought; none: the database names none, or one that is not known here.
    /// A file that was edited since differs from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<FileDigest>,
}

/// A file's digest by the algorithm that the database chose; as text `sha256:<hex>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum FileDigest {
    /// RFC 1321.
    Md5([u8; 16]),
    /// FIPS 180-4.
    Sha1([u8; 20]),
    /// FIPS 180-4.
    Sha256([u8; 32]),
}

impl FileDigest {
    /// From hexadecimal digits whose number says the algorithm; none: no digest that is known here.
    pub(crate) fn from_hex(digits: &[u8]) -> Option<Self> {
        match digits.len() {
            32 => unhex(digits).map(Self::Md5),
            40 => unhex(digits).map(Self::Sha1),
            64 => unhex(digits).map(Self::Sha256),
            _ => None,
        }
    }
}

/// A database has tens of thousands of digests: a table takes half the time of comparisons.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};
const NO_DIGIT: u8 = 0xff;

fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    let mut all = 0;
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]];
        all |= high | low;
        *byte = high << 4 | low & 0xf;
    }
    (all < 16).then_some(out)
}

impl fmt::Display for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(bytes) => write!(f, "md5:{}", hex::encode(bytes)),
            Self::Sha1(bytes) => write!(f, "sha1:{}", hex::encode(bytes)),
            Self::Sha256(bytes) => write!(f, "sha256:{}", hex::encode(bytes)),
        }
    }
}

impl FromStr for FileDigest {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.split_once(':').map_or("", |(_, digits)| digits);
        Self::from_hex(digits.as_bytes())
            .filter(|digest| digest.to_string().eq_ignore_ascii_case(text))
            .ok_or("is no digest of a file")
    }
}

impl From<FileDigest> for String {
    fn from(digest: FileDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for FileDigest {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// What one database may still name; see [`limits`].
pub(crate) struct Budget {
    files: usize,
    paths: usize,
    relations: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            files: limits::packages().files,
            paths: limits::packages().paths,
            relations: limits::packages().relations,
        }
    }
}

impl Budget {
    /// A file's path from its folder (with or without slashes around it) and its name.
    pub(crate) fn path(&mut self, folder: &[u8], name: &[u8]) -> Result<String, &'static str> {
        let relative = |path: &[u8]| path.iter().position(|b| *b != b'/').unwrap_or(path.len());
        let folder = &folder[relative(folder)..];
        // Directly below the root, a slash in front of the name would be one in front of the path.
        let name = if folder.is_empty() { &name[relative(name)..] } else { name };
        let slash = !folder.is_empty() && !folder.ends_with(b"/");
        let length = folder.len() + usize::from(slash) + name.len();
        if length > limits::packages().path {
            return Err("names a path that is too long");
        }
        self.files = self.files.checked_sub(1).ok_or("names too many files")?;
        self.paths = self.paths.checked_sub(length).ok_or("names too many long paths")?;
        let mut path = Vec::with_capacity(length);
        path.extend_from_slice(folder);
        if slash {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Ok(String::from_utf8(path).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    /// The words of a list of dependencies or the like.
    pub(crate) fn relations(&mut self, list: &[u8]) -> Result<Vec<String>, &'static str> {
        let mut out = Vec::new();
        for word in list.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()) {
            self.relations = self.relations.checked_sub(1).ok_or("names too many dependencies")?;
            out.push(String::from_utf8_lossy(word).into_owned());
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_text_and_back() {
        for hex in ["0".repeat(32), "a1".repeat(20), "ff".repeat(32)] {
            let digest = FileDigest::from_hex(hex.as_bytes()).expect("a digest");
            assert_eq!(digest.to_string().parse(), Ok(digest));
            let json = serde_json::to_string(&digest).expect("json");
            assert_eq!(serde_json::from_str::<FileDigest>(&json).expect("json"), digest);
        }
        assert_eq!(FileDigest::from_hex(b"zz"), None);
        assert_eq!(FileDigest::from_hex(&[b"0".repeat(31), b"g".to_vec()].concat()), None);
        let bytes: Vec<u8> = (0..16).map(|n| n * 17).collect();
        let digest = FileDigest::Md5(bytes.as_slice().try_into().expect("sixteen"));
        assert_eq!(FileDigest::from_hex(hex::encode_upper(&bytes).as_bytes()), Some(digest));
        assert!("sha1:".parse::<FileDigest>().is_err());
        assert!(format!("sha1:{}", "0".repeat(32)).parse::<FileDigest>().is_err());
    }

    #[test]
    fn joins_paths_as_layers_name_them() {
        let mut budget = Budget::default();
        let mut path = |folder: &str, name: &str| budget.path(folder.as_bytes(), name.as_bytes());
        assert_eq!(path("usr/bin", "sh").as_deref(), Ok("usr/bin/sh"));
        assert_eq!(path("/usr/bin/", "sh").as_deref(), Ok("usr/bin/sh"));
        assert_eq!(path("", "init").as_deref(), Ok("init"));
        assert_eq!(path("/", "init").as_deref(), Ok("init"));
        assert_eq!(path("", "/bin/sh").as_deref(), Ok("bin/sh"));
        assert!(path(&"x".repeat(limits::packages().path), "y").is_err());
    }

    #[test]
    fn stops_at_its_limits() {
        let mut budget = Budget { files: 1, paths: 100, relations: 2 };
        assert!(budget.path(b"", b"a").is_ok() && budget.path(b"", b"a").is_err());
        assert!(budget.relations(b"a  b").is_ok_and(|r| r == ["a", "b"]) && budget.relations(b"a").is_err());
        let mut budget = Budget { files: 9, paths: 5, relations: 0 };
        assert!(budget.path(b"abc", b"d").is_ok() && budget.path(b"", b"a").is_err());
    }
}
