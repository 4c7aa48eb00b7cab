//! What Harbor asks for: read, held against the configuration, and sealed into an id.

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use patchline_registry::{Digest, Location, Reference, Registries, model, remote::Secret};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use url::Url;

use super::CONSUMES;
use crate::{Error, Result};

/// Characters of an id, at most.
const LONGEST_ID: usize = 4 << 10;

/// One scan. Its names are short because they stand in an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Its name in the configuration.
    #[serde(rename = "g")]
    pub(super) registry: String,
    #[serde(rename = "r")]
    pub(super) repository: String,
    #[serde(rename = "d")]
    pub(super) digest: Digest,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
    #[serde(rename = "m")]
    pub(super) mime_type: String,
}

/// `ScanRequest` of the API.
#[derive(Deserialize)]
struct Body {
    registry: RegistryBody,
    artifact: ArtifactBody,
    #[serde(default)]
    enabled_capabilities: Option<Vec<CapabilityBody>>,
}

#[derive(Deserialize)]
struct RegistryBody {
    #[serde(default)]
    url: String,
    #[serde(default)]
    authorization: Option<String>,
}

#[derive(Deserialize)]
struct ArtifactBody {
    #[serde(default)]
    repository: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    mime_type: Option<String>,
}

#[derive(Deserialize)]
struct CapabilityBody {
    r#type: String,
}

/// A field that is wrong.
pub(super) fn field(reason: &dyn std::fmt::Display) -> Error {
    Error::InvalidBody { status: StatusCode::UNPROCESSABLE_ENTITY, reason: reason.to_string() }
}

/// What is asked for, and what is lent for pulling it. The registry must be one of the configuration: no request makes
/// us ask another host.
pub(super) fn read(body: &[u8], registries: &Registries) -> Result<(Asked, Option<Secret>)> {
    // serde's own words quote what it found, which may be the credential.
    let invalid = |e: serde_json::Error| Error::InvalidBody {
        status: StatusCode::BAD_REQUEST,
        reason: format!("it is no scan request, from line {} column {} on", e.line(), e.column()),
    };
    let body: Body = serde_json::from_slice(body).map_err(invalid)?;
    let url: Url = body.registry.url.parse().map_err(|_| field(&"`registry.url` is no URL"))?;
    let registry = registries.named_by(&url);
    let registry = registry.ok_or_else(|| field(&"`registry.url` is no registry of the configuration"))?;
    let digest: Digest =
        body.artifact.digest.parse().map_err(|_| field(&"`artifact.digest` is no sha256 digest"))?;
    let mime_type = body.artifact.mime_type.unwrap_or_else(|| model::OCI_MANIFEST.to_owned());
    let vulnerabilities = body
        .enabled_capabilities
        .filter(|all| !all.is_empty())
        .is_none_or(|all| all.iter().any(|one| one.r#type == "vulnerability"));
    if !vulnerabilities || !CONSUMES.contains(&mime_type.as_str()) {
        let what = if vulnerabilities { mime_type.chars().take(200).collect() } else { "sbom".to_owned() };
        return Err(Error::HarborNotAble { status: StatusCode::NOT_IMPLEMENTED, what });
    }
    let tag = body.artifact.tag.filter(|tag| !tag.is_empty());
    let named = match &tag {
        Some(tag) => format!("{registry}/{}:{tag}@{digest}", body.artifact.repository),
        None => format!("{registry}/{}@{digest}", body.artifact.repository),
    };
    // The grammar of references: nothing else goes into an address of ours.
    let reference: Reference =
        named.parse().map_err(|_| field(&"`artifact.repository` or `artifact.tag` is none"))?;
    let lent = body.registry.authorization.filter(|text| !text.is_empty()).map(Secret::new);
    let asked =
        Asked { registry: registry.to_owned(), repository: reference.repository, digest, tag, mime_type };
    Ok((asked, lent))
}

impl Asked {
    /// Where the image is.
    pub(super) fn location(&self) -> Result<Location> {
        let named = format!("{}/{}@{}", self.registry, self.repository, self.digest);
        Ok(Location::Registry(named.parse()?))
    }

    /// The id: what is asked for, and a seal that only the scanner's secret makes.
    pub(super) fn sealed(&self, secret: &Secret) -> String {
        let said = serde_json::to_vec(self).expect("texts alone");
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(&said),
            hex::encode(seal(&said, secret).finalize().into_bytes())
        )
    }

    /// What an id of ours stands for; none: it is not ours.
    pub(super) fn opened(id: &str, secret: &Secret) -> Option<Self> {
        let (said, sealed) = id.split_once('.').filter(|_| id.len() <= LONGEST_ID)?;
        let said = URL_SAFE_NO_PAD.decode(said).ok()?;
        seal(&said, secret).verify_slice(&hex::decode(sealed).ok()?).ok()?;
        serde_json::from_slice(&said).ok()
    }
}

fn seal(said: &[u8], secret: &Secret) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"harbor scan 1\n");
    mac.update(said);
    mac
}

