//! One conversation with a daemon, from a thread that may wait.

use std::{
    future::Future,
    io::{self, Read, Write},
    time::Duration,
};

use bytes::{Buf, Bytes};
use patchline_registry::{Error as Said, daemon::Api};
use reqwest::{Body, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{Engine, Error, limits};

/// Bytes that are sent at once.
const CHUNK: usize = 256 << 10;

/// A daemon whose version is known.
pub(super) struct Client {
    api: Api,
    /// `v1.43`: its own version, which it does not refuse.
    version: String,
    handle: Handle,
    stop: CancellationToken,
}

impl Client {
    /// Asks for the version.
    pub(super) fn open(engine: &Engine) -> Result<Self, Error> {
        let handle = Handle::try_current().map_err(|_| Error::Unavailable {
            reason: "a daemon is asked where no runtime is at hand".to_owned(),
        })?;
        let (api, stop) = (engine.api.clone(), engine.stop.clone());
        let mut client = Self { api, version: String::new(), handle, stop };
        let number = client.wait(client.api.version())?.map_err(Error::Unreachable)?;
        if number < limits::OLDEST {
            return Err(Error::TooOld { engine: client.api.name(), version: number });
        }
        client.version = format!("v{}.{}", number.0, number.1);
        Ok(client)
    }

    /// Waits for something, as long as anybody waits for us.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        self.handle.block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(Error::GivenUp),
                done = work => Ok(done),
            }
        })
    }

    /// A moment, which ends early when nobody waits any more.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Error> {
        self.wait(tokio::time::sleep(time))
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.api.request(method, &format!("{}/{path}", self.version))
    }
    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }
    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Asks for something that must be granted; the answer's head.
    pub(super) fn ask(
        &self,
        request: RequestBuilder,
        operation: &'static str,
        wait: Duration,
    ) -> Result<Response, Error> {
        self.wait(granted(&self.api, request, operation, wait))?.map_err(failed(operation))
    }

    /// The same, and its small answer.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        operation: &'static str,
    ) -> Result<T, Error> {
        let answer = self.ask(request, operation, limits::QUESTION)?;
        let body = self.api.within(limits::QUESTION, self.api.body(answer, limits::ANSWER));
        let body = self.wait(body)?.and_then(|body| body).map_err(failed(operation))?;
        serde_json::from_slice(&body).map_err(|e| {
            let what = format!("an answer of {}", self.api.name());
            failed(operation)(Said::InvalidDocument { what, reason: e.to_string() })
        })
    }

    /// Sends an archive as it is written. What the writer says went wrong is an error of ours, else the daemon's answer counts.
    pub(super) fn upload(
        &self,
        request: RequestBuilder,
        operation: &'static str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> crate::Result<()> {
        let (sender, mut chunks) = mpsc::channel::<io::Result<Bytes>>(4);
        let stream = futures::stream::poll_fn(move |context| chunks.poll_recv(context));
        let request = request.header("content-type", "application/x-tar").body(Body::wrap_stream(stream));
        let api = self.api.clone();
        let answer = self.handle.spawn(async move {
            // The head comes when all is sent; how long that may take is watched as it is sent.
            let answer = granted(&api, request, operation, limits::WORK).await?;
            // What is told of progress, and of failure in the middle of it.
            api.within(limits::WORK, api.body(answer, limits::ANSWER)).await?
        });
        let stopping = answer.abort_handle();
        let mut pipe = Pipe { client: self, sender, buffer: Vec::with_capacity(CHUNK), refused: false };
        let mut written = write(&mut pipe);
        if written.is_ok() {
            written = pipe.flush();
        }
        let Pipe { sender, refused, .. } = pipe;
        if let Err(source) = written
            && !refused
        {
            // An archive that ends early must not look whole.
            stopping.abort();
            return Err(crate::Error::Io { operation: "send an archive to the daemon".to_owned(), source });
        }
        drop(sender);
        let answered = self.wait(answer).inspect_err(|_| stopping.abort())?;
        let body = answered
            .unwrap_or_else(|broken| Err(timed_out(&self.api, &broken)))
            .map_err(failed(operation))?;
        told_of_failure(&body).map_or(Ok(()), |detail| {
            let source =
                Said::Status { registry: self.api.name(), status: 200, operation, detail: Some(detail) };
            Err(failed(operation)(source).into())
        })
    }

    /// An archive as it comes: at most so many bytes.
    pub(super) fn download(
        &self,
        request: RequestBuilder,
        operation: &'static str,
        most: u64,
    ) -> Result<Download<'_>, Error> {
        let answer = self.ask(request, operation, limits::WORK)?;
        Ok(Download { client: self, answer, chunk: Bytes::new(), left: most })
    }

    /// Removes something, whoever waits for it; what is not there is removed. What could not be is said in the log, and
    /// found by the next fix.
    pub(super) fn remove(&self, path: &str) {
        let request = self.request(Method::DELETE, path).query(&[("force", "true")]);
        let gone = self.handle.block_on(async {
            let answer = self.api.send(request, limits::REMOVAL).await?;
            match answer.status().as_u16() {
                200..=299 | 404 => Ok(()),
                _ => Err(self.api.error(answer, "remove what a fix left").await),
            }
        });
        if let Err(error) = gone {
            tracing::warn!(error = &error as &dyn std::error::Error, "left in the daemon: {path}");
        }
    }
}

