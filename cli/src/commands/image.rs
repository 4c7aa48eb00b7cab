//! `patchline image bootstrap|copy|delete|list|bases|sign|verify`

mod bases;

use std::{path::PathBuf, str::FromStr as _};

use clap::Subcommand;
use patchline_registry::{CopyOptions, Digest, copy, tags_of};
use patchline_remediation::bootstrap::{BootstrapOptions, bootstrap};

use super::attest;
use crate::{
    Global, Output,
    config::Config,
    data::Data,
    exit::Exit,
    failure::{Failure, Result},
    images,
    progress::Bars,
    table::Table,
    terminal,
};

/// How many tags a refusal names.
const SHOWN_TAGS: usize = 10;

/// Assemble, copy, delete, list, group and sign images
#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// Assemble a Debian image from a suite alone, without running anything
    Bootstrap {
        /// Where to: oci:DIR:tag or host/repository:tag
        target: String,
        /// The suite; its security suite is left out on purpose
        #[arg(long, default_value = "bookworm")]
        suite: String,
        /// dpkg's name of the architecture
        #[arg(long, default_value = "amd64")]
        architecture: String,
        /// Packages beyond the minimal set
        #[arg(long, value_delimiter = ',', default_value = super::demo::PACKAGES)]
        include: Vec<String>,
        #[command(flatten)]
        mirrors: Box<super::MirrorFlags>,
    },
    /// Copy an image, blobs first, the tag last
    Copy {
        /// From
        source: String,
        /// To
        target: String,
        /// Take referrers and signatures along
        #[arg(long)]
        referrers: bool,
    },
    /// Delete by digest, or a tag alone
    Delete {
        /// host/repository@sha256:… deletes a manifest without tags; host/repository:tag removes the tag alone
        image: String,
        /// The digest that the tag must still have, for removing a tag
        #[arg(long, value_name = "DIGEST")]
        expect: Option<String>,
    },
    /// The tags of a repository or layout
    List {
        /// host/repository or oci:DIR
        repository: String,
    },
    /// Tell which of these images are built on which, and whose findings are whose
    Bases {
        /// host/repository:tag, or oci:DIR:tag
        #[arg(value_name = "IMAGE", required = true)]
        images: Vec<String>,
        /// Which platform of indexes [default: this machine's]
        #[arg(long)]
        platform: Option<String>,
        /// Ask no package repository: loaded advisories alone
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        mirrors: Box<super::MirrorFlags>,
    },
    /// Sign an image as cosign does, under the tag sha256-….sig beside it
    Sign {
        /// host/repository:tag, or oci:DIR:tag
        image: String,
        /// The private key: PKCS#8 or cosign's own form, whose password stands in COSIGN_PASSWORD
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Tell whether an image was signed by a key, as cosign signs; an error where it was not
    Verify {
        /// host/repository:tag, or oci:DIR:tag
        image: String,
        /// The public key, in PEM
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

impl Image {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let config = Config::load(global.config.as_deref())?;
        let registries = images::registries(&config)?;
        match self {
            Self::Bootstrap { target, suite, architecture, include, mirrors } => {
                let data = Data::shared(Data::path(global.data.as_deref()))?;
                let location = images::location(&registries, &target)?;
                let tag = images::tag_of(&location)?;
                let apt = mirrors.apt(&config, &data)?;
                let repository = images::open_or_create(&registries, &location)?;
                let bars = Bars::new();
                let options = BootstrapOptions { suite, architecture, packages: include };
                let made = bootstrap(&apt, &options, repository.as_ref(), &tag, &bars.progress()).await?;
                bars.clear();
                let report = serde_json::json!({
                    "image": target, "digest": made.digest, "packages": made.packages, "bytes": made.bytes,
                });
                match global.output {
                    Output::Json => super::json(&report)?,
                    Output::Table => terminal::out(&format!(
                        "{target}@{}  {} packages, {:.1} MB",
                        made.digest,
                        made.packages,
                        made.bytes as f64 / 1e6
                    )),
                }
            }
            Self::Copy { source, target, referrers } => {
                let (from, to) =
                    (images::location(&registries, &source)?, images::location(&registries, &target)?);
                let tag = images::tag_of(&to)?;
                let from_repository = registries.open(&from)?;
                let to_repository = images::open_or_create(&registries, &to)?;
                let options = CopyOptions { referrers };
                let done =
                    copy(from_repository.as_ref(), &from.target(), to_repository.as_ref(), &tag, &options)
                        .await?;
                terminal::err(&format!(
                    "{} uploaded, {} mounted, {} there already, {:.1} MB",
                    done.uploaded,
                    done.mounted,
                    done.present,
                    done.bytes as f64 / 1e6
                ));
                terminal::out(done.digest.as_str());
            }
            Self::Bases { images: named, platform, offline, mirrors } => {
                let data = Data::shared(Data::path(global.data.as_deref()))?;
                let apt = if offline { None } else { Some(mirrors.apt(&config, &data)?) };
                bases::run(global, &registries, (&data, apt.as_ref()), &named, platform.as_deref()).await?;
            }
            Self::Sign { image, key } => told(global, &attest::sign(&registries, &image, &key).await?)?,
            Self::Verify { image, key } => told(global, &attest::verify(&registries, &image, &key).await?)?,
            Self::Delete { image, expect } => delete(&registries, &image, expect.as_deref()).await?,
            Self::List { repository } => {
                let location = images::location(&registries, &repository)?;
                let opened = registries.open(&location)?;
                let mut table = Table::new(&["tag", "digest"]);
                let mut rows = Vec::new();
                for tag in opened.tags().await? {
                    let digest = opened.resolve(&tag).await?.map(|d| d.digest);
                    table.row([tag.clone(), digest.as_ref().map_or("gone", |d| d.as_str()).to_owned()]);
                    rows.push(serde_json::json!({"tag": tag, "digest": digest}));
                }
                match global.output {
                    Output::Json => super::json(&rows)?,
                    Output::Table if table.is_empty() => terminal::err("no tag"),
                    Output::Table => terminal::out(&table.render()),
                }
            }
        }
        Ok(Exit::Ok)
    }
}

/// The digest for people, everything for programs.
fn told(global: &Global, done: &serde_json::Value) -> Result<()> {
    match global.output {
        Output::Json => super::json(done)?,
        Output::Table => terminal::out(done["digest"].as_str().unwrap_or_default()),
    }
    Ok(())
}

/// No manifest is deleted by tag: a delete names a digest, an untag compares the digest first.
async fn delete(
    registries: &patchline_registry::Registries,
    image: &str,
    expect: Option<&str>,
) -> Result<()> {
    let location = images::location(registries, image)?;
    let repository = registries.open(&location)?;
    if let patchline_registry::Location::Registry(reference) = &location
        && let Some(digest) = &reference.digest
    {
        let tags = tags_of(repository.as_ref(), digest).await?;
        if !tags.is_empty() {
            let shown = tags.iter().take(SHOWN_TAGS).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = match tags.len().saturating_sub(SHOWN_TAGS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            return Err(Failure::says(
                "digest-still-tagged",
                format!("{digest} would take its tags along: {shown}{more}"),
            )
            .hint(format!("remove the tags first: give HOST/REPOSITORY:TAG and --expect {digest}")));
        }
        repository.delete_manifest(digest).await?;
        terminal::err(&format!("deleted {digest}"));
        return Ok(());
    }
    let tag = images::tag_of(&location)?;
    let expected = match expect {
        Some(text) => Digest::from_str(text).map_err(|e| Failure::usage("invalid-digest", e.to_string()))?,
        None => {
            let present = repository.resolve(&tag).await?.map(|d| d.digest.to_string());
            let hint = match present {
                Some(digest) => format!("it points at {digest} now: say --expect {digest}"),
                None => "there is no such tag".to_owned(),
            };
            return Err(Failure::usage(
                "digest-needed",
                "a tag is removed only together with the digest that it has",
            )
            .hint(hint));
        }
    };
    repository.untag(&tag, &expected).await?;
    terminal::err(&format!("removed the tag {tag}; the image stays under its digest"));
    Ok(())
}
