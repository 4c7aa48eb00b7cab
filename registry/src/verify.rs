//! Readers that count and hash what passes, so that wrong bytes never end in silence.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use sha2::Digest as _;
use tokio::io::{AsyncRead, ReadBuf};

use crate::{BlobReader, Descriptor, Digest, Error};

/// Passes on what `inner` reads and fails when it is not the blob that the
/// descriptor promises: before its last bytes are handed out when the digest
/// is wrong, at its end when bytes are missing, at once when there are more.
pub(crate) struct Verified<R> {
    inner: R,
    what: String,
    expected: Digest,
    size: u64,
    seen: u64,
    hash: Option<sha2::Sha256>,
}

impl<R: AsyncRead + Unpin + Send + 'static> Verified<R> {
    pub(crate) fn new(inner: R, blob: &Descriptor) -> Self {
        Self {
            inner,
            what: format!("blob {}", blob.digest),
            expected: blob.digest.clone(),
            size: blob.size,
            seen: 0,
            hash: Some(sha2::Sha256::new()),
        }
    }

    pub(crate) fn boxed(inner: R, blob: &Descriptor) -> BlobReader {
        Box::pin(Self::new(inner, blob))
    }

    fn wrong_size(&self, actual: u64) -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            Error::SizeMismatch { what: self.what.clone(), expected: self.size, actual },
        )
    }

    fn check_digest(&mut self) -> io::Result<()> {
        let Some(hash) = self.hash.take() else { return Ok(()) };
        let actual = Digest::from_sha256(&hash.finalize());
        if actual == self.expected {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            Error::DigestMismatch { what: self.what.clone(), expected: self.expected.clone(), actual },
        ))
    }
}

impl<R: AsyncRead + Unpin + Send + 'static> AsyncRead for Verified<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        let fresh = &buf.filled()[before..];
        if fresh.is_empty() && this.seen < this.size {
            return Poll::Ready(Err(this.wrong_size(this.seen)));
        }
        this.seen += fresh.len() as u64;
        if this.seen > this.size {
            buf.set_filled(before);
            return Poll::Ready(Err(this.wrong_size(this.seen)));
        }
        if let Some(hash) = &mut this.hash {
            hash.update(fresh);
        }
        // A consumer that knows the size may never ask for the end, so the
        // last bytes leave only when all of them are right.
        if this.seen == this.size
            && let Err(wrong) = this.check_digest()
        {
            buf.set_filled(before);
            return Poll::Ready(Err(wrong));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::io::AsyncReadExt;

    use super::*;

    fn descriptor(bytes: &[u8], size: u64) -> Descriptor {
        Descriptor {
            media_type: String::new(),
            digest: Digest::of(bytes),
            size,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    async fn read(bytes: &'static [u8], blob: &Descriptor) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let mut reader = Verified::boxed(bytes, blob);
        reader.read_to_end(&mut out).await.map_err(Error::io("read"))?;
        Ok(out)
    }

    #[tokio::test]
    async fn right_bytes_pass_and_wrong_ones_name_what_is_wrong() {
        assert_eq!(read(b"layer", &descriptor(b"layer", 5)).await.unwrap(), b"layer");
        assert_eq!(read(b"", &descriptor(b"", 0)).await.unwrap(), b"");
        assert_eq!(read(b"lay", &descriptor(b"layer", 5)).await.unwrap_err().code(), "size-mismatch");
        assert_eq!(read(b"layer!", &descriptor(b"layer", 5)).await.unwrap_err().code(), "size-mismatch");
        assert_eq!(read(b"LAYER", &descriptor(b"layer", 5)).await.unwrap_err().code(), "digest-mismatch");
    }

    #[tokio::test]
    async fn the_last_bytes_of_a_wrong_blob_are_withheld() {
        let mut reader = Verified::boxed(&b"LAYER"[..], &descriptor(b"layer", 5));
        let mut five = [0; 5];
        assert!(reader.read_exact(&mut five).await.is_err());
    }
}
