//! Others on loopback: what they say, how slowly, and what they were asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};
use url::Url;

/// How slow a peer is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// At once.
    Quick,
    /// Nobody is let in for a while: more than a second, less than the usual limits.
    Connect,
    /// Between its head and its body, two seconds.
    Idle,
    /// Its body in eight pieces, a quarter of a second between them.
    Trickle,
}

/// A server of files; stops with the runtime.
pub(super) struct Peer {
    pub(super) base: Url,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// They wait to be let in before whoever comes then.
    _before: Vec<tokio::task::JoinHandle<()>>,
}

impl Peer {
    /// Serves files by their paths without the leading slash; what it has not is 404.
    pub(super) async fn start(pace: Pace, files: &[(&str, Vec<u8>)]) -> Self {
        let socket = TcpSocket::new_v4().expect("socket");
        socket.bind("127.0.0.1:0".parse().expect("address")).expect("port");
        let listener = socket.listen(if pace == Pace::Connect { 1 } else { 64 }).expect("listens");
        let address = listener.local_addr().expect("address");
        let mut before = Vec::new();
        if pace == Pace::Connect {
            before.extend((0..6).map(|_| {
                tokio::spawn(async move {
                    let held = TcpStream::connect(address).await;
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    drop(held);
                })
            }));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let peer = Self {
            base: format!("http://{address}/").parse().expect("address"),
            files: Arc::default(),
            asked: Arc::default(),
            _before: before,
        };
        for (path, body) in files {
            peer.put(path, body.clone());
        }
        tokio::spawn(serve(listener, pace, peer.files.clone(), peer.asked.clone()));
        peer
    }

    pub(super) fn put(&self, path: &str, body: Vec<u8>) {
        self.files.lock().expect("lock").insert(format!("/{path}"), body);
    }

    /// What was asked for since this was asked last.
    pub(super) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().expect("lock"));
        asked.sort();
        asked
    }
}

type Shared<T> = Arc<Mutex<T>>;

async fn serve(
    listener: TcpListener,
    pace: Pace,
    files: Shared<BTreeMap<String, Vec<u8>>>,
    asked: Shared<Vec<String>>,
) {
    if pace == Pace::Connect {
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(answer(socket, pace, files.clone(), asked.clone()));
    }
}

async fn answer(
    mut socket: TcpStream,
    pace: Pace,
    files: Shared<BTreeMap<String, Vec<u8>>>,
    asked: Shared<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(socket.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    let length = request.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    let mut sent = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut sent).await?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().expect("lock").push(path.trim_start_matches('/').to_owned());
    let file =
        files.lock().expect("lock").iter().find(|(at, _)| at.to_lowercase() == path).map(|f| f.1.clone());
    // A scan is accepted, all else is there.
    let status = match &file {
        Some(_) if request.starts_with("post") => "202 Accepted",
        Some(_) => "200 OK",
        None => "404 Not Found",
    };
    let body = file.unwrap_or_default();
    let etag = patchline_registry::Digest::of(&body);
    let head = format!(
        "HTTP/1.1 {status}\r\netag: \"{etag}\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    let (pieces, wait) = match pace {
        Pace::Quick | Pace::Connect => (1, 0),
        Pace::Idle => (1, 2000),
        Pace::Trickle => (8, 250),
    };
    for piece in body.chunks(body.len().div_ceil(pieces).max(1)) {
        socket.flush().await?;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        socket.write_all(piece).await?;
    }
    socket.shutdown().await
}
