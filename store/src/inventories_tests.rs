use std::collections::BTreeMap;

use patchline_scanner::{Digest, Distro, inventory::Evidence};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// An inventory with some of everything, and layers that are not the image's.
fn inventory(packages: &[(u8, Option<u8>)], layers: u8) -> Inventory {
    let layer = |n: u8| Digest::of(&[n]);
    let package = |(n, at): &(u8, Option<u8>)| Package {
        name: format!("lib{n}"),
        version: "1:2.0-1".into(),
        architecture: "amd64".into(),
        source: "lib".into(),
        source_version: "1:2.0-1".into(),
        held: n.is_multiple_of(2),
        layer: at.map(layer),
        purl: format!("pkg:deb/debian/lib{n}"),
        licenses: vec!["MIT".into(); usize::from(n % 3)],
        path: (*n > 9).then(|| format!("usr/lib/{n}\0\u{1F600}")),
        owner: (*n > 12).then(|| "owner".into()),
        evidence: (*n > 9).then_some(Evidence::Installed),
    };
    Inventory {
        image: Digest::of(b"image"),
        platform: serde_json::from_value(json!({"os": "linux", "architecture": "arm64", "variant": "v8"}))
            .expect("platform"),
        distro: Some(Distro {
            id: "debian".into(),
            version_id: Some("12".into()),
            codename: None,
            pretty_name: None,
        }),
        packages: packages.iter().map(package).collect(),
        database: Some("dpkg".into()),
        unread: vec!["rpm".into()],
        incomplete: vec!["a: too large".into()],
        unreadable: Vec::new(),
        layers: (0..layers).map(|n| (layer(n), layer(100 + n))).collect(),
    }
}

/// Rows in memory, for what the databases' own tests do over files and servers.
#[derive(Default)]
struct Rows {
    packages: BTreeMap<i64, Kept>,
    bodies: BTreeMap<String, Vec<u8>>,
}

#[async_trait::async_trait]
impl super::Rows for Rows {
    async fn bodies(&self, images: &[String]) -> Result<Vec<(String, Vec<u8>)>> {
        Ok(images.iter().filter_map(|i| Some((i.clone(), self.bodies.get(i)?.clone()))).collect())
    }
    async fn packages(&self, numbers: &[i64]) -> Result<Vec<(i64, Vec<u8>, String)>> {
        let row = |n: &i64| Some((*n, self.packages.get(n)?.hash.to_vec(), self.packages[n].body.clone()));
        Ok(numbers.iter().filter_map(row).collect())
    }
}

/// Kept under numbers far from each other, in both directions.
fn rows(inventory: &Inventory, step: i64) -> (Rows, Vec<u8>) {
    let kept = kept(inventory).expect("kept");
    let numbers: Vec<i64> =
        kept.iter().map(|one| 1 + step * i64::from(one.hash[0]) + i64::from(one.hash[1])).collect();
    let body = encode(inventory, &numbers).expect("a body");
    let packages = numbers.into_iter().zip(kept).collect();
    (Rows { packages, bodies: [(inventory.image.to_string(), body.clone())].into() }, body)
}

async fn read(rows: Rows, image: &Digest) -> Result<Vec<Inventory>> {
    Reader::new(rows, None).read(&[image.to_string(), "sha256:0".to_owned()]).await
}

proptest! {
    #[test]
    fn what_is_kept_comes_back_in_its_order(
        packages in prop::collection::vec((0..16_u8, prop::option::of(0..9_u8)), 0..60),
        layers in 0..7_u8,
        step in prop::sample::select(vec![1_000_i64, 1 << 40]),
    ) {
        let inventory = inventory(&packages, layers);
        let (rows, _) = rows(&inventory, step);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let back = runtime.block_on(read(rows, &inventory.image)).expect("whole");
        prop_assert_eq!(back, vec![inventory]);
    }

    /// Whatever the bytes are, they are an error or an inventory.
    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&bytes).is_err());
        if bytes.len() > 9 {
            bytes[0] = codec::FORM;
            let sum = Sha256::digest(&bytes[9..]);
            bytes[1..9].copy_from_slice(&sum[..8]);
            if let Ok(Body::Packed(packed)) = open(&bytes) {
                prop_assert!(packed.numbers.len() <= bytes.len());
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_has_rotted_is_an_error_at_every_byte() {
    let inventory = inventory(&[(1, Some(0)), (2, Some(0)), (11, Some(8)), (13, None)], 2);
    let (_, body) = rows(&inventory, 1_000);
    assert!(whole(&body).is_ok());
    for at in 0..body.len() {
        let mut rotten = body.clone();
        rotten[at] ^= 0x10;
        let error = open(&rotten).err().expect("it is noticed");
        assert_eq!(error.code(), "database-corrupt", "byte {at}");
        assert!(open(&body[..at]).is_err(), "cut at {at}");
    }
}

#[tokio::test]
async fn a_package_that_has_rotted_or_gone_is_an_error() {
    let inventory = inventory(&[(1, Some(0)), (2, None)], 1);
    let (mut rows, _) = rows(&inventory, 1_000);
    let number = *rows.packages.keys().next().expect("a package");
    rows.packages.get_mut(&number).expect("it").body.push(' ');
    let bodies = rows.bodies.clone();
    let error = read(rows, &inventory.image).await.expect_err("it does not have its hash");
    assert_eq!(error.code(), "database-corrupt");
    let error = read(Rows { bodies, ..Rows::default() }, &inventory.image).await.expect_err("it is gone");
    assert_eq!(error.code(), "database-corrupt");
}

#[test]
fn images_of_one_base_cost_a_byte_or_two_for_each_package() {
    let packages: Vec<(u8, Option<u8>)> = (0..200).map(|n| (n, Some(n / 100))).collect();
    let inventory = inventory(&packages, 3);
    let numbers: Vec<i64> = (5_000..5_200).collect();
    let body = encode(&inventory, &numbers).expect("a body");
    let without = encode(&Inventory { packages: Vec::new(), ..inventory }, &[]).expect("a body");
    assert!(body.len() - without.len() < 210, "{} bytes", body.len() - without.len());
}
