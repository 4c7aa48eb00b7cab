//! The image that another says it is built on: OCI image-spec, "Pre-Defined Annotation Keys".

use std::collections::BTreeMap;

use patchline_registry::Digest;
use serde::Serialize;
use serde_json::Value;

const NAME: &str = "org.opencontainers.image.base.name";
const DIGEST: &str = "org.opencontainers.image.base.digest";
/// Characters of a name.
const LONGEST: usize = 512;

/// What an image says of its base: a stranger's word, that leads nobody anywhere by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// `registry.example/base:12`
    pub name: String,
    /// What it was built on, an index or an image manifest.
    pub digest: Option<Digest>,
}

impl Claim {
    /// Annotations of the manifest first, then the labels of the configuration; none: neither names a base.
    pub fn of(annotations: &BTreeMap<String, String>, config: &Value) -> Option<Self> {
        let label = |key: &str| {
            let labels = config.pointer("/config/Labels").and_then(Value::as_object)?;
            labels.get(key).and_then(Value::as_str)
        };
        let said = |key: &str| annotations.get(key).map(String::as_str).or_else(|| label(key));
        let name = said(NAME).map(str::trim).filter(|name| !name.is_empty() && name.len() <= LONGEST)?;
        let plain = name.bytes().all(|b| b.is_ascii_graphic());
        plain.then(|| Self { name: name.to_owned(), digest: said(DIGEST).and_then(|text| text.parse().ok()) })
    }
}

/// A base and whether there is a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Base {
    /// As the image, or whoever asked, names it.
    pub name: String,
    /// What the image was built on; none: it does not say.
    pub digest: Option<Digest>,
    /// What the name points at now; none: nobody asked, or it is gone.
    pub now: Option<Digest>,
    /// What to do, for people.
    pub advice: String,
}

impl Base {
    /// What is known after the registry has been asked; `now`: none where the name is gone.
    pub fn asked(claim: Claim, now: Option<Digest>) -> Self {
        let Claim { name, digest } = claim;
        let advice = match (&digest, &now) {
            (_, None) => "it is no longer there: build on another".to_owned(),
            (Some(old), Some(new)) if old == new => "the image is built on the newest of it".to_owned(),
            (Some(_), Some(new)) => format!("it is another now: build again on {new}"),
            (None, Some(new)) => format!("the image does not say which of it; it is {new} now"),
        };
        Self { name, digest, now, advice }
    }
    /// What is known where nobody asks: an address that an image names is not followed.
    pub fn unasked(claim: Claim) -> Self {
        let advice = format!(
            "its registry is neither configured nor this image's: `--base {}` has it asked",
            claim.name
        );
        Self { name: claim.name, digest: claim.digest, now: None, advice }
    }
    /// The digest to build on, where it is another than that which the image was built on.
    pub fn newer(&self) -> Option<&Digest> {
        self.now.as_ref().filter(|now| self.digest.as_ref() != Some(now))
    }
}

/// Registry, repository and tag of a reference as Dockerfiles write it; none: it cannot be told.
pub(super) fn parts(reference: &str) -> Option<(String, String, Option<String>)> {
    let (name, _) = reference.split_once('@').unwrap_or((reference, ""));
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
        _ => (name, None),
    };
    if name.is_empty() || name.contains('$') {
        return None;
    }
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("docker.io", name),
    };
    let hub = matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    let host = if hub { "docker.io" } else { host };
    let path = match path.contains('/') {
        false if hub => format!("library/{path}"),
        _ => path.to_owned(),
    };
    Some((host.to_owned(), path, tag))
}

/// Whether two references mean the same tag.
pub(super) fn same(a: &str, b: &str) -> bool {
    let latest = |reference: &str| {
        parts(reference).map(|(host, path, tag)| (host, path, tag.unwrap_or_else(|| "latest".to_owned())))
    };
    latest(a).is_some_and(|a| Some(a) == latest(b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_compared_as_docker_reads_them() {
        for (a, b) in [
            ("debian:12", "docker.io/library/debian:12"),
            ("debian", "index.docker.io/debian:latest"),
            ("registry.example/a/b:1", "registry.example/a/b:1@sha256:00"),
            ("localhost:5000/b", "localhost:5000/b:latest"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in
            [("debian:12", "debian:13"), ("a/b", "registry.example/a/b"), ("$BASE", "$BASE"), ("", "")]
        {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_claim_is_an_annotation_or_a_label_and_no_more_than_a_name() {
        let annotations = |name: &str| BTreeMap::from([(NAME.to_owned(), name.to_owned())]);
        let config = json!({"config": {"Labels": {NAME: "of-a-label:1", DIGEST: Digest::of(b"base")}}});
        let none = BTreeMap::new();
        assert_eq!(Claim::of(&annotations("base:1"), &json!({})).unwrap().name, "base:1");
        let labelled = Claim::of(&none, &config).unwrap();
        assert_eq!((labelled.name.as_str(), labelled.digest), ("of-a-label:1", Some(Digest::of(b"base"))));
        for wrong in ["", "a b", "a\u{1b}[31m", &"a".repeat(600)] {
            assert_eq!(Claim::of(&annotations(wrong), &json!({})), None, "{wrong:?}");
        }
        assert_eq!(Claim::of(&none, &json!({"config": {"Labels": null}})), None);
    }

    #[test]
    fn newer_is_what_differs() {
        let claim = |digest: Option<&[u8]>| Claim { name: "b:1".into(), digest: digest.map(Digest::of) };
        let base = |old: Option<&[u8]>, now: Option<&[u8]>| Base::asked(claim(old), now.map(Digest::of));
        assert_eq!(base(Some(b"a"), Some(b"b")).newer(), Some(&Digest::of(b"b")));
        assert_eq!(base(Some(b"a"), Some(b"a")).newer(), None);
        assert_eq!(base(Some(b"a"), None).newer(), None);
        assert!(base(Some(b"a"), None).advice.contains("no longer there"));
        assert!(Base::unasked(claim(None)).advice.contains("--base b:1"));
    }
}
