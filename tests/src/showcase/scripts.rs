//! What the showcase's workbench says of two images, and of what can be mended in one.

use async_trait::async_trait;
use patchline_registry::Digest;
use patchline_remediation::{
    Draft, Error as RemediationError, Stay,
    diff::{Change, Changes, Difference, FileChange, Side},
};
use patchline_server::{
    Result,
    bench::{Ask, Bench, Spot},
};

use super::{AFTER, BEFORE, HOSTILE, Row, inventory, plan, report};

/// Comparisons and plans that say what they are told to. Those of `shop/slow` are never done, and `shop/broken` cannot
/// be planned for.
pub struct Scripts;

#[async_trait]
impl Bench for Scripts {
    async fn changes(&self, before: Spot, after: Spot) -> Result<Changes> {
        if before.repository.name().ends_with("shop/slow") {
            std::future::pending::<()>().await;
        }
        let file = |path: &str, change, what: &[&'static str], size| FileChange {
            path: path.into(),
            change,
            what: what.to_vec(),
            size,
        };
        let layer = |name: &str| Digest::of(name.as_bytes());
        let image = Difference {
            before: Side {
                digest: before.manifest.clone(),
                size: 48_200_000,
                layers: vec![layer("base")],
                files: 3120,
            },
            after: Side {
                digest: after.manifest.clone(),
                size: 51_400_000,
                layers: vec![layer("base"), layer("patch")],
                files: 3121,
            },
            shared: 1,
            files: vec![
                file(
                    "usr/lib/x86_64-linux-gnu/libssl.so.3",
                    Change::Changed,
                    &["content"],
                    (692_256, 694_304),
                ),
                file(&format!("usr/share/{HOSTILE}"), Change::Added, &[], (0, 812)),
                file("usr/share/zoneinfo/Factory", Change::Removed, &[], (114, 0)),
            ],
        };
        let (old, new) = (inventory(&before.manifest, false), inventory(&after.manifest, true));
        let (was, is) = (report(&before.manifest, BEFORE), report(&after.manifest, AFTER));
        Ok(Changes::of((&old, &was), (&new, &is), image))
    }

    async fn draft(&self, ask: Ask) -> Result<Draft> {
        let name = ask.spot.repository.name();
        if name.ends_with("shop/slow") {
            std::future::pending::<()>().await;
        }
        if name.ends_with("shop/broken") {
            return Err(RemediationError::UnsupportedSystem {
                system: format!("Plan 9 {HOSTILE}"),
                reason: "nobody has packages for it".into(),
            }
            .into());
        }
        let stay = |row: &Row, code: &str, reason: &str| Stay {
            id: row.0.into(),
            severity: row.5,
            ecosystem: "Debian:12".into(),
            source: row.1.into(),
            packages: row.2.iter().map(|p| (*p).to_owned()).collect(),
            paths: Vec::new(),
            installed: row.3.into(),
            fixed: row.4.map(str::to_owned),
            code: code.into(),
            reason: reason.into(),
        };
        let mut plan = plan();
        for (at, up) in plan.upgrades.iter_mut().enumerate() {
            up.size = 118_000 * (at as u64 + 1);
        }
        if let Some(up) = plan.upgrades.iter_mut().find(|up| up.package == "libc-bin") {
            (up.along, up.mends) = (true, Vec::new());
        }
        if let Some(up) = plan.upgrades.iter_mut().find(|up| up.package == "tzdata") {
            up.executor = patchline_remediation::Executor::Sandbox;
            up.because = "its postinst asks debconf".into();
        }
        let stays = AFTER.iter().map(|row| match row.1 {
            "shadow" => stay(row, "not-in-repository", "no repository that was read has it"),
            _ => stay(row, "no-fix", "no advisory names a fixed version"),
        });
        Ok(Draft {
            version: 1,
            image: ask.spot.manifest.clone(),
            origin: ask.spot.manifest,
            system: Some("Debian GNU/Linux 12 (bookworm)".into()),
            end_of_life: None,
            download: plan.upgrades.iter().map(|up| up.size).sum(),
            plan,
            stays: stays.collect(),
        })
    }
}
