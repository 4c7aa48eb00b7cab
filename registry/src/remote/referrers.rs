//! Referrers: the API where it is, the `sha256-<hex>` tag where it is not, distribution-spec "Referrers Tag Schema".

use http::{HeaderMap, Method, StatusCode, header};

use super::{endpoint::Call, link, repository::RemoteRepository};
use crate::{
    Descriptor, Digest, Error, Index, ManifestKind, RawManifest, Repository, Result,
    model::{MAX_MANIFEST_BYTES, OCI_INDEX},
};

/// The most pages of referrers that are read.
const MAX_PAGES: usize = 50;

/// The tag under which a registry without the API keeps the list.
pub(crate) fn fallback_tag(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

impl RemoteRepository {
    pub(super) async fn list_referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        const OPERATION: &str = "list referrers";
        let scopes = self.pull();
        let mut found: Vec<Descriptor> = Vec::new();
        let mut url = self.endpoint.url(&format!("{}/referrers/{digest}", self.repository))?;
        for page in 0..MAX_PAGES {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, http::HeaderValue::from_static(OCI_INDEX));
            let call = Call {
                method: Method::GET,
                url: url.clone(),
                operation: OPERATION,
                scopes: &scopes,
                headers,
                body: None,
            };
            let answer = self.endpoint.call(call).await?;
            match answer.response.status() {
                StatusCode::OK => {}
                // The one answer that means "there is no such API": any
                // other error must not look like "nobody refers to this".
                StatusCode::NOT_FOUND if page == 0 => return self.tagged_referrers(digest).await,
                _ => return Err(self.endpoint.error(answer.response, OPERATION).await),
            }
            let next = link::next_page(&answer.url, answer.response.headers());
            let body = self.endpoint.body(answer.response, MAX_MANIFEST_BYTES, "the referrers").await?;
            let index: Index =
                serde_json::from_slice(&body).map_err(|e| self.endpoint.invalid(OPERATION, e.to_string()))?;
            found.extend(index.manifests);
            match next {
                Some(next) => url = next,
                None => return Ok(found),
            }
        }
        Err(self.endpoint.invalid(OPERATION, format!("more than {MAX_PAGES} pages")))
    }

    async fn tagged_referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        match self.manifest(&fallback_tag(digest)).await {
            Ok(raw) => match raw.decode()? {
                ManifestKind::Index(index) => Ok(index.manifests),
                ManifestKind::Image(_) => Ok(Vec::new()),
            },
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            Err(other) => Err(other),
        }
    }

    /// Adds a referrer to its subject's tag, which the registry does not do itself.
    pub(super) async fn add_tagged_referrer(&self, subject: &Digest, referrer: Descriptor) -> Result<()> {
        let _alone = self.endpoint.referrers_tag.lock().await;
        let mut manifests = self.tagged_referrers(subject).await?;
        if manifests.iter().any(|m| m.digest == referrer.digest) {
            return Ok(());
        }
        manifests.push(referrer);
        let index = Index {
            schema_version: 2,
            media_type: Some(OCI_INDEX.to_owned()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: Default::default(),
        };
        let bytes = serde_json::to_vec(&index)
            .map_err(|e| Error::invalid("the list of referrers".to_owned(), e.to_string()))?;
        let raw = RawManifest::new(OCI_INDEX, bytes);
        self.put_manifest(&fallback_tag(subject), &raw).await?;
        Ok(())
    }
}
