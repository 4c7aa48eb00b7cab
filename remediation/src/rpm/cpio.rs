//! The payload: a cpio archive of the "new ASCII" format (cpio(5), "New ASCII Format"), read as a stream.

use std::io::{self, Read};

use super::limits;

/// One entry; metadata comes from the package's header, which is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// As written.
    pub(super) name: Vec<u8>,
    /// Type and permission bits.
    pub(super) mode: u32,
    /// Bytes of content; of names of one file only the last has it.
    pub(super) size: u64,
}

fn broken(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Reads an archive to its trailer. What `each` leaves unread of a content is passed over.
pub(super) fn read<E: From<io::Error>>(
    mut from: impl Read,
    mut each: impl FnMut(&Member, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut count = 0;
    loop {
        let mut head = [0; 110];
        from.read_exact(&mut head)?;
        match &head[..6] {
            b"070701" | b"070702" => {}
            b"07070X" => return Err(broken("its payload has files that only rpm's own format holds").into()),
            _ => return Err(broken("its payload is no cpio archive").into()),
        }
        let field = |n: usize| {
            let text = std::str::from_utf8(&head[6 + 8 * n..14 + 8 * n]).ok();
            let text = text.filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
            text.and_then(|text| u32::from_str_radix(text, 16).ok())
                .ok_or_else(|| broken("a header of its payload is broken"))
        };
        let (mode, size, length) = (field(1)?, u64::from(field(6)?), field(11)? as usize);
        if length == 0 || length > limits::PATH + 3 {
            return Err(broken("a name in its payload is too long").into());
        }
        let mut name = vec![0; length];
        from.read_exact(&mut name)?;
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(broken("a name in its payload is broken").into());
        }
        padding(&mut from, 110 + length as u64)?;
        if name == b"TRAILER!!!" {
            // To the end of what is compressed, so that its check takes place.
            io::copy(&mut from, &mut io::sink())?;
            return Ok(());
        }
        count += 1;
        if count > limits::FILES {
            return Err(broken("its payload has too many entries").into());
        }
        let mut content = (&mut from).take(size);
        each(&Member { name, mode, size }, &mut content)?;
        io::copy(&mut content, &mut io::sink())?;
        if content.limit() > 0 {
            return Err(broken("its payload ends early").into());
        }
        padding(&mut from, size)?;
    }
}

/// Headers and contents begin at multiples of four.
fn padding(from: &mut impl Read, written: u64) -> io::Result<()> {
    let mut rest = [0; 3];
    let length = (4 - written % 4) % 4;
    from.read_exact(&mut rest[..length as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, mode: u32, content: &str) -> Vec<u8> {
        let mut out = format!("070701{:08x}{mode:08x}", 1).into_bytes();
        let fields = [0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        fields.iter().for_each(|n| out.extend(format!("{n:08x}").into_bytes()));
        out.extend(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(content.as_bytes());
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn names(bytes: &[u8]) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        read(bytes, |member, content| {
            let mut text = String::new();
            content.read_to_string(&mut text)?;
            found.push(format!("{} {:o} {text}", String::from_utf8_lossy(&member.name), member.mode));
            Ok::<_, io::Error>(())
        })?;
        Ok(found)
    }

    #[test]
    fn entries_to_the_trailer() {
        let mut archive = entry("./a", 0o100644, "hello");
        archive.extend(entry("./b", 0o040755, ""));
        let cut = archive.clone();
        archive.extend(entry("TRAILER!!!", 0, ""));
        assert_eq!(names(&archive).unwrap(), ["./a 100644 hello", "./b 40755 "]);
        assert!(names(&cut).is_err() && names(&archive[..113]).is_err() && names(b"").is_err());
        let mut signs = archive;
        signs[54..62].copy_from_slice(b"+0000005");
        assert!(names(&signs).is_err());
    }
}
