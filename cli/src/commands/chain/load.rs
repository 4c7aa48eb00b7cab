//! Chain files and folders: found, read within the limit, compiled, held against each other.

use std::{
    collections::{HashMap, HashSet},
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use patchline_chains::{Diagnostic, Plan, Severity, Source, Span, compile, limits::MAX_BYTES};

use super::show;
use crate::{
    exit,
    failure::{Failure, Result, io},
    terminal,
};

/// Everything that was read, and everything that is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// In the order in which they were named.
    pub(crate) files: Vec<File>,
    /// Of the documents that have no error.
    pub(crate) chains: Vec<Chain>,
    /// By file, then by place.
    pub(crate) problems: Vec<Problem>,
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct File {
    /// As it was named, or `<stdin>`.
    pub(crate) name: String,
    /// Its text, for excerpts.
    pub(crate) text: String,
}

/// A chain and where its name stands.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Compiled.
    pub(crate) plan: Arc<Plan>,
    /// Index into the files.
    pub(crate) file: usize,
    span: Span,
}

/// A complaint about a file.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Index into the files.
    pub(crate) file: usize,
    /// What is wrong.
    pub(crate) diagnostic: Diagnostic,
    /// A place in another file that matters.
    pub(crate) elsewhere: Option<(usize, Span, &'static str)>,
}

impl Loaded {
    /// Reads and compiles; what is wrong with the chains is no failure of this.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let catalogue = patchline_steps::catalogue::catalogue();
        let mut loaded = Self::default();
        for path in expand(paths)? {
            let (name, bytes) = read(&path)?;
            let compiled = compile(Source { name: &name, bytes: &bytes }, &catalogue);
            let file = loaded.files.len();
            loaded.files.push(File { name, text: String::from_utf8_lossy(&bytes).into_owned() });
            let diagnostics = compiled.diagnostics.into_iter();
            loaded.problems.extend(diagnostics.map(|diagnostic| Problem {
                file,
                diagnostic,
                elsewhere: None,
            }));
            let named = compiled.plans.into_iter().zip(compiled.names);
            loaded.chains.extend(named.map(|(plan, span)| Chain { plan: Arc::new(plan), file, span }));
        }
        loaded.duplicates();
        Ok(loaded)
    }

    /// The same name in two files: neither would be the one that is meant.
    fn duplicates(&mut self) {
        let mut first: HashMap<&str, &Chain> = HashMap::new();
        let mut found = Vec::new();
        for chain in &self.chains {
            let Some(other) = first.get(chain.plan.chain.as_str()) else {
                first.insert(&chain.plan.chain, chain);
                continue;
            };
            let message = format!("chain `{}` stands in two files", chain.plan.chain);
            let (line, column) = (other.span.line, other.span.column);
            let hint = format!(
                "the other stands at {}:{line}:{column}; name one of them otherwise",
                self.files[other.file].name
            );
            found.push(Problem {
                file: chain.file,
                diagnostic: Diagnostic::error("duplicate-chain", chain.span, message).hint(hint),
                elsewhere: Some((other.file, other.span, "first here")),
            });
        }
        self.problems.extend(found);
        self.problems.sort_by_key(|p| (p.file, p.diagnostic.span.offset));
    }

    /// How many errors, and in how many files.
    pub(crate) fn mistakes(&self) -> (usize, usize) {
        let wrong = self.problems.iter().filter(|p| p.diagnostic.severity == Severity::Error);
        let files: HashSet<usize> = wrong.clone().map(|p| p.file).collect();
        (wrong.count(), files.len())
    }

    /// Every complaint on stderr, as a compiler shows them.
    pub(crate) fn show(&self) {
        let colours = terminal::err_colours();
        for problem in &self.problems {
            let file = &self.files[problem.file];
            let text = problem.diagnostic.render(&file.name, &file.text);
            terminal::err(&if colours { show::painted(&text) } else { text });
        }
    }

    /// A failure, if there is any error.
    pub(crate) fn verdict(&self) -> Result<()> {
        let (mistakes, files) = self.mistakes();
        if mistakes == 0 {
            return Ok(());
        }
        let what = if mistakes == 1 { "1 mistake".to_owned() } else { format!("{mistakes} mistakes") };
        let files = if files == 1 { "one file".to_owned() } else { format!("{files} files") };
        Err(Failure::usage("chain-invalid", format!("{what} in {files}; nothing was started")))
    }
}

