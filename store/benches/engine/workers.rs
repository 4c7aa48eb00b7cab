//! Worker processes: this program again, asked line by line.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::Arc,
};

use crate::{
    kit::{self, Role},
    marks::{self, Mark, Marks},
    place::Place,
};

/// How many there are.
pub(crate) const WORKERS: usize = 4;

/// What a worker process does: it runs steps, and answers what it is asked.
pub(crate) async fn work(url: &str) {
    let marks = Arc::new(Marks::default());
    let engine = kit::engine(Place::Postgres(url.to_owned()).open().await, &marks, Role::Worker).await;
    println!("ready");
    let (sender, mut questions) = tokio::sync::mpsc::channel::<String>(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(question) = questions.recv().await {
        match question.split_once(' ') {
            Some(("dump", file)) => {
                marks::write(&marks.take(), Path::new(file));
                println!("dumped");
            }
            _ => println!("{}", marks.ended()),
        }
        std::io::stdout().flush().unwrap();
    }
    engine.stop().await.unwrap();
}

struct Worker {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn ask(&mut self, question: &str) -> String {
        writeln!(self.questions.as_mut().unwrap(), "{question}").unwrap();
        self.answer()
    }
    fn answer(&mut self) -> String {
        let mut line = String::new();
        assert!(self.answers.read_line(&mut line).unwrap() > 0, "a worker process ended");
        line.trim().to_owned()
    }
}

/// The running worker processes.
pub(crate) struct Workers(Vec<Worker>);

impl Workers {
    pub(crate) fn start(url: &str) -> Self {
        let mut all: Vec<Worker> = (0..WORKERS)
            .map(|_| {
                let mut command = crate::process::bound(std::env::current_exe().unwrap(), "KILL", None);
                command.args(["worker", "--url", url]).stdin(Stdio::piped()).stdout(Stdio::piped());
                let mut child = crate::process::spawn(command).unwrap();
                let questions = child.stdin.take();
                let answers = BufReader::new(child.stdout.take().unwrap());
                Worker { child, questions, answers }
            })
            .collect();
        all.iter_mut().for_each(|worker| assert_eq!(worker.answer(), "ready"));
        Self(all)
    }
    /// How many runs' last steps have run.
    pub(crate) fn ended(&mut self) -> usize {
        self.0.iter_mut().map(|worker| worker.ask("ended").parse::<usize>().unwrap()).sum()
    }
    /// What they have measured since the last time.
    pub(crate) fn take(&mut self) -> Vec<Mark> {
        let folder = tempfile::tempdir().unwrap();
        let mut all = Vec::new();
        for (i, worker) in self.0.iter_mut().enumerate() {
            let file = folder.path().join(i.to_string());
            worker.ask(&format!("dump {}", file.display()));
            all.append(&mut marks::read(&file));
        }
        all
    }
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.0.iter().map(|worker| worker.child.id()).collect()
    }
    /// An orderly stop.
    pub(crate) fn stop(self) {
        for mut worker in self.0 {
            drop(worker.questions.take());
            worker.child.wait().unwrap();
        }
    }
}
