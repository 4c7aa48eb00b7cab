//! A private PostgreSQL cluster: made in a temporary folder, durable as any other, stopped, killed and frozen at will.
//!
//! Needs nothing but the standard library and [`process`](super::process), so that suites outside this crate can
//! include both files by path.

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::process;

/// Why there is no cluster.
#[derive(Debug)]
pub enum Error {
    /// No PostgreSQL server on this machine, or no `setpriv`.
    NotInstalled(&'static str),
    /// It is there and does not do what was asked.
    Failed(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInstalled(what) => write!(f, "{what} is not installed"),
            Self::Failed(why) => write!(f, "PostgreSQL: {why}"),
        }
    }
}

impl std::error::Error for Error {}

type Result<T> = std::result::Result<T, Error>;

/// How the server is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, everything is written: an orderly stop.
    Fast,
    /// `kill -9` of the postmaster and of each of its processes: the next start recovers from the log.
    Kill,
}

/// How to run a cluster.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Lines of `postgresql.conf` over ours, as `max_connections = 50`.
    pub settings: Vec<String>,
    /// Addresses to listen on beside the Unix socket, such as `127.0.0.1`; none: the socket alone.
    pub listen: Vec<String>,
    /// Where its folder is made; none: the machine's folder for temporary files.
    pub within: Option<PathBuf>,
}

/// A cluster of our own. Dropping it stops it and removes its folder; its log stays when a test fails.
pub struct Postgres {
    bin: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    port: u16,
    user: Option<&'static str>,
    password: String,
    server: Mutex<Option<Child>>,
    databases: AtomicU32,
}

/// How long the server may take to start (recovery is part of it) or to stop.
const LIMIT: Duration = Duration::from_secs(180);

/// Where the server's programs are: `PATCHLINE_POSTGRES_BIN`, what `pg_config` says, or the newest that a
/// distribution has put where distributions put it.
pub fn bin() -> Result<PathBuf> {
    let whole = |folder: &PathBuf| folder.join("postgres").is_file() && folder.join("initdb").is_file();
    let named = std::env::var_os("PATCHLINE_POSTGRES_BIN").map(PathBuf::from);
    let told = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output().ok();
    let told = told.map(|out| PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()));
    let mut packaged: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    packaged.sort_unstable_by(|a, b| b.cmp(a));
    let packaged = packaged.into_iter().map(|(_, folder)| folder);
    let local =
        ["/usr/local/pgsql/bin", "/opt/homebrew/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let mut candidates = named.into_iter().chain(packaged).chain(told).chain(local);
    candidates.find(whole).ok_or(Error::NotInstalled("PostgreSQL (package `postgresql`)"))
}

