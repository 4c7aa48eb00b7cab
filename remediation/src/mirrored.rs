//! What stands in the place of an image's own addresses: read from `FROM=TO`, joined with what follows, and shown without secrets.

use url::Url;

/// `TO`, or `FROM=TO`, where the latter is an address (`http`, `https`, `file`) or a folder of this machine.
///
/// # Errors
/// For people, without what was written: it may hold a password.
pub(crate) fn split(text: &str) -> Result<(Option<&str>, Url), String> {
    let split = ["=http://", "=https://", "=file://", "=/"]
        .iter()
        .filter_map(|sign| text.rfind(sign))
        .max()
        .map(|at| (&text[..at], &text[at + 1..]));
    let (from, to) = match split {
        Some((from, to)) if !from.is_empty() => (Some(from), to),
        _ => (None, text),
    };
    let to = if to.starts_with('/') {
        Url::from_directory_path(to).map_err(|()| "it is no folder".to_owned())?
    } else {
        Url::parse(to).map_err(|_| "it is no address".to_owned())?
    };
    if !matches!(to.scheme(), "http" | "https" | "file") {
        return Err("it is neither http, https nor a folder".to_owned());
    }
    Ok((from, to))
}

/// What follows the beginning of an address, where that ends with a whole part of its path.
pub(crate) fn rest<'a>(address: &'a str, from: &str) -> Option<&'a str> {
    address.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A folder beneath a mirror; none: the rest would lead out of it.
pub(crate) fn joined(to: &Url, rest: &str) -> Option<Url> {
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    if !parts.iter().all(|part| is_part(part)) {
        return None;
    }
    let mut place = to.clone();
    place.set_query(None);
    place.set_fragment(None);
    place.path_segments_mut().ok()?.pop_if_empty().extend(parts);
    Some(place)
}

/// One part of a path that leads nowhere else.
pub(crate) fn is_part(part: &str) -> bool {
    !matches!(part, "." | "..") && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._+~@".contains(&b))
}

/// Host and path alone: an address may hold a password.
pub(crate) fn shown(address: &str) -> String {
    match Url::parse(address) {
        Ok(url) => format!("{}{}", url.host_str().unwrap_or_default(), url.path()),
        Err(_) => "an address that is none".to_owned(),
    }
}
