//! Who reads a layer now: whoever else wants it waits, and then finds its facts.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;
use patchline_registry::Digest;

use crate::{LayerFacts, Result};

/// The right to read a layer. Dropped: it has been read, or given up.
pub struct Claim(#[expect(dead_code, reason = "what is dropped with it")] Option<Box<dyn Any + Send>>);

impl Claim {
    /// Nobody is waited for, and nobody waits.
    pub fn free() -> Self {
        Self(None)
    }
    /// Held as long as that is.
    pub fn held(by: impl Any + Send) -> Self {
        Self(Some(Box::new(by)))
    }
}

type Key = (Digest, String);

/// The layers that one process reads.
#[derive(Default)]
struct Claims(Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>);

impl Claims {
    /// Waits until nobody else in this process reads this layer with these analysers.
    async fn claim(&self, layer: &Digest, analysers: &str) -> Claim {
        let one = self.of((layer.clone(), analysers.to_owned()));
        Claim::held(one.lock_owned().await)
    }

    fn of(&self, key: Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.get(&key).and_then(Weak::upgrade) {
            return one;
        }
        // As many are left as are read at the moment.
        all.retain(|_, one| one.strong_count() > 0);
        let one = Arc::new(tokio::sync::Mutex::new(()));
        all.insert(key, Arc::downgrade(&one));
        one
    }
}

/// Facts of which one process is the only user: two of its scans do not read one layer twice.
pub struct OneReader {
    facts: Arc<dyn LayerFacts>,
    claims: Claims,
}

impl OneReader {
    /// Over what keeps them.
    pub fn new(facts: Arc<dyn LayerFacts>) -> Self {
        Self { facts, claims: Claims::default() }
    }
}

#[async_trait]
impl LayerFacts for OneReader {
    async fn get(&self, layer: &Digest, analysers: &str) -> Result<Option<Vec<u8>>> {
        self.facts.get(layer, analysers).await
    }
    async fn put(&self, layer: &Digest, analysers: &str, facts: &[u8]) -> Result<()> {
        self.facts.put(layer, analysers, facts).await
    }
    async fn claim(&self, layer: &Digest, analysers: &str) -> Result<Claim> {
        Ok(self.claims.claim(layer, analysers).await)
    }
    fn beside(&self, layer: &Digest) -> Option<super::Beside> {
        self.facts.beside(layer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn one_reads_and_the_others_wait() {
        let (claims, reading) = (Claims::default(), AtomicUsize::new(0));
        let layer = Digest::of(b"a layer");
        let one = || async {
            let _claim = claims.claim(&layer, "all/1").await;
            assert_eq!(reading.fetch_add(1, Ordering::SeqCst), 0);
            tokio::task::yield_now().await;
            reading.fetch_sub(1, Ordering::SeqCst);
        };
        futures::future::join_all((0..10).map(|_| one())).await;
        let _held = claims.claim(&layer, "all/1").await;
        // Another layer, or other analysers, are no reason to wait.
        let _others = (claims.claim(&Digest::of(b"b"), "all/1").await, claims.claim(&layer, "all/2").await);
        assert!(claims.0.lock().unwrap().len() <= 3);
    }
}
