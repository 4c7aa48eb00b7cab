//! What the two sides of a sandbox say to each other: JSON messages and contents in pieces, each behind its length.
//!
//! The inside has run strangers' scripts when it speaks, so nothing that it says is believed: lengths are bounded here,
//! paths are checked by the reader.

use std::io::{Error, Read, Result, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    fault::Fault,
    limits::{Limits, MESSAGE, PIECE},
};

/// What is to be done inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::executor) struct Job {
    pub(in crate::executor) limits: Limits,
    /// How many layers follow, lowest first, each as a content.
    pub(in crate::executor) layers: usize,
    /// How many follow after those, of another image, whose programs are the tools; 0: they are the image's own.
    pub(in crate::executor) tools: usize,
    /// Names of the files that follow after them, each as a content; they lie in [`FOLDER`].
    pub(in crate::executor) files: Vec<String>,
    /// Programs with their arguments, one after the other.
    pub(in crate::executor) commands: Vec<Vec<String>>,
    pub(in crate::executor) environment: Vec<(String, String)>,
    /// Words that are a failure, however well a tool that said them ends.
    pub(in crate::executor) fatal: Vec<String>,
    /// Commands of the image's own; none: tools that upgrade it, and whose changes are told.
    pub(in crate::executor) tried: Option<Tried>,
}

/// What a distribution's tools find in their environment, whoever calls them; `newest`: the time, in seconds since the epoch, that those
/// of them who honour it write instead of the clock's (`SOURCE_DATE_EPOCH`).
pub(super) fn environment(newest: u64, more: &[(&str, &str)]) -> Vec<(String, String)> {
    const ALWAYS: [(&str, &str); 4] = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
    ];
    let newest = ("SOURCE_DATE_EPOCH".to_owned(), newest.to_string());
    let all = ALWAYS.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    all.chain([newest]).collect()
}

/// How commands of the image's own are run: nothing is told of what they change, and what they leave running ends with them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::executor) struct Tried {
    /// As in the image's configuration: `user`, `uid`, `user:group`; empty: root.
    pub(in crate::executor) user: String,
    /// Where they begin, absolute.
    pub(in crate::executor) folder: String,
}

/// Where the files of a job lie, for as long as it runs.
pub(in crate::executor) const FOLDER: &str = "/.patchline";

/// Where tools of another image see the image that they work on.
pub(in crate::executor) const TARGET: &str = "/.patchline/image";

/// What the inside says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Said {
    /// It has its own user namespace and waits for ids.
    Waiting,
    /// The image is laid, the tools begin.
    Laid,
    /// Something stands at a path that was not there, or was different. A file's content follows.
    Entry(Changed),
    /// Nothing stands any more where something stood.
    Removed(String),
    /// That was all.
    Done,
    /// That was all, and nothing came of it.
    Failed(Fault, String),
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::executor) struct Changed {
    pub(in crate::executor) path: String,
    pub(in crate::executor) kind: What,
    pub(in crate::executor) mode: u32,
    pub(in crate::executor) uid: u32,
    pub(in crate::executor) gid: u32,
    /// Seconds since the epoch.
    pub(in crate::executor) mtime: u64,
    pub(in crate::executor) xattrs: Vec<(String, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::executor) enum What {
    Dir,
    /// Its content follows.
    File,
    /// Its target.
    Symlink(String),
    /// Another changed path that comes before it.
    HardLink(String),
}

pub(super) fn say(to: &mut impl Write, message: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(message).map_err(Error::other)?;
    if bytes.len() > MESSAGE {
        return Err(Error::other("a message is too long"));
    }
    to.write_all(&(bytes.len() as u32).to_be_bytes())?;
    to.write_all(&bytes)
}

pub(super) fn hear<T: DeserializeOwned>(from: &mut impl Read) -> Result<T> {
    let length = length(from)?;
    if length > MESSAGE {
        return Err(Error::other("a message is too long"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    serde_json::from_slice(&bytes).map_err(Error::other)
}

fn length(from: &mut impl Read) -> Result<usize> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    Ok(u32::from_be_bytes(length) as usize)
}

/// Sends a content to its end.
pub(super) fn send(to: &mut impl Write, content: &mut dyn Read) -> Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = content.read(&mut piece)?;
        to.write_all(&(read as u32).to_be_bytes())?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&piece[..read])?;
    }
}

/// A content as it comes; it ends where the content does.
pub(super) struct Pieces<'a, R> {
    from: &'a mut R,
    left: usize,
    ended: bool,
}

impl<'a, R: Read> Pieces<'a, R> {
    pub(super) fn new(from: &'a mut R) -> Self {
        Self { from, left: 0, ended: false }
    }
    /// Reads what nobody wanted, so that the next message can be heard.
    pub(super) fn skip(mut self) -> Result<()> {
        std::io::copy(&mut self, &mut std::io::sink()).map(drop)
    }
}

impl<R: Read> Read for Pieces<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.left == 0 && !self.ended {
            self.left = length(self.from)?;
            self.ended = self.left == 0;
            if self.left > PIECE {
                return Err(Error::other("a piece is too long"));
            }
        }
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let most = self.left.min(buffer.len());
        let read = self.from.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let mut pipe = Vec::new();
        say(&mut pipe, &Said::Removed("etc/x".into())).unwrap();
        let content = vec![7; PIECE + 5];
        send(&mut pipe, &mut content.as_slice()).unwrap();
        send(&mut pipe, &mut [1].as_slice()).unwrap();
        say(&mut pipe, &Said::Done).unwrap();
        let mut from = pipe.as_slice();
        assert!(matches!(hear(&mut from).unwrap(), Said::Removed(path) if path == "etc/x"));
        let mut heard = Vec::new();
        Pieces::new(&mut from).read_to_end(&mut heard).unwrap();
        assert_eq!(heard, content);
        Pieces::new(&mut from).skip().unwrap();
        assert!(matches!(hear(&mut from).unwrap(), Said::Done));
    }

    #[test]
    fn lengths_are_not_believed() {
        assert!(hear::<Said>(&mut [0xff; 8].as_slice()).is_err());
        assert!(Pieces::new(&mut [0xff; 8].as_slice()).skip().is_err());
        assert!(Pieces::new(&mut [0, 0, 0, 9, 1].as_slice()).skip().is_err(), "it ends early");
        assert!(hear::<Said>(&mut [0, 0, 0, 2, b'{', b'}'].as_slice()).is_err());
    }
}