fn failed(operation: &'static str) -> impl Fn(Said) -> Error {
    move |source| Error::Failed { operation, source }
}

fn timed_out(api: &Api, error: &tokio::task::JoinError) -> Said {
    Said::Io { operation: format!("wait for {}", api.name()), source: io::Error::other(error.to_string()) }
}

async fn granted(
    api: &Api,
    request: RequestBuilder,
    operation: &'static str,
    wait: Duration,
) -> Result<Response, Said> {
    let answer = api.send(request, wait).await?;
    if answer.status().is_success() { Ok(answer) } else { Err(api.error(answer, operation).await) }
}

/// Progress is a row of JSON values, and a failure one of them ("Import images": `errorDetail`, or Podman's `error`).
fn told_of_failure(body: &[u8]) -> Option<String> {
    let all = serde_json::Deserializer::from_slice(body).into_iter::<serde_json::Value>();
    let said = all.map_while(Result::ok).find_map(|one| Some(one.get("error")?.as_str()?.to_owned()))?;
    Some(super::error::plain(&said))
}

/// What is written goes to the daemon, in chunks.
struct Pipe<'a> {
    client: &'a Client,
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
    /// The daemon takes no more: what it says counts.
    refused: bool,
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK)));
        let sending = tokio::time::timeout(limits::IDLE, self.sender.send(Ok(chunk)));
        match self.client.wait(sending).map_err(io::Error::other)? {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => {
                self.refused = true;
                Err(io::ErrorKind::BrokenPipe.into())
            }
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// An archive on its way.
pub(super) struct Download<'a> {
    client: &'a Client,
    answer: Response,
    chunk: Bytes,
    left: u64,
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let next = tokio::time::timeout(limits::IDLE, self.answer.chunk());
            let next = self.client.wait(next).map_err(io::Error::other)?;
            let next = next.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
            match next.map_err(|e| io::Error::other(e.without_url()))? {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let read = self.chunk.len().min(buffer.len());
        if read as u64 > self.left {
            return Err(io::Error::other("it is larger than it can be"));
        }
        self.left -= read as u64;
        self.chunk.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_the_middle_of_progress_is_heard() {
        let said = b"{\"stream\":\"Loading\"}\r\n{\"errorDetail\":{\"message\":\"no \\u001b room\"},\"error\":\"no \\u001b room\"}\r\n";
        assert_eq!(told_of_failure(said).as_deref(), Some("no  room"));
        assert_eq!(told_of_failure(b"{\"stream\":\"Loaded image: x\"}\n"), None);
        assert_eq!(told_of_failure(b"no JSON"), None);
    }
}