impl Postgres {
    /// The cluster that all tests of one program share; each takes a database of its own from it.
    pub fn shared() -> std::result::Result<&'static Self, &'static Error> {
        static SHARED: OnceLock<Result<Postgres>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Options::default())).as_ref()
    }

    /// Makes a cluster and starts it.
    pub fn start(options: Options) -> Result<Self> {
        let bin = bin()?;
        if process::on_path("setpriv").is_none() {
            return Err(Error::NotInstalled("setpriv (package `util-linux`)"));
        }
        let within = options.within.clone().unwrap_or_else(std::env::temp_dir);
        sweep(&within);
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = within.join(format!("patchline-postgres-{}-{count}", std::process::id()));
        let log = logs().join(format!("{}-{count}.log", std::process::id()));
        // The server refuses to run as root.
        let user = root().then(|| if known("postgres") { "postgres" } else { "nobody" });
        fs::create_dir(&folder).map_err(|e| failed("its folder cannot be made", e))?;
        let cluster = Self {
            bin,
            folder,
            log,
            port: free_port(),
            user,
            password: secret(),
            server: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        cluster.make(&options)?;
        cluster.restart(None)?;
        if !options.listen.is_empty() {
            cluster.psql("postgres", &format!("ALTER ROLE postgres PASSWORD '{}'", cluster.password))?;
        }
        Ok(cluster)
    }

    fn make(&self, options: &Options) -> Result<()> {
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&self.folder, mode).map_err(|e| failed("its folder's mode", e))?;
        if let Some(user) = self.user {
            ran(Command::new("chown").arg(user).arg(&self.folder))?;
        }
        let data = self.folder.join("data");
        let mut make = process::bound(self.bin.join("initdb"), "KILL", self.user);
        // What initdb itself writes is not worth a sync: a cluster whose making was cut short is made anew.
        make.args(["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(&data);
        // The socket stands in a folder that only we can enter; over TCP a password is asked for.
        make.args(["--auth-local=trust", "--auth-host=scram-sha-256"]).current_dir(&self.folder);
        ran(&mut make)?;
        let mut lines = format!(
            "unix_socket_directories = '{}'\nport = {}\nlisten_addresses = '{}'\nmax_connections = 200\n\
             fsync = on\nsynchronous_commit = on\nfull_page_writes = on\nlog_line_prefix = '%m [%p] %d '\n\
             log_lock_waits = on\nshared_buffers = 256MB\nmax_wal_size = 4GB\ncluster_name = 'patchline-tests'\n",
            self.folder.display(),
            self.port,
            options.listen.join(","),
        );
        for line in &options.settings {
            let _ = writeln!(lines, "{line}");
        }
        append(&data.join("postgresql.conf"), &lines)?;
        append(&data.join("pg_hba.conf"), "host all all all scram-sha-256\n")
    }

    /// Stops it as told, if it runs, and starts it again.
    pub fn restart(&self, stop: Option<Stop>) -> Result<()> {
        if let Some(how) = stop {
            self.stop(how)?;
        }
        let log = fs::File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|e| failed("its log cannot be opened", e))?;
        // Quit, not kill: the postmaster then ends its own processes.
        let mut command = process::bound(self.bin.join("postgres"), "QUIT", self.user);
        command.arg("-D").arg(self.folder.join("data")).current_dir(&self.folder).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(|e| failed("its log", e))?).stderr(log);
        let child = process::spawn(command).map_err(|e| failed("it cannot be started", e))?;
        *self.server.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(child);
        let up = process::until(LIMIT, || {
            let dead = self.with(|server| !matches!(server.try_wait(), Ok(None))).unwrap_or(true);
            dead || self.psql("postgres", "SELECT 1").is_ok()
        });
        if up && self.psql("postgres", "SELECT 1").is_ok() {
            return Ok(());
        }
        Err(Error::Failed(format!("it does not start:\n{}", self.log())))
    }

    /// Starts it after [`Postgres::stop`].
    pub fn resume(&self) -> Result<()> {
        self.restart(None)
    }

    /// Stops it and waits until none of its processes is left.
    pub fn stop(&self, how: Stop) -> Result<()> {
        let Some(mut server) = self.take() else { return Ok(()) };
        let pid = server.id();
        let mut others = Vec::new();
        match how {
            Stop::Fast => process::signal(pid, "INT"),
            Stop::Kill => {
                // First the postmaster, stopped so that it forks no more; then who it has forked.
                process::signal(pid, "STOP");
                others = process::children(pid);
                for one in [pid].iter().chain(&others) {
                    process::signal(*one, "KILL");
                }
            }
        }
        let ended = process::ended(&mut server, LIMIT)
            && process::until(LIMIT, || others.iter().all(|one| !process::alive(*one)));
        if ended { Ok(()) } else { Err(Error::Failed("it does not stop".into())) }
    }

    /// Stops every one of its processes where it stands (SIGSTOP): connections stay open and nothing answers.
    pub fn freeze(&self) {
        if let Some(pid) = self.pid() {
            process::signal(pid, "STOP");
            process::children(pid).into_iter().for_each(|one| process::signal(one, "STOP"));
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        if let Some(pid) = self.pid() {
            process::children(pid).into_iter().for_each(|one| process::signal(one, "CONT"));
            process::signal(pid, "CONT");
        }
    }

    /// The postmaster, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.with(|server| server.id())
    }

    /// The port, of the socket's name too.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new, empty database: its name.
    pub fn database(&self) -> Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(name)
    }

    /// A new, empty database: its address over the socket.
    pub fn fresh(&self) -> Result<String> {
        Ok(self.url(&self.database()?))
    }

    /// The address of a database over the Unix socket.
    pub fn url(&self, database: &str) -> String {
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{host}:{}/{database}", self.port)
    }

    /// The address of a database over TCP, with its password; for clusters that listen.
    pub fn tcp(&self, host: &str, database: &str) -> String {
        format!("postgres://postgres:{}@{host}:{}/{database}", self.password, self.port)
    }

    /// Runs SQL by `psql`: rows as lines, columns with `|` between.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database]);
        command.arg("-h").arg(&self.folder).arg("-p").arg(self.port.to_string()).args(["-c", sql]);
        // Frozen, it would wait for ever.
        command.env("PGCONNECT_TIMEOUT", "10");
        ran(&mut command)
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it logs to.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Its folder: `data` is the cluster, the socket stands beside it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Child) -> T) -> Option<T> {
        self.server.lock().unwrap_or_else(std::sync::PoisonError::into_inner).as_mut().map(ask)
    }

    fn take(&self) -> Option<Child> {
        self.server.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.take() {
            self.server = Mutex::new(None);
            process::children(server.id()).into_iter().for_each(|one| process::signal(one, "CONT"));
            process::signal(server.id(), "CONT");
            process::signal(server.id(), "QUIT");
            if !process::ended(&mut server, Duration::from_secs(10)) {
                drop(server.kill());
                drop(server.wait());
            }
        }
        drop(fs::remove_dir_all(&self.folder));
        if std::thread::panicking() {
            eprintln!("PostgreSQL's log is kept: {}", self.log.display());
        } else {
            drop(fs::remove_file(&self.log));
        }
    }
}

/// Folders of clusters whose maker is gone, as after `kill -9` of a test.
fn sweep(within: &Path) {
    for entry in fs::read_dir(within).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|n| n.strip_prefix("patchline-postgres-")?.split('-').next());
        let Some(maker) = maker.and_then(|pid| pid.parse().ok()) else { continue };
        let ours = entry.metadata().is_ok_and(|m| m.is_dir());
        if ours && !process::alive(maker) && !served(&entry.path()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Whether a postmaster still runs over a folder.
fn served(folder: &Path) -> bool {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    file.lines().next().and_then(|pid| pid.trim().parse().ok()).is_some_and(process::alive)
}

/// Where logs are kept: beside the build.
fn logs() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("postgres-logs")));
    let folder = beside.unwrap_or_else(std::env::temp_dir);
    drop(fs::create_dir_all(&folder));
    folder
}

fn append(file: &Path, text: &str) -> Result<()> {
    let mut whole = fs::read_to_string(file).map_err(|e| failed("its settings", e))?;
    whole.push('\n');
    whole.push_str(text);
    fs::write(file, whole).map_err(|e| failed("its settings", e))
}

fn ran(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed("a program does not start", e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Failed(format!("{program} ended with {}: {}", output.status, said.trim())))
}

fn failed(what: &str, error: std::io::Error) -> Error {
    Error::Failed(format!("{what}: {error}"))
}

fn root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

fn known(user: &str) -> bool {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().any(|line| line.split(':').next() == Some(user))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_or(5432, |a| a.port())
}

/// A password that nobody guesses: the kernel's random bytes.
fn secret() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    id.trim().replace('-', "")
}
