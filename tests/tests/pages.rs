//! Each page in a real Chromium: light and dark, a desk and a telephone, with a screenshot kept of each.

use std::time::Duration;

use patchline_engine::{RunId, RunResult, RunView};
use patchline_tests::{
    showcase::Showcase,
    webdriver::{Browser, screenshots},
};
use serde_json::json;

async fn finished(showcase: &Showcase, run: &RunId) -> RunView {
    tokio::time::timeout(Duration::from_secs(60), showcase.engine.finished(run)).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_in_a_real_browser() {
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let url = showcase.url.clone();

    // Empty first: each page says what to do.
    browser.viewport(1280, 800).await;
    for (path, said) in [
        ("/", "No run yet"),
        ("/runs", "No run yet"),
        ("/images", "No image yet"),
        ("/outbox", "Every message was delivered"),
    ] {
        browser.goto(&format!("{url}{path}")).await;
        assert!(browser.text().await.contains(said), "{path}: {}", browser.text().await);
    }
    browser.screenshot(&screenshots().join("empty.png")).await;

    let web = showcase.push("shop/web", "v1").await;
    let broken = showcase.push("shop/broken", "v2").await;
    let mended = finished(&showcase, &showcase.run_of(&web).await.id).await;
    assert_eq!(mended.result, Some(RunResult::Remediated), "{mended:?}");
    let failed = finished(&showcase, &showcase.run_of(&broken).await.id).await;
    assert_eq!(failed.result, Some(RunResult::Failed));
    let slow = showcase.push("shop/slow", "v3").await;
    let running = showcase.run_of(&slow).await;

    let pages = [
        ("overview", "/".to_owned(), "shop/slow:v3"),
        ("runs", "/runs".into(), "Mended"),
        ("run", format!("/runs/{}", mended.id), "dingtalk-310000"),
        ("run-gate", format!("/runs/{}?step=gate", mended.id), "8 findings have severity high"),
        ("run-failed", format!("/runs/{}", failed.id), "layer-unreadable"),
        ("run-live", format!("/runs/{}", running.id), "Cancel run"),
        ("images", "/images".into(), "shop/web:v1_fixed"),
        ("image", format!("/images/{web}"), "12 findings, 11 packages, 10 mendable"),
        ("compare", format!("/images/{web}/compare"), "/usr/share/zoneinfo/Factory"),
        ("chains", "/chains".into(), "Gate what the web team ships"),
        ("outbox", "/outbox".into(), "dingtalk-310000"),
        ("missing", format!("/images/sha256:{}", "0".repeat(64)), "image-unseen"),
    ];
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        for (width, height) in [(1280, 800), (360, 740)] {
            browser.viewport(width, height).await;
            for (name, path, said) in &pages {
                browser.goto(&format!("{url}{path}")).await;
                let text = browser.text().await;
                assert!(text.contains(said), "{name} says no `{said}`: {text}");
                let file = screenshots().join(format!("{name}-{scheme}-{width}.png"));
                browser.screenshot(&file).await;
                let overflow =
                    browser.script("return document.documentElement.scrollWidth - innerWidth").await;
                assert!(overflow.as_i64().unwrap() <= 0, "{name} at {width} px is {overflow} px too wide");
                assert_eq!(
                    browser.script("return window.hit ?? null").await,
                    json!(null),
                    "{name} ran a stranger's script"
                );
                let elsewhere = "return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))";
                assert_eq!(browser.script(elsewhere).await, json!([]), "{name} asks another host");
                let dark =
                    browser.script("return getComputedStyle(document.documentElement).colorScheme").await;
                assert_eq!(dark, json!(scheme), "{name}");
            }
        }
    }

    // Gold is the mended edge, and it is there.
    browser.viewport(1280, 800).await;
    browser.goto(&format!("{url}/images/{web}/compare")).await;
    let seam = "return getComputedStyle(document.querySelector('.pair'), '::before').backgroundColor";
    assert_eq!(browser.script(seam).await, json!("rgb(224, 175, 58)"));

    // The switch wins over the system, and is kept.
    browser.script("document.getElementById('theme').click()").await;
    browser.goto(&format!("{url}/runs")).await;
    assert_eq!(browser.script("return document.documentElement.dataset.theme").await, json!("light"));

    // Keys: `/` searches, an arrow moves.
    let press = |key: &str| {
        format!(
            "(document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true, cancelable: true}}))"
        )
    };
    browser.script(&press("/")).await;
    assert_eq!(browser.script("return document.activeElement.name").await, json!("q"));
    browser.script(&press("ArrowDown")).await;
    assert_eq!(browser.script("return document.activeElement.tagName").await, json!("TR"));

    // Chinese, by the address, then by the cookie.
    browser.goto(&format!("{url}/runs?lang=zh")).await;
    assert!(browser.text().await.contains("已修复"));
    browser.goto(&format!("{url}/")).await;
    assert!(browser.text().await.contains("当前被拦截"), "{}", browser.text().await);
    browser.screenshot(&screenshots().join("overview-zh.png")).await;
    browser.goto(&format!("{url}/?lang=en")).await;

    // A run on the page changes while one looks, without a reload.
    browser.goto(&format!("{url}/runs/{}", running.id)).await;
    browser.script("window.stays = 1; document.querySelector('[data-post$=\"/cancel\"]').click()").await;
    browser.wait_for("return document.querySelector('.verdict').innerText.includes('Cancelled')").await;
    browser
        .wait_for("return document.querySelector('.graph-right .node').classList.contains('state-cancelled')")
        .await;
    assert_eq!(browser.script("return window.stays").await, json!(1));
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_answers_on_the_page() {
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let digest = showcase.push("asked/web", "v1").await;
    let run = showcase.run_of(&digest).await;
    let page = format!("{}/runs/{}", showcase.url, run.id);
    for (scheme, width, height) in [("light", 1280, 800), ("dark", 360, 740)] {
        browser.prefer(scheme).await;
        browser.viewport(width, height).await;
        browser.goto(&page).await;
        browser.wait_for("return !!document.querySelector('form.ask')").await;
        let text = browser.text().await;
        assert!(text.contains("ship asked/web:v1? <img src=x") && text.contains("Approve"), "{text}");
        assert_eq!(browser.script("return window.hit ?? null").await, json!(null), "a stranger's script ran");
        let overflow = browser.script("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(overflow.as_i64().unwrap() <= 0, "the question at {width} px is {overflow} px too wide");
        browser.screenshot(&screenshots().join(format!("run-asked-{scheme}-{width}.png"))).await;
    }
    // Without a name nothing is sent.
    browser.script("document.querySelector('form.ask button[value=approve]').click()").await;
    assert!(showcase.engine.run(&run.id).await.unwrap().steps[0].decide_by.is_some());
    let fill = "for (const [name, text] of [['by', 'ana'], ['reason', 'looked at it']]) \
                document.querySelector(`form.ask [name=${name}]`).value = text;";
    browser.script(fill).await;
    browser.script("document.querySelector('form.ask button[value=approve]').click()").await;
    let ended = finished(&showcase, &run.id).await;
    assert_eq!(ended.result, Some(RunResult::Passed));
    assert_eq!(ended.steps[0].decision.as_ref().unwrap().to_string(), "approved by ana: looked at it");
    browser.wait_for("return document.querySelector('.verdict').innerText.includes('Passed')").await;
    browser.wait_for("return !document.querySelector('form.ask button[value=approve]')").await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_chooses_on_the_page() {
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let url = showcase.url.clone();
    let web = showcase.push("shop/web", "v1").await;
    finished(&showcase, &showcase.run_of(&web).await.id).await;
    let broken = showcase.push("shop/broken", "v1").await;
    finished(&showcase, &showcase.run_of(&broken).await.id).await;

    // From the image's page to its plan.
    browser.viewport(1280, 800).await;
    browser.goto(&format!("{url}/images/{web}")).await;
    browser.script("document.querySelector('form[action$=\"/plans\"] button').click()").await;
    browser.wait_for("return !!document.querySelector('#choice')").await;
    let page = browser.script("return location.pathname").await.as_str().unwrap().to_owned();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        for (width, height, lang) in [(1280, 800, "en"), (360, 740, "en"), (1280, 800, "zh")] {
            browser.viewport(width, height).await;
            browser.goto(&format!("{url}{page}?lang={lang}")).await;
            let text = browser.text().await;
            let said = if lang == "en" { "Mend with this choice" } else { "按此选择修复" };
            assert!(text.contains(said) && text.contains("3.0.17-1~deb12u2"), "{text}");
            assert!(
                text.contains("its postinst asks debconf") && text.contains("not-in-repository"),
                "{text}"
            );
            let file = screenshots().join(format!("plan-{lang}-{scheme}-{width}.png"));
            browser.screenshot(&file).await;
            let overflow = browser.script("return document.documentElement.scrollWidth - innerWidth").await;
            assert!(overflow.as_i64().unwrap() <= 0, "the plan at {width} px is {overflow} px too wide");
            assert_eq!(
                browser.script("return window.hit ?? null").await,
                json!(null),
                "a stranger's script ran"
            );
        }
    }
    browser.goto(&format!("{url}{page}?lang=en")).await;

    // All off, then one source on: the bar counts, and nothing is started without a tick.
    let bar = "return document.querySelector('[data-chosen]').innerText";
    let all = browser.script("return document.querySelectorAll('input[name=up]').length").await;
    assert_eq!(browser.script(bar).await, json!(format!("{all} of {all} chosen")));
    browser.script("document.querySelector('[data-all]').click()").await;
    assert_eq!(browser.script(bar).await, json!(format!("0 of {all} chosen")));
    assert_eq!(browser.script("return document.querySelector('#choice button').disabled").await, json!(true));
    let pick = "for (const one of document.querySelectorAll('input[name=up]')) if (one.value.includes('curl')) one.click();";
    browser.script(pick).await;
    assert_eq!(browser.script(bar).await, json!(format!("2 of {all} chosen")));
    browser.screenshot(&screenshots().join("plan-chosen.png")).await;
    let fill = "for (const [name, text] of [['by', 'ana'], ['reason', 'curl alone']]) \
                document.querySelector(`#choice [name=${name}]`).value = text;";
    browser.script(fill).await;
    browser.script("document.querySelector('#choice button').click()").await;
    browser.wait_for("return location.pathname.startsWith('/runs/')").await;
    let id = browser.script("return location.pathname.slice(6)").await.as_str().unwrap().to_owned();
    let run = finished(&showcase, &RunId(id)).await;
    assert_eq!((run.chain.as_str(), run.result), ("mend-by-plan", Some(RunResult::Passed)));
    let fix = run.steps.iter().find(|step| step.name == "fix").unwrap();
    assert_eq!(fix.output["upgrades"], 2);
    browser.wait_for("return document.body.innerText.includes('held to a plan of ana: curl alone')").await;
    browser.screenshot(&screenshots().join("plan-run.png")).await;

    // What is not there at once comes by itself; what cannot be planned says so in the same place.
    let slow = showcase.push("shop/slow", "v1").await;
    let run = showcase.run_of(&slow).await;
    let asked = reqwest::Client::new()
        .post(format!("{url}/api/v1/plans"))
        .json(&json!({"image": "main/shop/slow:v1"}))
        .send()
        .await
        .unwrap();
    let plan: serde_json::Value = asked.json().await.unwrap();
    browser.goto(&format!("{url}/images/{slow}/plans/{}", plan["plan"].as_str().unwrap())).await;
    assert!(browser.text().await.contains("The plan is being made"));
    browser.screenshot(&screenshots().join("plan-making.png")).await;
    showcase.engine.cancel(&run.id, "ana", "it is not wanted").await.unwrap();
    let asked = reqwest::Client::new()
        .post(format!("{url}/api/v1/plans"))
        .json(&json!({"image": "main/shop/broken:v1"}))
        .send()
        .await
        .unwrap();
    let plan: serde_json::Value = asked.json().await.unwrap();
    browser.goto(&format!("{url}/images/{broken}/plans/{}", plan["plan"].as_str().unwrap())).await;
    browser.wait_for("return document.body.innerText.includes('system-unsupported')").await;
    assert_eq!(browser.script("return window.hit ?? null").await, json!(null), "a stranger's script ran");
    browser.screenshot(&screenshots().join("plan-none.png")).await;
    browser.quit().await;
}
