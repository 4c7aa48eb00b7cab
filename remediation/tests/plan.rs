//! Plans as people handle them: read, kept, edited, handed back, and kept from what they shall not touch; over an apk
//! repository and images that the test makes itself.

#![allow(clippy::unwrap_used, reason = "a test: it may fail, and says what it saw")]

#[allow(dead_code, reason = "each suite uses its part")]
mod alpine;

use alpine::{Image, Place, Scan, Signer, Spec, program, repository, serve, spec};
use patchline_registry::Digest;
use patchline_remediation::{
    Draft, Edited, Fixed, Remediator, Result, Selection, UpgradePolicy,
    advise::{Advice, Dockerfile},
};
use serde_json::{Value, json};

const ADDRESS: &str = "https://packages.example.test/alpine/v3.20/main\n";
/// `other` has no newer version anywhere.
const FIXED: &[(&str, &str)] = &[("tool", "1.0-r2"), ("libtool1", "1.0-r1"), ("other", "8-r0")];

fn library(version: &'static str) -> Spec {
    spec("libtool1", version, vec![("usr/lib/libtool.so.1", program(version))])
}

fn tool(version: &'static str, depends: &'static str) -> Spec {
    Spec { depends, ..spec("tool", version, vec![("usr/bin/tool", program(version))]) }
}

/// An image with old packages, and a repository with these.
async fn place(offered: &[Spec]) -> (Place, Digest, Scan) {
    let signer = Signer::new("dist@example.test-1.rsa.pub");
    let place = Place::new(&serve(repository(&signer, offered, false)).await, &[&signer]);
    let image = Image {
        installed: vec![
            library("1.0-r0"),
            tool("1.0-r0", "libtool1"),
            spec("other", "7-r0", vec![("usr/bin/other", program("7"))]),
        ],
        world: "tool\nother\n",
        repositories: ADDRESS,
        key: None,
        later: Vec::new(),
    };
    let digest = place.image("1", &image).await;
    let scan = place.scan(&digest, FIXED).await;
    (place, digest, scan)
}

async fn draft(place: &Place, by: &Remediator, image: &Digest, scan: &Scan) -> Result<Draft> {
    let sets = [&scan.advisories];
    by.draft(&place.request(image, scan, &sets, UpgradePolicy::Minimal)).await
}

/// What a person makes of a plan, handed back and carried out.
async fn handed(place: &Place, image: &Digest, scan: &Scan, plan: &Value) -> Result<Vec<(String, String)>> {
    let chosen = Edited::read(&serde_json::to_vec(plan).unwrap())?.of(image)?;
    let by = place.remediator.clone().following(chosen);
    let sets = [&scan.advisories];
    let fixed = by.build(&place.request(image, scan, &sets, UpgradePolicy::Minimal)).await?;
    let Fixed::Image(fixed) = fixed else { panic!("a plan with upgrades changes something") };
    let tree = {
        by.push(&*place.images, &fixed, None).await.unwrap();
        place.unpacked(&fixed.manifest.digest).await
    };
    assert_eq!(alpine::audit(&tree), Vec::<String>::new());
    Ok(went(&fixed.plan.upgrades))
}

fn went(upgrades: &[patchline_remediation::Upgrade]) -> Vec<(String, String)> {
    upgrades.iter().map(|u| (u.package.clone(), u.to.clone())).collect()
}

