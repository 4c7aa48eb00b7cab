//! Many inventories, one after the other: packages and heads that they share are read once.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

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
    packages: Packages,
    heads: HashMap<Box<[u8]>, Arc<Known>>,
    /// Ecosystems of operating systems that were met, each once.
    systems: Vec<Option<String>>,
}

/// By number; none: it is not among those that are wanted, in no image. Neither can change.
type Packages = HashMap<i64, Option<Remembered>, BuildHasherDefault<Spread>>;

/// A package that may be wanted, and in images of which systems it is.
struct Remembered {
    package: Arc<Package>,
    /// Places in [`Reader::systems`]: few, for a package of a system is met in that one alone.
    systems: Vec<(usize, bool)>,
}

impl Remembered {
    fn is_wanted(&mut self, system: usize, ask: impl FnOnce(&Package) -> bool) -> bool {
        if let Some((_, wanted)) = self.systems.iter().find(|(asked, _)| *asked == system) {
            return *wanted;
        }
        let wanted = ask(&self.package);
        self.systems.push((system, wanted));
        wanted
    }
}

/// A head that was met, and the place of its system.
struct Known {
    head: Head,
    system: usize,
}

/// Spreads the store's own numbers, which nobody else chooses, over a table: forty thousand are looked up for a hundred
/// images.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing; the table looks at the upper bits and at the lower ones.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
    fn write_i64(&mut self, number: i64) {
        self.write_u64(number as u64);
    }
}

impl<R: Rows> Reader<R> {
    pub(crate) fn new(rows: R, only: Option<Touched>) -> Self {
        let (packages, heads) = (Packages::default(), HashMap::new());
        Self { rows, only, packages, heads, systems: Vec::new() }
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
        let missing_of = |known: &Packages| -> Vec<i64> {
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
                let remembered = || Remembered { package: Arc::new(package), systems: Vec::new() };
                self.packages.insert(number, wanted.then(remembered));
            }
        }
        Ok(())
    }

    /// None: it has nothing of what is wanted.
    fn unpack(&mut self, image: Digest, packed: &Packed<'_>) -> Result<Option<Inventory>> {
        let known = self.head(packed.head)?;
        let system = self.systems.get(known.system).and_then(Option::as_deref);
        let mut found: Vec<(Arc<Package>, usize)> = Vec::new();
        for (number, layer) in packed.packages() {
            match self.packages.get_mut(&number) {
                Some(Some(one)) => {
                    let wanted = match &self.only {
                        Some(only) => one.is_wanted(known.system, |package| only.has(package, system)),
                        None => true,
                    };
                    if wanted {
                        found.push((one.package.clone(), layer));
                    }
                }
                Some(None) => {}
                None => return Err(Error::row(TABLE, format!("its package {number} is not there"))),
            }
        }
        if found.is_empty() && self.only.is_some() {
            return Ok(None);
        }
        let mut inventory = known.head.inventory(image);
        // Of runs of packages that one layer brought.
        let mut last: (usize, Option<Digest>) = (0, None);
        let packages = found.into_iter().map(|(package, layer)| {
            if layer != last.0 {
                last = (layer, packed.layer(layer));
            }
            Package { layer: last.1.clone(), ..(*package).clone() }
        });
        inventory.packages = packages.collect();
        inventory.layers = packed.layers();
        Ok(Some(inventory))
    }

    /// What is said of a whole image.
    fn head(&mut self, packed: &[u8]) -> Result<Arc<Known>> {
        if let Some(known) = self.heads.get(packed) {
            return Ok(known.clone());
        }
        let head = Head::read(packed)?;
        let of = head.inventory(Digest::of(b"")).ecosystem();
        let system = self.systems.iter().position(|met| *met == of).unwrap_or_else(|| {
            self.systems.push(of);
            self.systems.len() - 1
        });
        let known = Arc::new(Known { head, system });
        if self.heads.len() >= limits::HEADS {
            self.heads.clear();
        }
        self.heads.insert(packed.into(), known.clone());
        Ok(known)
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
