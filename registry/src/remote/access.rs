//! Pulling by somebody else, and with what somebody else lends: tokens that are good for one repository, for a while.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::Url;

use super::{Registries, Secret, Shared, auth, repository::RemoteRepository};
use crate::{Digest, Error, Repository as _, Result};

/// An `Authorization` longer than this is none.
const LONGEST: usize = 64 << 10;

/// What another program needs to pull from one repository. It holds no credential of ours: where the registry takes
/// nothing but a standing password, there is no access to hand out.
#[derive(Debug, Clone)]
pub struct PullAccess {
    /// `https://registry.example/`
    pub base: Url,
    /// `shop/web`
    pub repository: String,
    /// The whole `Authorization` header, `Bearer …`; none: the registry asks for nothing.
    pub authorization: Option<Secret>,
}

impl RemoteRepository {
    /// See [`crate::Repository::pull_access`].
    pub(super) async fn lend_pull(&self, probe: &Digest) -> Result<PullAccess> {
        let scopes = self.pull();
        // What was asked for a while ago may end before the other one has begun.
        self.endpoint.auth.forget(&scopes);
        if !self.has_blob(probe).await? {
            return Err(Error::NotFound { what: format!("blob {probe}"), repository: self.name() });
        }
        let header = self.endpoint.auth.header(&self.endpoint.clients.calls, &scopes).await?;
        let authorization = match header.as_ref().map(|value| value.to_str()) {
            None => None,
            Some(Ok(text)) if text.starts_with("Bearer ") => Some(Secret::new(text)),
            Some(_) => {
                let registry = self.endpoint.host.clone();
                return Err(Error::Unsupported { registry, operation: "handing out a token for pulling" });
            }
        };
        Ok(PullAccess {
            base: self.endpoint.base.clone(),
            repository: self.repository.clone(),
            authorization,
        })
    }
}

impl Registries {
    /// The configured name of the registry at an address, by host and port; none: it is not configured.
    pub fn named_by(&self, url: &Url) -> Option<&str> {
        let scheme = url.scheme();
        if !matches!(scheme, "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let same = |host: &str| {
            Url::parse(&format!("{scheme}://{host}/")).is_ok_and(|known| known.origin() == url.origin())
        };
        self.shared.by_name.iter().find(|(_, config)| same(&config.host)).map(|(name, _)| name.as_str())
    }

    /// One of these registries, reached with what somebody lends in place of the configured credentials: the value of
    /// an `Authorization` header, `Basic …` or `Bearer …`. It goes where configured credentials would go, and is
    /// kept nowhere else.
    ///
    /// # Errors
    /// [`Error::UnknownRegistry`]; [`Error::InvalidDocument`] for a header that is none, which is not repeated.
    pub fn lent(&self, name: &str, authorization: &Secret) -> Result<Self> {
        let known = self.shared.by_name.get(name);
        let mut config = known.ok_or_else(|| Error::UnknownRegistry(name.to_owned()))?.clone();
        config.credentials = None;
        let invalid = || Error::invalid("the lent authorization", "it is neither `Basic …` nor `Bearer …`");
        let text = authorization.expose();
        let (scheme, value) = text.split_once(' ').filter(|_| text.len() <= LONGEST).ok_or_else(invalid)?;
        let mut lent = None;
        if scheme.eq_ignore_ascii_case("basic") {
            let pair = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let (user, password) =
                pair.as_deref().and_then(|pair| pair.split_once(':')).ok_or_else(invalid)?;
            config.credentials = Some((user.to_owned(), Secret::new(password)));
        } else if scheme.eq_ignore_ascii_case("bearer") {
            lent = Some(auth::sensitive(&format!("Bearer {}", value.trim())).ok_or_else(invalid)?);
        } else {
            return Err(invalid());
        }
        let by_name = [(name.to_owned(), config)].into();
        let (http, endpoints) = (self.shared.http.clone(), Default::default());
        Ok(Self { shared: Shared { by_name, http, lent, endpoints }.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RegistryConfig;

    fn registries() -> Registries {
        let config = |host: &str| RegistryConfig { host: host.into(), ..RegistryConfig::default() };
        let by_name = [("main", "harbor.example"), ("lab", "127.0.0.1:5000")];
        Registries::new(by_name.map(|(name, host)| (name.to_owned(), config(host))).into()).unwrap()
    }

    #[test]
    fn a_registry_is_known_by_its_whole_host_and_port() {
        let all = registries();
        let named = |url: &str| all.named_by(&url.parse().unwrap()).map(str::to_owned);
        assert_eq!(named("https://harbor.example"), Some("main".into()));
        assert_eq!(named("https://HARBOR.example:443/v2/"), Some("main".into()));
        assert_eq!(named("http://127.0.0.1:5000/"), Some("lab".into()));
        for other in [
            "https://harbor.example.evil.test",
            "https://harbor.example:444",
            "http://127.0.0.1/",
            "http://169.254.169.254/",
            "https://main/",
            "ftp://harbor.example/",
            "https://a:b@harbor.example/",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_lent_is_a_header_and_is_never_repeated() {
        let all = registries();
        let pair = STANDARD.encode("robot$a:hunter2");
        for good in [format!("Basic {pair}"), "Bearer abc.def".into(), format!("basic {pair}")] {
            assert!(all.lent("main", &Secret::new(good)).is_ok());
        }
        for bad in ["", "hunter2", "Basic hunter2", "Digest hunter2", "Bearer hunter2\n"] {
            let error = all.lent("main", &Secret::new(bad)).err();
            let said = format!("{error:?}");
            assert!(bad.ends_with('\n') || error.is_some(), "{bad:?}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert!(all.lent("other", &Secret::new("Bearer a")).is_err());
    }
}
