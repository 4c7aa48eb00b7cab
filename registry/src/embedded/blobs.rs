//! Blobs: whole, in part, and gone.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use super::{
    failure::{Answer, Failure},
    route::Asked,
    storage::Deleted,
    uploads::CONTENT_DIGEST,
};
use crate::{
    Digest, Error,
    layout::{blocking, durable},
};

fn unknown() -> Failure {
    Failure::unknown("BLOB_UNKNOWN", "no such blob in this repository")
}

/// `GET` and `HEAD …/blobs/<digest>`, with one range.
pub(super) async fn get(asked: Asked, digest: Digest, with_body: bool) -> Answer {
    let (storage, name, wanted) = (asked.inner.storage.clone(), asked.name.clone(), digest.clone());
    let found = blocking(move || {
        let Some(repository) = storage.repository(&name)? else { return Ok(None) };
        let Some(size) = repository.blob_size(&wanted)? else { return Ok(None) };
        let file = durable::open_regular(&repository.blob_path(&wanted));
        Ok(Some((size, file.map_err(Error::io(format!("read blob {wanted}")))?)))
    })
    .await?;
    let (size, file) = found.ok_or_else(unknown)?;
    let range = asked.header(header::RANGE).filter(|_| with_body);
    let (status, start, length) = match range.map(|r| part(r, size)) {
        None | Some(Part::Whole) => (StatusCode::OK, 0, size),
        Some(Part::Range(start, length)) => (StatusCode::PARTIAL_CONTENT, start, length),
        Some(Part::Outside) => {
            let outside = Failure::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "SIZE_INVALID",
                "the blob is shorter than that",
            );
            return Err(outside.with(header::CONTENT_RANGE, &format!("bytes */{size}")));
        }
    };
    let body = if with_body {
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(start)).await.map_err(Error::io(format!("read blob {digest}")))?;
        Body::from_stream(ReaderStream::with_capacity(file.take(length), 128 * 1024))
    } else {
        Body::empty()
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let mut set = |name, text: &str| {
        if let Ok(value) = text.parse() {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_LENGTH, &length.to_string());
    set(header::CONTENT_TYPE, "application/octet-stream");
    set(header::ACCEPT_RANGES, "bytes");
    set(header::ETAG, &format!("\"{digest}\""));
    set(CONTENT_DIGEST, digest.as_str());
    if status == StatusCode::PARTIAL_CONTENT {
        set(header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", start + length - 1));
    }
    Ok(response)
}

/// `DELETE …/blobs/<digest>`: never one that a manifest here is made of.
pub(super) async fn delete(asked: Asked, digest: Digest) -> Answer {
    let (storage, name) = (asked.inner.storage.clone(), asked.name);
    match blocking(move || storage.delete_blob(&name, &digest)).await? {
        Deleted::Gone => Ok(StatusCode::ACCEPTED.into_response()),
        Deleted::Absent => Err(unknown()),
        Deleted::Needed => {
            let message = "a manifest of this repository is made of it";
            Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message))
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Nothing that we understand: RFC 9110 lets it be ignored.
    Whole,
    /// Start and length.
    Range(u64, u64),
    Outside,
}

fn part(range: &str, size: u64) -> Part {
    let Some((start, end)) = range.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return Part::Whole;
    };
    match (start.trim().parse::<u64>(), end.trim().parse::<u64>()) {
        (Ok(start), _) if start >= size => Part::Outside,
        (Ok(start), Ok(end)) if end >= start => Part::Range(start, end.min(size - 1) - start + 1),
        (Ok(start), Err(_)) if end.trim().is_empty() => Part::Range(start, size - start),
        (Err(_), Ok(0)) if start.trim().is_empty() => Part::Outside,
        (Err(_), Ok(last)) if start.trim().is_empty() && size > 0 => {
            Part::Range(size - last.min(size), last.min(size))
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        assert_eq!(part("bytes=0-3", 10), Part::Range(0, 4));
        assert_eq!(part("bytes=4-", 10), Part::Range(4, 6));
        assert_eq!(part("bytes=-3", 10), Part::Range(7, 3));
        assert_eq!(part("bytes=-30", 10), Part::Range(0, 10));
        assert_eq!(part("bytes=8-99", 10), Part::Range(8, 2));
        assert_eq!(part("bytes=10-", 10), Part::Outside);
        assert_eq!(part("bytes=0-", 0), Part::Outside);
        for odd in ["bytes=0-1,3-4", "lines=0-1", "bytes=3-1", "bytes=-", "bytes", ""] {
            assert_eq!(part(odd, 10), Part::Whole, "{odd}");
        }
    }
}
