//! The embedded registry as a client of distribution-spec 1.1 sees it.

use patchline_registry::{Digest, model::OCI_MANIFEST};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::{
    images::{image, push, referring},
    servers::{Running, anonymous, embedded},
};

struct Api {
    running: Running,
    client: Client,
}

impl Api {
    async fn start() -> Self {
        // The provider is installed by the first of our own clients.
        let running = embedded().await;
        anonymous(&running.host, "x");
        Self { running, client: Client::builder().no_proxy().build().unwrap() }
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("/v2") {
            format!("http://{}{path}", self.running.host)
        } else {
            format!("http://{}/v2/{path}", self.running.host)
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    async fn session(&self) -> String {
        let opened = self.client.post(self.url("a/b/blobs/uploads/")).send().await.unwrap();
        assert_eq!(opened.status(), StatusCode::ACCEPTED);
        header(&opened, "location")
    }

    async fn patch(&self, session: &str, range: &str, body: &'static str) -> Response {
        let mut request = self.client.patch(self.url(session)).body(body);
        if !range.is_empty() {
            request = request.header("content-range", range);
        }
        request.send().await.unwrap()
    }
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
}

async fn code(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    body["errors"][0]["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_base_says_which_api_this_is() {
    let api = Api::start().await;
    let base = api.get("/v2/").await;
    assert_eq!(base.status(), StatusCode::OK);
    assert_eq!(header(&base, "docker-distribution-api-version"), "registry/2.0");
}

#[tokio::test]
async fn a_blob_arrives_in_chunks() {
    let api = Api::start().await;
    let session = api.session().await;
    let first = api.patch(&session, "0-4", "hello").await;
    assert_eq!((first.status(), header(&first, "range")), (StatusCode::ACCEPTED, "0-4".to_owned()));

    let gap = api.patch(&session, "7-8", "!!").await;
    assert_eq!((gap.status(), header(&gap, "range")), (StatusCode::RANGE_NOT_SATISFIABLE, "0-4".to_owned()));
    let again = api.patch(&session, "0-4", "hello").await;
    assert_eq!(again.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let short = api.patch(&session, "5-9", "two").await;
    assert_eq!(short.status(), StatusCode::BAD_REQUEST, "the chunk is shorter than it says");
    let endless = api.patch(&session, "5-18446744073709551615", "x").await;
    assert_eq!(endless.status(), StatusCode::BAD_REQUEST);
    let nonsense = api.patch(&session, "a-b", "x").await;
    assert_eq!(nonsense.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let status = api.get(&session).await;
    assert_eq!((status.status(), header(&status, "range")), (StatusCode::NO_CONTENT, "0-4".to_owned()));
    let streamed = api.patch(&session, "", " wor").await;
    assert_eq!(header(&streamed, "range"), "0-8");

    let digest = Digest::of(b"hello world");
    let end =
        api.client.put(format!("{}?digest={digest}", api.url(&session))).body("ld").send().await.unwrap();
    assert_eq!(end.status(), StatusCode::CREATED);
    assert_eq!(header(&end, "docker-content-digest"), digest.as_str());
    let blob = api.get(&header(&end, "location")).await;
    assert_eq!(blob.text().await.unwrap(), "hello world");
    assert_eq!(code(api.get(&session).await).await, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_wrong_digest_ends_the_upload() {
    let api = Api::start().await;
    let digest = Digest::of(b"other");
    for path in [api.session().await, "a/b/blobs/uploads/".to_owned()] {
        let url = format!("{}?digest={digest}", api.url(&path));
        let request = if path.starts_with("/v2") { api.client.put(url) } else { api.client.post(url) };
        let refused = request.body("bytes").send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert_eq!(code(refused).await, "DIGEST_INVALID");
        assert_eq!(api.get(&format!("a/b/blobs/{digest}")).await.status(), StatusCode::NOT_FOUND);
    }
    let left: Vec<_> = std::fs::read_dir(api.running.dir.path().join("uploads")).unwrap().collect();
    assert!(left.is_empty(), "nothing half stored");
}

#[tokio::test]
async fn an_upload_can_be_given_up() {
    let api = Api::start().await;
    let session = api.session().await;
    assert_eq!(api.client.delete(api.url(&session)).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(api.patch(&session, "", "x").await.status(), StatusCode::NOT_FOUND);
    let other = api.session().await.replace("/v2/a/b/", "/v2/other/");
    assert_eq!(
        api.patch(&other, "", "x").await.status(),
        StatusCode::NOT_FOUND,
        "not from another repository"
    );
}

#[tokio::test]
async fn blobs_are_read_in_part_and_mounted() {
    let api = Api::start().await;
    let digest = Digest::of(b"0123456789");
    let url = format!("{}?digest={digest}", api.url("a/b/blobs/uploads/"));
    let whole = api.client.post(url).body("0123456789").send().await.unwrap();
    assert_eq!(whole.status(), StatusCode::CREATED);
    let blob = api.url(&format!("a/b/blobs/{digest}"));
    let part = api.client.get(&blob).header("range", "bytes=2-4").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&part, "content-range"), "bytes 2-4/10");
    assert_eq!(part.text().await.unwrap(), "234");
    let outside = api.client.get(&blob).header("range", "bytes=10-").send().await.unwrap();
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let head = api.client.head(&blob).send().await.unwrap();
    assert_eq!(header(&head, "content-length"), "10");

    let mount =
        |from: &str| api.client.post(api.url(&format!("c/blobs/uploads/?mount={digest}&from={from}")));
    assert_eq!(mount("nowhere").send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(mount("..%2Fa").send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(mount("a/b").send().await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(api.client.delete(&blob).send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(api.get(&format!("a/b/blobs/{digest}")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(api.get(&format!("c/blobs/{digest}")).await.text().await.unwrap(), "0123456789");
}

#[tokio::test]
async fn a_blob_in_use_is_not_deleted() {
    let api = Api::start().await;
    let image = image("in use");
    push(&*anonymous(&api.running.host, "a"), "v1", &image).await;
    let blob = api.url(&format!("a/blobs/{}", image.blobs[0].0.digest));
    let refused = api.client.delete(&blob).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    let manifest = api.url(&format!("a/manifests/{}", image.manifest.digest));
    assert_eq!(api.client.delete(&manifest).send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(api.client.delete(&blob).send().await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn names_stay_inside() {
    let api = Api::start().await;
    for name in
        ["..%2F..%2Fetc", "%2e%2e/x", "A", "a//b", ".hidden", "a%00b", "a+b", "repositories%2F..", "%2Fa"]
    {
        for path in ["tags/list", "manifests/v1", "blobs/uploads/x"] {
            let answer = api.get(&format!("{name}/{path}")).await;
            assert!(answer.status().is_client_error(), "{name}/{path}: {}", answer.status());
        }
        let pushed = api.client.post(api.url(&format!("{name}/blobs/uploads/"))).send().await.unwrap();
        assert!(pushed.status().is_client_error(), "{name}: {}", pushed.status());
    }
    assert_eq!(code(api.get("A/tags/list").await).await, "NAME_INVALID");
    assert_eq!(code(api.get("a/tags/list").await).await, "NAME_UNKNOWN");
    assert_eq!(code(api.get("a/manifests/v1").await).await, "MANIFEST_UNKNOWN");
    assert_eq!(code(api.get("a/manifests/-").await).await, "TAG_INVALID");
    assert_eq!(code(api.get("a/manifests/sha256:..").await).await, "DIGEST_INVALID");
    assert!(api.get("a/blobs/sha256:..%2F..%2Findex.json").await.status().is_client_error());
}

#[tokio::test]
async fn manifests_are_checked_before_they_are_kept() {
    let mut api = Api::start().await;
    let image = image("checked");
    let put = |reference: &str, kind: &str, body: Vec<u8>| {
        let request = api.client.put(api.url(&format!("a/manifests/{reference}")));
        request.header("content-type", kind).body(body).send()
    };
    let bytes = image.manifest.bytes.to_vec();
    let missing = put("v1", OCI_MANIFEST, bytes.clone()).await.unwrap();
    assert_eq!(code(missing).await, "MANIFEST_BLOB_UNKNOWN");
    let strange = put("v1", "text/html", bytes.clone()).await.unwrap();
    assert_eq!(code(strange).await, "MANIFEST_INVALID");
    let broken = put("v1", OCI_MANIFEST, b"{".to_vec()).await.unwrap();
    assert_eq!(code(broken).await, "MANIFEST_INVALID");
    let other = put(Digest::of(b"").as_str(), OCI_MANIFEST, bytes).await.unwrap();
    assert_eq!(code(other).await, "DIGEST_INVALID");
    let large = put("v1", OCI_MANIFEST, vec![b' '; 4 * 1024 * 1024 + 1]).await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(api.running.events.try_recv().is_err(), "nothing to tell");
    assert_eq!(api.running.embedded.all_tags().unwrap(), []);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = Api::start().await;
    let image = image("pages");
    for name in ["a", "b/c", "d"] {
        let repository = anonymous(&api.running.host, name);
        for tag in ["t3", "t1", "t2", "t4", "t5"] {
            push(&*repository, tag, &image).await;
        }
    }
    let first = api.get("a/tags/list?n=2").await;
    assert_eq!(header(&first, "link"), r#"</v2/a/tags/list?n=2&last=t2>; rel="next""#);
    let first: Value = first.json().await.unwrap();
    assert_eq!(first["tags"], serde_json::json!(["t1", "t2"]));
    let last = api.get("a/tags/list?n=2&last=t4").await;
    assert_eq!(header(&last, "link"), "");
    assert_eq!(
        api.get("a/tags/list?n=0").await.json::<Value>().await.unwrap()["tags"],
        serde_json::json!([])
    );
    assert_eq!(api.get("a/tags/list?n=x").await.status(), StatusCode::BAD_REQUEST);
    let names = api.get("/v2/_catalog?n=2").await;
    assert_eq!(header(&names, "link"), r#"</v2/_catalog?n=2&last=b/c>; rel="next""#);
    let names: Value = api.get("/v2/_catalog?n=2&last=b/c").await.json().await.unwrap();
    assert_eq!(names["repositories"], serde_json::json!(["d"]));
}

#[tokio::test]
async fn referrers_are_filtered_and_announced() {
    let api = Api::start().await;
    let repository = anonymous(&api.running.host, "a");
    let subject = image("subject");
    push(&*repository, "v1", &subject).await;
    let referrer = referring("referrer", Some(subject.manifest.descriptor()));
    push(&*repository, "r", &referrer).await;
    let put = api.client.put(api.url("a/manifests/r2")).header("content-type", OCI_MANIFEST);
    let put = put.body(referrer.manifest.bytes.clone()).send().await.unwrap();
    assert_eq!(header(&put, "oci-subject"), subject.manifest.digest.as_str());
    let path = format!("a/referrers/{}", subject.manifest.digest);
    let count = |answer: Value| answer["manifests"].as_array().unwrap().len();
    let all = api.get(&path).await;
    assert_eq!(header(&all, "oci-filters-applied"), "");
    assert_eq!(count(all.json().await.unwrap()), 1);
    let none = api.get(&format!("{path}?artifactType=x")).await;
    assert_eq!(header(&none, "oci-filters-applied"), "artifactType");
    assert_eq!(count(none.json().await.unwrap()), 0);
    assert_eq!(
        count(api.get(&format!("{path}?artifactType=application/x-test")).await.json().await.unwrap()),
        1
    );
    let nobody = api.get(&format!("never/referrers/{}", subject.manifest.digest)).await;
    assert_eq!(count(nobody.json().await.unwrap()), 0);
    assert_eq!(api.get("a/referrers/x").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_tag_is_deleted_alone() {
    let api = Api::start().await;
    let image = image("tag");
    let repository = anonymous(&api.running.host, "a");
    push(&*repository, "v1", &image).await;
    push(&*repository, "v2", &image).await;
    let gone = api.client.delete(api.url("a/manifests/v1")).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::ACCEPTED);
    assert_eq!(repository.tags().await.unwrap(), ["v2"]);
    let again = api.client.delete(api.url("a/manifests/v1")).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    let post = api.client.post(api.url("a/manifests/v1")).send().await.unwrap();
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
}
