//! A mirror that stands before the real one, and does to its answers what it is told.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Longest head of a request, in bytes.
const HEAD: usize = 16 << 10;
/// How often a connection that hangs looks whether all is over.
const LOOK: Duration = Duration::from_millis(100);

/// What is sent.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Said to be so long; what the body lacks never comes.
    pub(crate) announced: usize,
    /// What the body lacks is not even given up on.
    pub(crate) hangs: bool,
}

impl Answer {
    pub(crate) fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, announced: body.len(), body, hangs: false }
    }
}

/// Changes an answer; it sees the path, and may be called from several connections at once.
pub(crate) type Mischief = Arc<dyn Fn(&str, Answer) -> Answer + Send + Sync>;

/// The real mirrors' answers, each asked for once.
pub(crate) struct Upstream {
    client: reqwest::blocking::Client,
    main: String,
    security: String,
    kept: Mutex<HashMap<String, Answer>>,
}

impl Upstream {
    pub(crate) fn new(main: &str, security: &str) -> Arc<Self> {
        // reqwest is built without a TLS provider of its own; a second install changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(120)).build().unwrap();
        let base = |text: &str| format!("{}/", text.trim_end_matches('/'));
        Arc::new(Self { client, main: base(main), security: base(security), kept: Mutex::default() })
    }

    fn get(&self, path: &str) -> Answer {
        if let Some(known) = self.kept.lock().unwrap().get(path) {
            return known.clone();
        }
        let address = match (path.strip_prefix("/main/"), path.strip_prefix("/security/")) {
            (Some(rest), _) => format!("{}{rest}", self.main),
            (_, Some(rest)) => format!("{}{rest}", self.security),
            _ => return Answer::new(404, Vec::new()),
        };
        let Ok(got) = self.client.get(address).send() else { return Answer::new(502, Vec::new()) };
        let status = got.status().as_u16();
        let Ok(bytes) = got.bytes() else { return Answer::new(502, Vec::new()) };
        let answer = Answer::new(status, bytes.to_vec());
        self.kept.lock().unwrap().insert(path.to_owned(), answer.clone());
        answer
    }
}

/// It listens until it is dropped.
pub(crate) struct Mirror {
    /// `http://127.0.0.1:…`
    pub(crate) url: String,
    over: Arc<AtomicBool>,
}

impl Mirror {
    pub(crate) fn start(upstream: Arc<Upstream>, mischief: Mischief) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (upstream, mischief, over) = (upstream.clone(), mischief.clone(), ended.clone());
                std::thread::spawn(move || serve(stream, &upstream, &*mischief, &over));
            }
        });
        Self { url, over }
    }

    /// Flags that make our program ask this one.
    pub(crate) fn flags(&self) -> [String; 4] {
        let main = format!("{}/main/", self.url);
        ["--mirror".into(), main, "--security-mirror".into(), format!("{}/security/", self.url)]
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // The listener looks once more.
        drop(TcpStream::connect(self.url.trim_start_matches("http://")));
    }
}

/// One request a connection (HTTP/1.1 with `connection: close`).
fn serve(
    stream: TcpStream,
    upstream: &Upstream,
    mischief: &dyn Fn(&str, Answer) -> Answer,
    over: &AtomicBool,
) {
    let mut reader = BufReader::new(&stream);
    let (mut first, mut line, mut read) = (String::new(), String::new(), 0);
    loop {
        line.clear();
        match reader.read_line(&mut line) {
            Ok(n) if n > 0 && read + n <= HEAD => read += n,
            _ => return,
        }
        if first.is_empty() {
            first.clone_from(&line);
        }
        if line == "\r\n" {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = mischief(&path, upstream.get(&path));
    let mut to = &stream;
    let head = format!(
        "HTTP/1.1 {} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.status, answer.announced
    );
    if to.write_all(head.as_bytes()).and_then(|()| to.write_all(&answer.body)).is_err() {
        return;
    }
    while answer.hangs && !over.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
    }
    drop(stream.shutdown(Shutdown::Both));
}
