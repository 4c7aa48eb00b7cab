//! `POST /hooks/distribution`: the notification envelope of Distribution and of GitLab's registry.

use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use patchline_registry::{Digest, events};
use serde_json::json;

use super::{admit::admit, sightings};
use crate::{App, Error, Result};

/// An envelope holds a few events of about 1 KiB.
const LONGEST_BODY: usize = 1 << 20;

/// Answers 202 once what the envelope starts is durable. A registry that
/// cannot be asked, or a full disk, is a 5xx: Distribution sends again.
pub(super) async fn receive(State(app): State<App>, mut request: Request) -> Result<impl IntoResponse> {
    let (secret, registry) = app.distribution.as_ref().ok_or(Error::HookDisabled)?;
    if !authorized(request.headers(), secret.expose()) {
        return Err(Error::Unauthorized);
    }
    DefaultBodyLimit::max(LONGEST_BODY).apply(&mut request);
    let body = Bytes::from_request(request, &app).await.map_err(|rejection| Error::InvalidBody {
        status: rejection.status(),
        reason: rejection.body_text(),
    })?;
    let told = events::decode(&body)
        .map_err(|error| Error::InvalidBody { status: StatusCode::BAD_REQUEST, reason: error.to_string() })?;
    sightings::pulled(&app, registry, &told.pulls).await;
    let admitted = admit(&app, "distribution", registry, told.pushes).await?;
    let dropped: Vec<_> =
        admitted.dropped.iter().map(|(image, reason)| json!({"image": image, "reason": reason})).collect();
    Ok((StatusCode::ACCEPTED, Json(json!({"runs": admitted.runs, "dropped": dropped}))))
}

/// `Bearer <secret>`, or the secret as the whole value; an empty secret lets nobody in.
fn authorized(headers: &HeaderMap, secret: &str) -> bool {
    let Some(given) = headers.get(header::AUTHORIZATION).map(|v| v.as_bytes()) else { return false };
    let token = match given.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
        _ => given,
    };
    // Both are compared whatever the first says, so that time tells nothing.
    let matches = same(token, secret.as_bytes()) | same(given, secret.as_bytes());
    matches && !secret.is_empty()
}

/// Equality whose time depends on neither text: over their hashes, without an early end.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    let (left, right) = (Digest::of(left), Digest::of(right));
    let difference = left.hex().bytes().zip(right.hex().bytes()).fold(0, |all, (l, r)| all | (l ^ r));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_and_verbatim_values_are_taken_nothing_else() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            authorized(&headers, "s3cret")
        };
        assert!(check("Bearer s3cret"));
        assert!(check("bearer s3cret"));
        assert!(check("s3cret"));
        for wrong in ["Bearer s3cre", "Bearer s3crett", "Basic s3cret", "Bearer", "Bearer  s3cret", ""] {
            assert!(!check(wrong), "{wrong}");
        }
        assert!(!authorized(&HeaderMap::new(), "s3cret"));
        let mut empty = HeaderMap::new();
        empty.insert(header::AUTHORIZATION, "Bearer ".parse().unwrap());
        assert!(!authorized(&empty, ""));
    }
}