#[cfg(test)]
mod tests {
    use patchline_registry::RegistryConfig;
    use serde_json::{Value, json};

    use super::*;

    fn registries() -> Registries {
        let config = RegistryConfig { host: "harbor.example".into(), ..RegistryConfig::default() };
        Registries::new([("main".to_owned(), config)].into()).unwrap()
    }

    fn body() -> Value {
        json!({
            "registry": {"url": "https://harbor.example", "authorization": "Basic aHVudGVyMg=="},
            "artifact": {"repository": "library/web", "digest": Digest::of(b"x"), "tag": "v1", "mime_type": model::OCI_MANIFEST},
            "enabled_capabilities": [{"type": "vulnerability", "produces_mime_types": null, "parameters": null}],
        })
    }

    #[test]
    fn an_id_holds_what_was_asked_for_and_nothing_that_was_lent() {
        let (asked, lent) = read(body().to_string().as_bytes(), &registries()).unwrap();
        assert_eq!(lent.as_ref().map(Secret::expose), Some("Basic aHVudGVyMg=="));
        let secret = Secret::new("s");
        let id = asked.sealed(&secret);
        assert_eq!(Asked::opened(&id, &secret), Some(asked.clone()));
        assert_eq!(Asked::opened(&id, &Secret::new("other")), None);
        let (said, seal) = id.split_once('.').unwrap();
        let said = URL_SAFE_NO_PAD.decode(said).unwrap();
        assert!(!String::from_utf8(said).unwrap().contains("aHVudGVyMg"));
        let forged = Asked { repository: "library/other".into(), ..asked };
        let forged = format!("{}.{seal}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(&forged).unwrap()));
        for wrong in [forged.as_str(), "", ".", "a.b", "..", &"x".repeat(9000)] {
            assert_eq!(Asked::opened(wrong, &secret), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_status_and_never_with_the_credential() {
        let ask = |change: &dyn Fn(&mut Value)| {
            let mut body = body();
            change(&mut body);
            read(body.to_string().as_bytes(), &registries()).map(drop).map_err(|error| {
                assert!(!error.to_string().contains("aHVudGVyMg"), "{error}");
                error.status().as_u16()
            })
        };
        assert_eq!(ask(&|_| {}), Ok(()));
        assert_eq!(ask(&|b| b["enabled_capabilities"] = Value::Null), Ok(()));
        assert_eq!(ask(&|b| b["registry"]["url"] = "http://169.254.169.254/".into()), Err(422));
        assert_eq!(ask(&|b| b["registry"]["url"] = "https://harbor.example.evil.test".into()), Err(422));
        assert_eq!(ask(&|b| b["artifact"]["repository"] = "../v2/x".into()), Err(422));
        assert_eq!(ask(&|b| b["artifact"]["tag"] = "a b".into()), Err(422));
        assert_eq!(ask(&|b| b["artifact"]["digest"] = "sha256:1".into()), Err(422));
        assert_eq!(ask(&|b| b["artifact"]["mime_type"] = "application/vnd.wasm".into()), Err(501));
        assert_eq!(ask(&|b| b["enabled_capabilities"][0]["type"] = "sbom".into()), Err(501));
        assert_eq!(ask(&|b| b["registry"]["authorization"] = json!(["aHVudGVyMg"])), Err(400));
        assert_eq!(ask(&|b| drop(b.as_object_mut().unwrap().remove("artifact"))), Err(400));
    }
}
