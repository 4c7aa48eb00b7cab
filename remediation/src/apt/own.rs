//! Reading the repositories that an image names for itself.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Apt, Home, blocking,
    image::{Asked, Place, Sources},
    index,
    release::Release,
    signed::Signed,
    suite::Suite,
};
use crate::{Error, Result, clock};

/// Suites that are read at once.
const TOGETHER: usize = 4;
/// Bytes of all indexes of one image's own repositories: all of Ubuntu's have about half of it.
pub(super) const MOST_HELD: usize = 1 << 30;

impl Apt {
    /// Fetches and verifies what an image names for itself and a person has mirrored, for an architecture, by dpkg's name;
    /// and what of it is not read, with the reason. Nothing of it is kept in memory: what one image's keys vouch for is no
    /// other's.
    ///
    /// # Errors
    /// One that is mirrored cannot be fetched, verified or read.
    pub(crate) async fn of_image(
        &self,
        sources: &Sources,
        architecture: &str,
    ) -> Result<(Vec<Arc<Suite>>, Vec<String>)> {
        let wanted = sources.asked.iter().filter(|one| one.architectures.have(architecture));
        let reads: Vec<_> = wanted.map(|one| self.read_of_image(one, architecture)).collect();
        let (mut suites, mut unused, mut held) = (Vec::new(), Vec::new(), 0);
        let mut reads = stream::iter(reads).buffered(TOGETHER);
        while let Some((suite, absent)) = reads.try_next().await? {
            unused.extend(absent);
            held += suite.as_ref().map_or(0, |suite| suite.bytes());
            // An image may list what is large again and again.
            if held > self.most_held {
                return Err(Error::Malformed {
                    file: "the image's apt sources".to_owned(),
                    reason: format!("their indexes have more than {} bytes together", self.most_held),
                });
            }
            suites.extend(suite);
        }
        Ok((suites, unused))
    }

    async fn read_of_image(
        &self,
        asked: &Asked,
        architecture: &str,
    ) -> Result<(Option<Arc<Suite>>, Vec<String>)> {
        let (name, base, under) = (&asked.shown, asked.base.address(), asked.suite.under());
        let now = clock::now();
        let signed =
            Signed::fetch(&self.fetchers.others, base, &under, name).await.map_err(|e| e.of(name))?;
        let (keyrings, one) = (self.config.keyrings.clone(), asked.clone());
        let (text, hash) = blocking(name, move || {
            let keyring = one.keyring(&keyrings)?;
            Ok(signed.text(&keyring, now).map(|text| (text, signed.hash())))
        })
        .await?
        .map_err(|reason| Error::Untrusted { suite: name.clone(), reason })?;
        let release = Release::of_image(name, asked.suite.name(), &text, now, self.config.allow_expired)?;
        let origin = index::Origin {
            fetcher: &self.fetchers.others,
            base,
            folder: &self.config.cache,
            suite: name,
            under: &under,
            architecture,
            release: &release,
        };
        let (mut indexes, absent): (Vec<_>, Vec<_>) =
            asked.suite.indexes(architecture).into_iter().partition(|plain| origin.has(plain));
        if release.all_apart && matches!(asked.suite, Place::Suite(..)) {
            let apart = asked.suite.indexes("all").into_iter().filter(|plain| origin.has(plain));
            indexes.extend(apart.filter(|_| architecture != "all"));
        }
        let unused = absent.into_iter().map(|plain| format!("{name} has no {plain}")).collect();
        if indexes.is_empty() {
            return Ok((None, unused));
        }
        let texts = origin.indexes(indexes).await.map_err(|e| e.of(name))?;
        let (shown, date, home) = (name.clone(), release.date.to_string(), Home::Mirror(asked.base.clone()));
        let suite =
            blocking(name, move || Suite::new(&shown, &hash, &date, home, texts).map(Arc::new)).await?;
        Ok((Some(suite), unused))
    }
}