fn named(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_all_of_it_and_comes_back_edited() {
    let offered = [library("1.0-r1"), tool("1.0-r2", "libtool1"), tool("1.1-r0", "libtool1")];
    let (place, image, scan) = place(&offered).await;
    let draft = draft(&place, &place.remediator, &image, &scan).await.unwrap();
    assert_eq!(went(&draft.plan.upgrades), named(&[("libtool1", "1.0-r1"), ("tool", "1.0-r2")]));
    for upgrade in &draft.plan.upgrades {
        assert_eq!(upgrade.repository, "packages.example.test/alpine/v3.20/main");
        assert!(upgrade.size > 0 && upgrade.mends.len() == 1 && !upgrade.along, "{upgrade:?}");
    }
    assert_eq!(draft.download, draft.plan.upgrades.iter().map(|u| u.size).sum::<u64>());
    assert_eq!(draft.system.as_deref(), Some("Alpine Linux v3.20"));
    let end = draft.end_of_life.as_ref().unwrap();
    assert_eq!(end.to_string(), "Alpine 3.20 gets no security updates since 2026-04-01");
    let stays: Vec<_> = draft.stays.iter().map(|s| (s.source.as_str(), s.code.as_str())).collect();
    assert_eq!(stays, [("other", "end-of-life")]);

    // As it is written, and as a person changes it.
    let plan = serde_json::to_value(&draft).unwrap();
    let all = handed(&place, &image, &scan, &plan).await.unwrap();
    assert_eq!(all, named(&[("libtool1", "1.0-r1"), ("tool", "1.0-r2")]));
    let mut fewer = plan.clone();
    fewer["plan"]["upgrades"].as_array_mut().unwrap().remove(0);
    assert_eq!(handed(&place, &image, &scan, &fewer).await.unwrap(), named(&[("tool", "1.0-r2")]));
    fewer["plan"]["upgrades"][0]["to"] = json!("1.1-r0");
    assert_eq!(handed(&place, &image, &scan, &fewer).await.unwrap(), named(&[("tool", "1.1-r0")]));

    for (to, from, said) in [
        ("1.2-r0", "1.0-r0", "no verified repository has tool 1.2-r0"),
        ("1.0-r0", "1.0-r0", "no verified repository has tool 1.0-r0"),
        ("1.0-r2", "0.9-r0", "tool 0.9-r0 is not installed"),
    ] {
        fewer["plan"]["upgrades"][0]["to"] = json!(to);
        fewer["plan"]["upgrades"][0]["from"] = json!(from);
        let error = handed(&place, &image, &scan, &fewer).await.unwrap_err();
        assert_eq!(error.code(), "fix-plan-refused");
        assert!(error.to_string().contains(said), "{error}");
    }
    let mut other = plan.clone();
    other["image"] = json!(Digest::of(b"another"));
    assert_eq!(handed(&place, &image, &scan, &other).await.unwrap_err().code(), "fix-plan-of-another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_whose_upgrades_need_more_is_refused() {
    let (place, image, scan) = place(&[library("1.0-r1"), tool("1.0-r2", "libtool1>=1.0-r1")]).await;
    let draft = draft(&place, &place.remediator, &image, &scan).await.unwrap();
    let mut plan = serde_json::to_value(&draft).unwrap();
    plan["plan"]["upgrades"].as_array_mut().unwrap().remove(0);
    let error = handed(&place, &image, &scan, &plan).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plan does not hold: tool: tool 1.0-r2 needs libtool1>=1.0-r1, and libtool1 stays: libtool1 1.0-r1 is not in \
         the plan"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_stays_and_so_does_what_needs_it() {
    let (place, image, scan) = place(&[library("1.0-r1"), tool("1.0-r2", "libtool1>=1.0-r1")]).await;
    let denying = |entries: &[&str]| {
        place.remediator.clone().denying(entries.iter().map(|entry| entry.parse().unwrap()))
    };
    let refused = |draft: &Draft| -> Vec<(String, String)> {
        draft.plan.refused.iter().map(|r| (r.package.clone(), r.code.clone())).collect()
    };
    let one = draft(&place, &denying(&["libtool1"]), &image, &scan).await.unwrap();
    assert_eq!(went(&one.plan.upgrades), []);
    let codes = [("libtool1", "deny-listed"), ("other", "end-of-life"), ("tool", "deny-listed")];
    assert_eq!(refused(&one), named(&codes));
    let reason = &one.plan.refused[2].reason;
    assert_eq!(
        reason,
        "tool 1.0-r2 needs libtool1>=1.0-r1, and libtool1 stays: kept back: libtool1 is on the deny-list"
    );
    let version = draft(&place, &denying(&["libtool1=1.0-r1"]), &image, &scan).await.unwrap();
    assert_eq!(refused(&version), named(&codes));
    let tool = draft(&place, &denying(&["to*l"]), &image, &scan).await.unwrap();
    assert_eq!(went(&tool.plan.upgrades), named(&[("libtool1", "1.0-r1")]));

    // Chosen packages, too, and what a denied one is called in an edited plan.
    let sets = [&scan.advisories];
    let mut request = place.request(&image, &scan, &sets, UpgradePolicy::Minimal);
    request.select = Selection { packages: vec!["libtool1".into()], ..Selection::all() };
    let chosen = place.remediator.draft(&request).await.unwrap();
    assert_eq!(went(&chosen.plan.upgrades), named(&[("libtool1", "1.0-r1")]));
    let stays: Vec<_> = chosen.stays.iter().map(|s| (s.source.as_str(), s.code.as_str())).collect();
    assert_eq!(stays, [("tool", "not-selected"), ("other", "not-selected")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn advice_is_about_the_rest() {
    let scripted = Spec {
        scripts: vec![("post-upgrade", "#!/bin/sh\n/usr/sbin/adduser x\n")],
        ..tool("1.0-r2", "libtool1")
    };
    let (place, image, scan) = place(&[library("1.0-r1"), scripted]).await;
    let draft = draft(&place, &place.remediator, &image, &scan).await.unwrap();
    let advice = Advice::of(&draft, None);
    assert_eq!(advice.mendable, 1);
    let told: Vec<_> = advice.changes.iter().map(|c| (c.package.as_str(), c.code.as_str())).collect();
    assert_eq!(told, [("other", "end-of-life"), ("tool", "script-needs-sandbox")]);
    let dockerfile = Dockerfile::read(b"FROM alpine:3.20\nCMD [\"tool\"]\n").unwrap();
    let (patch, _) = dockerfile.patch("Dockerfile", &advice);
    assert_eq!(
        patch,
        "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1,2 +1,3 @@\n FROM alpine:3.20\n+RUN apk upgrade --no-cache tool\n \
         CMD [\"tool\"]\n"
    );
}