/// Compiles files and folders; every mistake of every file is shown before the failure.
pub(crate) fn plans(paths: &[PathBuf]) -> Result<Vec<Arc<Plan>>> {
    let loaded = Loaded::read(paths)?;
    loaded.show();
    loaded.verdict()?;
    Ok(loaded.chains.into_iter().map(|chain| chain.plan).collect())
}

/// The one chain of a file.
pub(crate) fn one(path: &Path) -> Result<Arc<Plan>> {
    let mut plans = plans(&[path.to_owned()])?;
    match (plans.pop(), plans.len()) {
        (Some(plan), 0) => Ok(plan),
        (_, others) => {
            let message = format!("{} holds {} chains", path.display(), others + 1);
            Err(Failure::usage("one-chain-needed", message))
        }
    }
}

/// A folder stands for its `.yaml` and `.yml` files, sorted. What was named twice is read once.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let operation = || io(format!("read {}", path.display()));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(operation())? {
            let path = entry.map_err(operation())?.path();
            if path.extension().is_some_and(|e| e == "yaml" || e == "yml") && path.is_file() {
                found.push(path);
            }
        }
        found.sort();
        all.extend(found);
    }
    let mut seen = HashSet::new();
    // What does not exist stays, so that opening it says so.
    all.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    Ok(all)
}

/// One byte above the language's limit is read, so that `compile` says so without parsing.
const LIMIT: u64 = MAX_BYTES as u64 + 1;

/// A file's name and bytes, or one byte more than the limit.
pub(super) fn read(path: &Path) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes).map_err(io("read standard input"))?;
        return Ok(("<stdin>".to_owned(), bytes));
    }
    let failed = |error| Failure { exit: exit::USAGE, ..io(format!("read {}", path.display()))(error) };
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    Ok((path.display().to_string(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(name: &str) -> String {
        format!("version: 1\nchain: {name}\nsteps: {{scan: {{uses: scan}}}}\n")
    }

    #[test]
    fn a_folder_is_its_yaml_files_in_order_and_each_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [("b.yml", chain("b")), ("a.yaml", chain("a")), ("c.txt", "x".to_owned())] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        std::fs::create_dir(folder.path().join("d.yaml")).unwrap();
        let loaded = Loaded::read(&[folder.path().to_owned(), folder.path().join("./a.yaml")]).unwrap();
        let names: Vec<&str> = loaded.chains.iter().map(|c| c.plan.chain.as_str()).collect();
        assert_eq!((names, loaded.problems.len()), (vec!["a", "b"], 0));
    }

    #[test]
    fn one_name_in_two_files_is_a_mistake_with_both_places() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
        std::fs::write(&a, chain("web")).unwrap();
        std::fs::write(&b, format!("{}---\n{}", chain("other"), chain("web"))).unwrap();
        let loaded = Loaded::read(&[a.clone(), b]).unwrap();
        assert_eq!(loaded.mistakes(), (1, 1));
        let problem = &loaded.problems[0];
        assert_eq!(
            (problem.diagnostic.code, problem.file, problem.diagnostic.span.line),
            ("duplicate-chain", 1, 6)
        );
        let (file, span, _) = problem.elsewhere.unwrap();
        assert_eq!((file, span.line, span.column), (0, 2, 8));
        let hint = problem.diagnostic.hint.as_deref().unwrap();
        assert!(hint.contains(&format!("{}:2:8", a.display())), "{hint}");
        assert_eq!(loaded.verdict().unwrap_err().exit, exit::USAGE);
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused_before_it_is_parsed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.yaml");
        // Ten megabytes of what would be a thousand complaints.
        std::fs::write(&path, "nonsense: [}\n".repeat(800_000)).unwrap();
        let loaded = Loaded::read(&[path]).unwrap();
        assert_eq!(loaded.problems.len(), 1);
        assert_eq!(loaded.problems[0].diagnostic.code, "too-large");
    }
}
