//! Many inventories, one after the other: packages and heads that they share are read once.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use patchline_scanner::{BoxError, Digest, Inventory, Package, advisories::Touched, rematch::Reading};

use super::{Body, PACKAGES, Packed, TABLE, codec::Head, limits, open, package};
use crate::{Error, column::digest, error::Result};

/// What is asked of a database.
#[async_trait]
pub(crate) trait Rows: Send + Sync + 'static {
    /// Images with their bodies, as far as they are there.
    async fn bodies(&self, images: &[String]) -> Result<Vec<(String, Vec<u8>)>>;
    /// Numbers, hashes and bodies of packages.
    async fn packages(&self, numbers: &[i64]) -> Result<Vec<(i64, Vec<u8>, String)>>;
}

/// Reads inventories over a database.
pub(crate) struct Reader<R> {
    rows: R,
    only: Option<Touched>,
    /// By number; none: it is not among those that are wanted, in no image. Neither can change.
    packages: HashMap<i64, Option<Arc<Package>>>,
    heads: HashMap<Box<[u8]>, Arc<Head>>,
}

impl<R: Rows> Reader<R> {
    pub(crate) fn new(rows: R, only: Option<Touched>) -> Self {
        Self { rows, only, packages: HashMap::new(), heads: HashMap::new() }
    }

    pub(crate) async fn read(&mut self, images: &[String]) -> Result<Vec<Inventory>> {
        let rows = self.rows.bodies(images).await?;
        let mut bodies: Vec<(Digest, Body<'_>)> = Vec::with_capacity(rows.len());
        for (image, body) in &rows {
            bodies.push((digest(TABLE, image)?, open(body)?));
        }
        self.learn(&bodies).await?;
        let mut inventories = Vec::with_capacity(bodies.len());
        for (image, body) in bodies {
            let inventory = match body {
                Body::Packed(packed) => self.unpack(image, &packed)?,
                Body::Whole(mut whole) => {
                    if let Some(only) = &self.only {
                        only.cut(&mut whole);
                    }
                    Some(*whole)
                }
            };
            let wanted = |i: &Inventory| self.only.is_none() || !i.packages.is_empty();
            inventories.extend(inventory.filter(wanted));
        }
        Ok(inventories)
    }

    /// Reads the packages that are not known.
    async fn learn(&mut self, bodies: &[(Digest, Body<'_>)]) -> Result<()> {
        // Forty thousand of a hundred images, most of them known: each is asked for once, and nothing is sorted for it.
        let missing_of = |known: &HashMap<i64, Option<Arc<Package>>>| -> Vec<i64> {
            let all = bodies.iter().flat_map(|(_, body)| match body {
                Body::Packed(packed) => packed.numbers.as_slice(),
                Body::Whole(_) => &[],
            });
            let mut missing: Vec<i64> = all.copied().filter(|number| !known.contains_key(number)).collect();
            missing.sort_unstable();
            missing.dedup();
            missing
        };
        let mut missing = missing_of(&self.packages);
        if self.packages.len() + missing.len() > limits::REMEMBERED {
            self.packages.clear();
            missing = missing_of(&self.packages);
        }
        for numbers in missing.chunks(limits::ASKED) {
            for (number, hash, body) in self.rows.packages(numbers).await? {
                let package = package(&hash, &body)?;
                let wanted = self.only.as_ref().is_none_or(|only| only.may_have(&package));
                self.packages.insert(number, wanted.then(|| Arc::new(package)));
            }
        }
        Ok(())
    }

    /// None: it has nothing of what is wanted.
    fn unpack(&mut self, image: Digest, packed: &Packed<'_>) -> Result<Option<Inventory>> {
        let mut found: Vec<(&Arc<Package>, usize)> = Vec::new();
        for (number, layer) in packed.packages() {
            match self.packages.get(&number) {
                Some(Some(package)) => found.push((package, layer)),
                Some(None) => {}
                None => return Err(Error::row(TABLE, format!("its package {number} is not there"))),
            }
        }
        if found.is_empty() && self.only.is_some() {
            return Ok(None);
        }
        let head = match self.heads.get(packed.head) {
            Some(head) => head.clone(),
            None => {
                let head = Arc::new(Head::read(packed.head)?);
                if self.heads.len() >= limits::HEADS {
                    self.heads.clear();
                }
                self.heads.insert(packed.head.into(), head.clone());
                head
            }
        };
        let mut inventory = head.inventory(image);
        if let Some(only) = &self.only {
            let system = inventory.ecosystem();
            found.retain(|(package, _)| only.has(package, system.as_deref()));
        }
        let packages = found.into_iter().map(|(package, layer)| {
            let layer = packed.layer(layer);
            Package { layer, ..(**package).clone() }
        });
        inventory.packages = packages.collect();
        inventory.layers = packed.layers();
        Ok(Some(inventory))
    }
}

#[async_trait]
impl<R: Rows> Reading for Reader<R> {
    async fn some(&mut self, images: &[Digest]) -> Result<Vec<Inventory>, BoxError> {
        let images: Vec<String> = images.iter().map(ToString::to_string).collect();
        Ok(self.read(&images).await?)
    }
}

/// The numbers of packages that are kept under these hashes, in order.
pub(crate) fn in_order(hashes: &[[u8; 32]], rows: Vec<(i64, Vec<u8>)>) -> Result<Vec<i64>> {
    let known: HashMap<Vec<u8>, i64> = rows.into_iter().map(|(number, hash)| (hash, number)).collect();
    let number = |hash: &[u8; 32]| known.get(hash.as_slice()).copied();
    let found = |hash| number(hash).ok_or_else(|| Error::row(PACKAGES, "what was just kept is not there"));
    hashes.iter().map(found).collect()
}
